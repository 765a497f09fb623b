// SPDX-License-Identifier: BSD-2-Clause
// Random system calls with random arguments, valid ones mixed in:
//
//	fuzz SEED ROUNDS [quiet]
//
// Each round is a child with everything that this program was granted. It makes
// CALLS calls, changes memory that it shares with the kernel between them, and
// may lose its own memory, its capabilities or its way; then the next one
// starts. The same seed makes the same calls, though not at the same moments.

#include "kernel/base/prng.h"
#include "kernel/base/string.h"
#include "libos/crt/program.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define OTHERS_RINGS 10u	// addresses below are those that programs beside it bind
#define CALLS 400u
#define ARENA_FRAMES 160u		// a ring's worth and some more
#define ARENA_VA REGION_BASE
#define ROUND_NS (200 * NS_PER_MS)	// a child that sleeps too long is ended
#define GRANTS_MAX 8u

struct progress {
	u64 calls;
	u64 accepted;
	u64 rings;		// bound
	u64 queues;
	u64 children;		// started
};

static struct prng prng;

static u64
below(u64 bound)
{
	return prng_below(&prng, bound);
}

// ---- the child ----

static struct progress *progress;
static u64 arena_frame;
static u32 arena_slot;

static u64
random_address(void)
{
	static const u64 edges[] = {
		0, USER_BASE, REGION_BASE, USER_END, TABLES_BASE, UAREA_BASE,
		IMAGE_BASE, 0x0000800000000000, 0xffff800000000000,
		0xffffffff80000000, ~0ull,
	};

	switch (below(8)) {
	case 0:
		return edges[below(ARRAY_SIZE(edges))] + below(64) - 32;
	case 1:
		return prng_u64(&prng);
	case 2:
		return UAREA_BASE + below(PAGE_SIZE);
	case 3:
		return ARENA_VA + below(ARENA_FRAMES + 4) * PAGE_SIZE;
	default:
		return ARENA_VA + (below(ARENA_FRAMES * PAGE_SIZE) & ~7ull);
	}
}

static u64
random_frame(void)
{
	return below(3) ? arena_frame + below(ARENA_FRAMES)
			: below(sys_info()->frame_count + 2);
}

static u64
random_argument(void)
{
	static const u64 times[] = { 0, 1, 1000 };

	switch (below(9)) {
	case 0:
		return random_address();
	case 1:
		return random_frame();
	case 2:
		return below(4);
	case 3:
		return 1ull << below(64);
	case 4:
		return ~0ull - below(4);
	case 5:
		return now_ns() + times[below(3)] * NS_PER_US / 10;
	default:
		return below(40);		// slots, mostly
	}
}

// What a structure of a call could hold, anywhere in the arena.
static void
scribble(void)
{
	u64 *words = (u64 *)(ARENA_VA + below(ARENA_FRAMES) * PAGE_SIZE);

	for (u32 i = 0; i < 16; i++)
		words[below(PAGE_SIZE / 8)] = random_argument();
	words[0] = random_argument() & 0xffffffff00000007;
	words[1] = random_frame();
}

// A ring and a queue in the arena, so that calls on them mean something.
static void
bind_something(void)
{
	struct ring_spec *spec = (struct ring_spec *)(ARENA_VA + PAGE_SIZE * 150);
	struct queue_spec *queue = (struct queue_spec *)(spec + 1);
	struct fabric_spec *fabric = (struct fabric_spec *)(queue + 1);
	u32 arena = arena_slot;
	i64 fabric_queue;

	*spec = (struct ring_spec){
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = OTHERS_RINGS + (u32)below(RINGS_MAX - OTHERS_RINGS),
		.ring_slot = arena,
		.narrows = SLOT_NONE,
		.ring_frame = arena_frame,
		.region_count = 1,
		.region = { { arena, 0, arena_frame, ARENA_FRAMES } },
	};
	*queue = (struct queue_spec){
		.blocks_slot = startup_slot(ROLE_BLOCKS),
		.queue_slot = arena,
		.queue_frame = arena_frame + 155,
		.region_slot = arena,
		.region_frame = arena_frame,
		.region_count = ARENA_FRAMES,
	};
	*fabric = (struct fabric_spec){
		.fabric_slot = startup_slot(ROLE_FABRIC),
		.queue_slot = arena,
		.queue_frame = arena_frame + 140,
		.region_slot = arena,
		.region_frame = arena_frame,
		.region_count = ARENA_FRAMES,
	};
	// The quota has room for two of all of these.
	fabric_queue = below(2) ? sys_fabric_bind(fabric) : -E_ABSENT;
	if (fabric_queue >= 0 &&
	    sys_endpoint_open(fabric->fabric_slot, (u32)fabric_queue, below(9)) < 0)
		scribble();
	progress->rings += sys_ring_bind(spec) >= 0;
	progress->queues += sys_queue_bind(queue) >= 0;
}

