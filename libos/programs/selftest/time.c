// SPDX-License-Identifier: BSD-2-Clause
// Tests of processor time: what is told at the start and the end of slices, what
// is owed after an overrun, and an environment with slices on several processors.
// A rival that only counts shares the processor, so that slices end.

#include "libos/crt/start.h"
#include "libos/programs/selftest/selftest.h"

#define EVENTS 10u

static const volatile struct env_info *
info_of(const struct helper *h)
{
	return &env_table()[h->child.index];
}

static void
nap(void)
{
	must(sys_wait(NULL, 0, now_ns() + NS_PER_MS) == -E_TIMEOUT ? 0 : -E_STATE,
	     "a nap");
}

// Sleeps until both counters have reached EVENTS.
static bool
reached(const volatile u64 *one, const volatile u64 *other)
{
	u64 until = now_ns() + PATIENCE_NS;

	while ((*one < EVENTS || *other < EVENTS) && now_ns() < until)
		nap();
	return *one >= EVENTS && *other >= EVENTS;
}

static void
start_rivals(struct helper *h, char *what, struct helper *rival)
{
	u32 cpu = processor();

	helper_start(rival, "count", cpu, NULL);
	helper_start(h, what, cpu, NULL);
}

// What is to be cut off is so, again and again, and its rival gets on.
static void
check_cut_off(char *what)
{
	struct helper h, rival;
	u64 until = now_ns() + PATIENCE_NS;
	bool owed = false;
	u32 count;

	start_rivals(&h, what, &rival);
	while ((info_of(&h)->cut_offs < EVENTS || !owed) && now_ns() < until)
		owed |= info_of(&h)->owed_ns != 0;
	check(info_of(&h)->cut_offs >= EVENTS, "it is cut off");
	check(info_of(&h)->overrun_ns >= EVENTS * SLICE_OVERRUN_NS,
	      "what it took is counted");
	check(owed, "what it owes is shown");
	count = rival.shared->count;
	check(count > 0 && h.shared->count > 0, "both run");
	while (rival.shared->count == count && now_ns() < until)
		;
	check(rival.shared->count != count, "its rival gets on");
	helper_end(&h);
	helper_end(&rival);
}

void
test_slice_upcalls(void)
{
	struct helper h, rival;

	start_rivals(&h, "slices", &rival);
	check(reached(&h.shared->value, &h.shared->address),
	      "starts and ends of slices are told");
	check(h.shared->count > 0 && rival.shared->count > 0, "both run");
	check(info_of(&h)->overrun_ns > 0, "what the handler took is counted");
	check(info_of(&rival)->overrun_ns == 0, "who did not ask has no overruns");
	helper_end(&h);
	helper_end(&rival);
}

void
test_sections(void)
{
	struct helper h, rival;

	start_rivals(&h, "sections", &rival);
	check(reached(&h.shared->value, &h.shared->value), "slices end");
	check(h.shared->vector == 0, "never in a critical section");
	check(h.shared->count > 0, "the end of a section gives up the slice");
	helper_end(&h);
	helper_end(&rival);
	check_cut_off("cling");
}

void
test_overruns(void)
{
	check_cut_off("overrun");
}

// It has a slice on each of the first two processors; one of them gets busy, so it
// is to get on with the other.
static void
follow(const struct helper *h, u32 busy)
{
	struct helper rival;
	u64 until = now_ns() + PATIENCE_NS;
	u32 before;
	bool went = false, shown = false;

	helper_start(&rival, "count", busy, NULL);
	before = h->shared->count;
	while (!(went && shown && h->shared->count > before) && now_ns() < until) {
		nap();
		went |= h->shared->processor != busy;
		shown |= info_of(h)->processor != busy;
	}
	check(went, "it goes where it can run");
	check(shown, "and the table says where");
	check(h->shared->count > before, "it gets on");
	helper_end(&rival);
}

void
test_migrate(void)
{
	struct helper h;
	i64 slice;

	if (sys_info()->cpu_count < 2)
		return;
	helper_start(&h, "where", 0, NULL);
	slice = sys_slice_alloc(1, SLICE_ANY);
	must(slice, "slice_alloc");
	must(sys_slice_bind((u32)slice, h.child.env), "slice_bind");
	for (u32 i = 0; i < EVENTS; i++)
		follow(&h, i % 2);
	must(sys_cap_drop((u32)slice), "cap_drop");
	helper_end(&h);
}
