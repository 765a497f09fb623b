// SPDX-License-Identifier: BSD-2-Clause
// The system-call fuzzer:
//
//	storm SEED CALLS
//
// Rounds of two environments that share their memory and hold each other's
// capability, on two processors where there are two. Both make random calls
// (calls.h) and scribble in what the other's calls read, until CALLS were made in
// all. Every few rounds the checked kernel walks its invariants (control.h). The
// same seed makes the same calls, though not at the same moments.

#include "kernel/base/fmt.h"
#include "libos/crt/program.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/programs/hostile/calls.h"
#include "libos/programs/hostile/control.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define PAIR 2u
#define CALLS_EACH 1500u		// of one environment in a round
#define ARENA_FRAMES 160u		// a ring's and some more
#define OWN_FRAMES 8u
#define AUDIT_ROUNDS 16u
#define STEP_NS (40 * NS_PER_MS)	// in which neither made a call: both are ended
#define GRANTS_MAX 8u

struct progress {
	u64 calls;
	u64 accepted;
	u64 by_call[SYS_COUNT];		// accepted
	u32 ready;			// children that wait for the other
	u32 go;
};

static struct progress *progress;

// ---- a child ----

static struct generator generator;

// Its arena comes back; else it has lost its way, and the next round brings another.
static bool
mend(struct upcall_context *context)
{
	if (context->frame.vector == VECTOR_PAGE_FAULT &&
	    arena_mend(&generator, context->frame.address))
		return true;
	sys_env_exit(STATUS_FAILED);
}

// What the other one's calls may be reading at this moment.
static void
scribble(struct generator *g)
{
	u64 *words = (u64 *)(g->arena + below(g, g->arena_frames) * PAGE_SIZE);

	for (u32 i = 0; i < 8; i++)
		words[below(g, PAGE_SIZE / 8)] = random_frame(g) | below(g, 3) << 32;
}

static void
take_part(const struct startup_cap *arena)
{
	struct generator *g = &generator;

	g->arena = (u64)direct_address(arena->base + 1);
	g->arena_frame = arena->base + 1;
	g->arena_frames = ARENA_FRAMES;
	g->arena_slot = arena->slot;
	calls_learn(g);
	for (u32 slot = 0; slot < 32; slot++)
		look(g, slot);
	// The parent has given each the other's capability once both are there.
	__atomic_fetch_add(&progress->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&progress->go, __ATOMIC_ACQUIRE))
		sys_yield(SLOT_NONE);
}

static int
child(u64 seed)
{
	const struct startup_cap *arena = startup_find(ROLE_SHARED, 0);
	struct generator *g = &generator;
	u64 a[CALL_ARGUMENTS];

	fault_handler_add(mend);
	prng_seed(&g->prng, seed);
	need("find the arena", arena ? 0 : -E_ABSENT);
	need("map it", sys_page_map(CAP_SLOT_SELF,
				    (u64)direct_address(arena->base), arena->slot,
				    arena->base, ARENA_FRAMES + 1,
				    PROT_READ | PROT_WRITE));
	progress = direct_address(arena->base);
	take_part(arena);
	for (u32 i = 0; i < CALLS_EACH; i++) {
		u64 number = calls_next(g, a);

		if (below(g, 8) == 0)
			scribble(g);
		if (calls_unwanted(g, number, a, 10, 16))
			continue;
		progress->calls++;
		if (calls_make(g, number, a) >= 0) {
			progress->accepted++;
			progress->by_call[number]++;
		}
	}
	return STATUS_OK;
}

// ---- the parent ----

static struct archive boot;