// A program, sound or of whatever lies there, and perhaps its verification; one that
// is accepted handles the ring.
static void
load_something(void)
{
	struct program_spec spec = {
		.text = ARENA_VA + PAGE_SIZE * 120,
		.count = below(4) ? 2 : (u32)below(CODE_INSNS_MAX + 2),
		.type = (u32)below(PROGRAM_TYPE_COUNT),
	};
	struct code_insn *text = (struct code_insn *)spec.text;
	struct program_verdict v;
	i64 slot, error = -E_AGAIN;

	text[0] = (struct code_insn){ 0xb7, below(9) == 0, 0, (i32)below(2) };
	text[1] = (struct code_insn){ 0x95, 0, 0, 0 };
	slot = sys_code_load(&spec);
	for (u32 i = 0; slot >= 0 && error == -E_AGAIN && i < 8; i++)
		error = sys_code_verify((u32)slot, &v);
	if (error)
		return;
	for (u32 ring = 0; spec.type == PROGRAM_HANDLER && ring < 40; ring++)
		progress->accepted += sys_ring_handle(ring, (u32)slot, arena_slot,
						      arena_frame) == 0;
}

// A child of the child that runs code of its own: a loop of null calls, a plain
// loop, or whatever bytes come.
static void
make_child(void)
{
	static const u8 codes[][4] = {
		{ 0x0f, 0x05, 0xeb, 0xfc }, { 0xeb, 0xfe, 0xeb, 0xfc },
	};
	u64 code = ARENA_VA + below(ARENA_FRAMES) * PAGE_SIZE;
	u64 frame = arena_frame + (code - ARENA_VA) / PAGE_SIZE;
	u32 arena = arena_slot;
	struct env_spec spec = {
		.uarea_slot = arena,
		.uarea_frame = random_frame(),
		.quota = { .frames = 10 + (u32)below(10) },
		.name = "fuzzed",
	};
	i64 env = sys_env_create(&spec);
	i64 slot, slice;

	if (env < 0)
		return;
	if (below(3))
		memcpy((void *)code, codes[below(2)], 4);
	else
		scribble();
	slot = sys_cap_derive(arena, (u32)env, CAP_READ | CAP_WRITE | CAP_EXECUTE,
			      arena_frame, ARENA_FRAMES);
	if (slot < 0 || sys_page_map((u32)env, code, (u32)slot, frame, 1,
				     PROT_READ | PROT_EXECUTE))
		return;
	progress->children += sys_env_start((u32)env, code, code, 0) >= 0;
	slice = sys_slice_alloc((u32)below(sys_info()->cpu_count), SLICE_ANY);
	if (slice >= 0 && sys_slice_bind((u32)slice, (u32)env) == 0 && below(2))
		sys_yield((u32)env);
}

static void
fuzz_call(void)
{
	u64 number = below(8) ? below(SYS_COUNT) : prng_u64(&prng) >> below(64);
	u64 a[6];

	for (u32 i = 0; i < 6; i++)
		a[i] = random_argument();
	// Ends the child, or sleeps for ever: there are other ways to both.
	if (number == SYS_env_exit || number == SYS_console_write)
		return;
	// What it lives on it loses early enough.
	if ((number == SYS_cap_drop || number == SYS_cap_revoke) && a[0] < 8 &&
	    below(8))
		return;
	if (number == SYS_wait || number == SYS_entry_wait)
		a[2] = now_ns() + below(50) * NS_PER_US;
	if (number == SYS_fabric_sleep)
		a[1] = now_ns() + below(50) * NS_PER_US;
	if (number == SYS_wait_for || number == SYS_fabric_wait)
		a[3] = now_ns() + below(50) * NS_PER_US;
	if ((number == SYS_entry_call || number == SYS_entry_reply) && below(2))
		number |= CALL_FAST;
	progress->calls++;
	progress->accepted += syscall_lossy(number, a[0], a[1], a[2], a[3],
					    a[4], a[5]) >= 0;
}

