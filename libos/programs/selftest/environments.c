// SPDX-License-Identifier: BSD-2-Clause
// Tests with a second environment: processors, wakes, yields, slices, and that
// what is taken away is gone at once, wherever its holder runs.
//
// On a node with one processor the child shares it with the test; with more,
// each test goes through all of them.

#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define ROUNDS 200u
#define STOPS 20u
#define REAPS 20u
#define PATTERN 0x5ec2e75ec2e7ull

static u32
last_processor(void)
{
	return sys_info()->cpu_count - 1;
}

static void
nap(u64 ns)
{
	must(sys_wait(NULL, 0, now_ns() + ns) == -E_TIMEOUT ? 0 : -E_STATE,
	     "a nap");
}

// Every processor runs a program of its own.
void
test_everywhere(void)
{
	for (u32 cpu = 0; cpu <= last_processor(); cpu++) {
		struct helper h;

		helper_start(&h, "processor", cpu, NULL);
		check(changed(&h.shared->state, 0), "the child answered");
		print("everywhere: ran on processor %u\n", h.shared->processor);
		helper_end(&h);
	}
}

// Ping-pong by wait and wake, with a child on each processor in turn.
void
test_wake(void)
{
	for (u32 cpu = 0; cpu <= last_processor(); cpu++) {
		struct helper h;
		u32 i = 0;

		helper_start(&h, "answer", cpu, NULL);
		while (i < ROUNDS) {
			announce(&h.shared->order, i + 1);
			if (!check(changed(&h.shared->state, i),
				   "a wake arrived"))
				break;
			i++;
		}
		check(h.shared->processor == cpu, "it ran where its slice is");
		helper_end(&h);
	}
}

// Takes the child's slice away: it runs in none.
static void
take_slices(const struct helper *h)
{
	for (u32 i = 0; i < h->child.slice_count; i++)
		must(sys_slice_bind(h->child.slices[i], CAP_SLOT_SELF),
		     "slice_bind");
}

static void
busy(u64 ns)
{
	for (u64 until = now_ns() + ns; now_ns() < until;)
		;
}

// When a child was taken down, wherever it ran, its quota is back.
void
test_reap(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 frames = self->quota.frames;

	for (u32 i = 0; i < REAPS; i++) {
		struct helper h;

		helper_start(&h, "count", i % sys_info()->cpu_count, NULL);
		while (h.shared->count == 0)
			sys_yield(SLOT_NONE);
		helper_end(&h);
		if (!check(self->quota.frames == frames && !self->used.envs,
			   "the quota is back"))
			return;
	}
}

// A child without a slice runs when, and only when, time is given to it.
void
test_yield(void)
{
	struct helper h;
	u32 count, env;

	helper_start(&h, "steps", processor(), NULL);
	env = h.child.env;
	for (u64 until = now_ns() + PATIENCE_NS;
	     h.shared->count == 0 && now_ns() < until;)
		sys_yield(SLOT_NONE);
	take_slices(&h);
	busy(3 * NS_PER_MS);
	count = h.shared->count;
	check(count > 0, "it ran in its slice");
	nap(5 * NS_PER_MS);
	busy(5 * NS_PER_MS);
	check(h.shared->count == count, "without a slice it does not run");
	// What is given as a slice ends is nothing, so not every gift counts.
	for (u32 i = 0; i < ROUNDS; i++)
		must(sys_yield(env), "yield");
	check(h.shared->count >= count + ROUNDS / 2, "given time it runs");
	helper_end(&h);
	check(sys_yield(env) == -E_SLOT, "nobody is there to yield to");
}

// A slice that is taken away while its holder loops in it stops the holder at
// once, though nothing else wants that processor; given back, it goes on.
void
test_slices(void)
{
	struct helper h;
	u32 count;

	if (last_processor() == 0)
		return;			// the holder would not be running
	helper_start(&h, "count", processor() ? 0 : 1, NULL);
	while (h.shared->count < 1000)
		;
	take_slices(&h);
	// A host may let that processor stand still, and the holder in the middle.
	for (u32 i = 0; i < STOPS; i++) {
		count = h.shared->count;
		nap(5 * NS_PER_MS);
		if (h.shared->count == count)
			break;
	}
	check(h.shared->count == count, "a holder without slice stopped");
	must(sys_slice_bind(h.child.slices[0], h.child.env), "slice_bind");
	for (u64 until = now_ns() + PATIENCE_NS;
	     h.shared->count == count && now_ns() < until;)
		;
	check(h.shared->count != count, "with its slice it went on");
	helper_end(&h);
}

// An environment whose slice moves to another processor while it sleeps wakes
// there in time.
void
test_move(void)
{
	struct helper h;
	u32 count;

	helper_start(&h, "naps", 0, NULL);
	for (u32 cpu = 0; cpu < 2 * sys_info()->cpu_count; cpu++) {
		u32 target = cpu % sys_info()->cpu_count;
		i64 slice = sys_slice_alloc(target, SLICE_ANY);

		must(slice, "slice_alloc");
		must(sys_slice_bind((u32)slice, h.child.env), "slice_bind");
		must(sys_cap_drop(h.child.slices[0]), "cap_drop");
		h.child.slices[0] = (u16)slice;
		nap(2 * NS_PER_MS);
		count = h.shared->count;
		for (u64 until = now_ns() + PATIENCE_NS;
		     h.shared->count < count + 3 && now_ns() < until;)
			nap(NS_PER_MS);
		check(h.shared->count >= count + 3, "it still wakes");
		check(h.shared->processor == target, "where its slice went");
	}
	helper_end(&h);
}

static void
lend(struct helper *h, char *what, u32 cpu, struct frame_run *run)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, 1);
	struct cap_info info;

	must(slot, "frame_alloc");
	must(sys_cap_inspect(CAP_SLOT_SELF, (u32)slot, &info), "cap_inspect");
	*run = (struct frame_run){ info.base, 1, (u32)slot };
	must(map_direct(run, PROT_READ | PROT_WRITE), "map");
	*(volatile u64 *)direct_address(run->frame) = PATTERN;
	helper_start(h, what, cpu, run);
	check(changed(&h->shared->state, 0), "it read what was lent");
	check(h->shared->value == PATTERN, "it read it right");
}

// The memory goes, to be somebody else's: the child must not read it any more.
static void
take_back(struct helper *h, struct frame_run *run)
{
	must(sys_cap_revoke(run->slot), "cap_revoke");
	*(volatile u64 *)direct_address(run->frame) = ~PATTERN;
	announce(&h->shared->order, 1);
	check(changed(&h->shared->state, 1), "it noticed");
	check(h->shared->vector == VECTOR_PAGE_FAULT, "by a page fault");
	check(h->shared->value == PATTERN, "it never read what came after");
	helper_end(h);
	must(unmap_run(CAP_SLOT_SELF, (u64)direct_address(run->frame), 1), "unmap");
	must(sys_cap_drop(run->slot), "cap_drop");
}

void
test_revoke_running(void)
{
	for (u32 cpu = 0; cpu <= last_processor(); cpu++) {
		struct helper h;
		struct frame_run run;

		lend(&h, "read-running", cpu, &run);
		take_back(&h, &run);
	}
}

void
test_revoke_asleep(void)
{
	for (u32 cpu = 0; cpu <= last_processor(); cpu++) {
		struct helper h;
		struct frame_run run;

		lend(&h, "read-after-sleep", cpu, &run);
		nap(2 * NS_PER_MS);
		take_back(&h, &run);
	}
}