static void
start(u64 seed, u32 nth, const struct frame_run *arena, struct child *worker)
{
	static const enum startup_role roles[] = {
		ROLE_NIC, ROLE_BLOCKS, ROLE_MACHINE, ROLE_CONSOLE, ROLE_FABRIC,
	};
	char text[24];
	char *argv[] = { "storm", "child", text, NULL };
	struct spawn_grant grants[GRANTS_MAX] = {
		{ ROLE_SHARED, arena->slot, CAP_READ | CAP_WRITE | CAP_DERIVE |
		  CAP_EXECUTE, arena->frame, arena->count, 0 } };
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 3,
		.argv = argv,
		.grants = grants,
		.grant_count = 1,
		.quota = { .frames = 300, .slices = 2, .envs = 1, .rings = 2 },
		.cpu = nth % sys_info()->cpu_count,
		.slices = 1,
	};

	fmt_into(text, sizeof(text), "%lu", seed);
	for (u32 i = 0; i < ARRAY_SIZE(roles); i++)
		spec.grant_count += !grant_of_role(roles[i], CAP_READ | CAP_WRITE |
						   CAP_DERIVE,
						   &grants[spec.grant_count]);
	need("start a child", program_start(&spec, worker));
}

// Each gets the other's capability, or what is left of the other.
static void
introduce(const struct child pair[PAIR])
{
	u64 until = now_ns() + 10 * STEP_NS;

	while (__atomic_load_n(&progress->ready, __ATOMIC_ACQUIRE) < PAIR &&
	       now_ns() < until)
		sys_yield(SLOT_NONE);
	for (u32 i = 0; i < PAIR; i++)
		(void)(sys_cap_derive(pair[i].env, pair[1 - i].env, CAP_READ |
				      CAP_WRITE | CAP_DERIVE, pair[i].index, 1) < 0);
	__atomic_store_n(&progress->go, 1, __ATOMIC_RELEASE);
}

static void
run_round(u64 seed, const struct frame_run *arena)
{
	static struct progress kept;
	struct child pair[PAIR];

	kept = *progress;
	progress->ready = progress->go = 0;
	for (u32 i = 0; i < PAIR; i++)
		start(seed * PAIR + i, i, arena, &pair[i]);
	introduce(pair);
	for (u32 i = 0; i < PAIR; i++) {
		u64 before = ~0ull;

		while (progress->calls != before) {
			before = progress->calls;
			if (!child_wait(&pair[i], now_ns() + STEP_NS))
				break;
		}
	}
	for (u32 i = 0; i < PAIR; i++)
		child_reap(&pair[i], NULL);
	// They may map the page that they count in, and write what they like: then the
	// round does not count.
	if (progress->calls - kept.calls > PAIR * CALLS_EACH)
		*progress = kept;
}

// Calls that were never accepted are told: the test knows which may be.
static void
tell(u64 rounds)
{
	static const char *const names[SYS_COUNT] = {
#define X(number, name, arguments, sentence) [number] = #name,
#include "kernel/abi/syscalls.def"
#undef X
	};

	print("storm: %lu calls in %lu rounds, %lu accepted; never:",
	      progress->calls, rounds, progress->accepted);
	for (u32 i = 0; i < SYS_COUNT; i++) {
		if (!progress->by_call[i])
			print(" %s", names[i] ? names[i] : "?");
	}
	print("\n");
}

int
main(int argc, char **argv)
{
	struct frame_run arena;
	u64 seed, calls, rounds = 0;

	if (argc == 3 && !strcmp(argv[1], "child") && text_to_u64(argv[2], &seed))
		return child(seed);
	if (argc != 3 || !text_to_u64(argv[1], &seed) ||
	    !text_to_u64(argv[2], &calls)) {
		print("storm: give a seed and how many calls\n");
		return STATUS_USAGE;
	}
	need("open the archive", archive_open(ROLE_BOOT_ARCHIVE, &boot));
	need("take frames", frames_take(ARENA_FRAMES + 1, &arena));
	progress = direct_address(arena.frame);
	*progress = (struct progress){ 0 };
	while (progress->calls < calls) {
		print("storm: round %lu\n", rounds + 1);	// it goes on
		run_round(seed + rounds, &arena);
		if (rounds++ % AUDIT_ROUNDS == 0)
			syscall_3(SYS_null, CONTROL_MAGIC, CONTROL_AUDIT, 0);
	}
	syscall_3(SYS_null, CONTROL_MAGIC, CONTROL_AUDIT, 0);
	verdict.attempts = (u32)progress->calls;
	tell(rounds);
	return verdict_end();
}