// Faults are its daily bread; nobody wants to read of each.
static bool
give_up(struct upcall_context *context)
{
	(void)context;
	sys_env_exit(STATUS_FAILED);
}

static int
child(u64 seed)
{
	const struct startup_cap *page = startup_find(ROLE_SHARED, 0);
	struct cap_info info;

	fault_handler_add(give_up);
	prng_seed(&prng, seed);
	need("find the page", page ? 0 : -E_ABSENT);
	need("map it", sys_page_map(CAP_SLOT_SELF, (u64)direct_address(page->base),
				    page->slot, page->base, 1,
				    PROT_READ | PROT_WRITE));
	progress = direct_address(page->base);
	arena_slot = (u32)need("take frames",
			       sys_frame_alloc(FRAME_ANY, ARENA_FRAMES));
	need("look", sys_cap_inspect(CAP_SLOT_SELF, arena_slot, &info));
	arena_frame = info.base;
	need("map", sys_page_map(CAP_SLOT_SELF, ARENA_VA, arena_slot, arena_frame,
				 ARENA_FRAMES, PROT_READ | PROT_WRITE));
	for (u32 i = 0; i < CALLS; i++) {
		if (i % 100 == 0)
			bind_something();
		if (i % 50 == 25)
			make_child();
		if (i % 100 == 50)
			load_something();
		if (below(4) == 0)
			scribble();
		fuzz_call();
	}
	return STATUS_OK;
}

// ---- the parent ----

static struct archive boot;

static void
number_text(char *text, u64 n)
{
	char reversed[24];
	u32 len = 0;

	do
		reversed[len++] = (char)('0' + n % 10);
	while (n /= 10);
	for (u32 i = 0; i < len; i++)
		text[i] = reversed[len - 1 - i];
	text[len] = 0;
}

static void
run_round(u64 seed, const struct frame_run *page)
{
	static const enum startup_role roles[] = {
		ROLE_NIC, ROLE_BLOCKS, ROLE_MACHINE, ROLE_CONSOLE, ROLE_FABRIC,
	};
	char text[24];
	char *argv[] = { "fuzz", "child", text, NULL };
	struct spawn_grant grants[GRANTS_MAX];
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 3,
		.argv = argv,
		.grants = grants,
		.grant_count = 1,
		.quota = { .frames = 350, .slices = 2, .envs = 2, .rings = 2 },
		.cpu = (u32)(seed % sys_info()->cpu_count),
		.slices = 1,
	};
	struct child worker;

	number_text(text, seed);
	grants[0] = (struct spawn_grant){ ROLE_SHARED, page->slot,
		CAP_READ | CAP_WRITE, page->frame, 1, 0 };
	for (u32 i = 0; i < ARRAY_SIZE(roles); i++)
		spec.grant_count += !grant_of_role(roles[i], CAP_READ | CAP_WRITE |
						   CAP_DERIVE,
						   &grants[spec.grant_count]);
	need("start a child", program_start(&spec, &worker));
	(void)(child_wait(&worker, now_ns() + ROUND_NS) < 0);
	child_reap(&worker, NULL);
}

int
main(int argc, char **argv)
{
	struct frame_run page;
	u64 seed, rounds;

	if (argc == 3 && !strcmp(argv[1], "child") && text_to_u64(argv[2], &seed))
		return child(seed);
	if (argc < 3 || !text_to_u64(argv[1], &seed) ||
	    !text_to_u64(argv[2], &rounds)) {
		print("fuzz: give a seed and how many rounds\n");
		return STATUS_USAGE;
	}
	need("open the archive", archive_open(ROLE_BOOT_ARCHIVE, &boot));
	need("take a frame", frames_take(1, &page));
	progress = direct_address(page.frame);
	*progress = (struct progress){ 0 };
	for (u64 i = 0; i < rounds; i++)
		run_round(seed + i, &page);
	verdict.attempts = (u32)progress->calls;
	if (argc > 3)
		return STATUS_OK;
	print("fuzz: %lu calls, %lu accepted; %lu rings, %lu queues, %lu "
	      "children\n", progress->calls, progress->accepted,
	      progress->rings, progress->queues, progress->children);
	return verdict_end();
}
