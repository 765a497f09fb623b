// SPDX-License-Identifier: BSD-2-Clause
// Tests of UPCALL_COMPLETION: a program that runs, and makes no system call, is told of
// what others complete; at most once for each look of its handler, not while it holds
// upcalls back or in another upcall, and no more when it said so. A program whose handler
// is broken ends, and nobody else.

#include "libos/crt/start.h"
#include "libos/io/wait.h"
#include "libos/mem/frames.h"
#include "libos/programs/selftest/selftest.h"

#define TICKS 20u			// what a child with "tick" counts to

static volatile struct shared *shared;
static volatile u32 calls;		// of the handler
static volatile u32 depth, deepest;
static volatile u32 seen;
static volatile bool lingers;		// the handler waits for all ticks

static bool
spin_until(u32 count)
{
	u64 until = now_ns() + PATIENCE_NS;

	while (shared->count < count && now_ns() < until)
		;
	return shared->count >= count;
}

static void
on_completion(struct upcall_context *context)
{
	(void)context;
	calls++;
	depth++;
	deepest = MAX(deepest, depth);
	seen = shared->count;
	if (lingers && calls == 1)
		spin_until(TICKS);
	depth--;
}

static void
watch_count(struct helper *h, u32 cpu)
{
	struct wait_set set;

	helper_start(h, "tick", cpu, NULL);
	shared = h->shared;
	calls = depth = deepest = seen = 0;
	wait_begin(&set);
	wait_word_add(&set, &shared->count, 0);
	must(wait_interrupt(&set, on_completion), "watch");
	check(calls == 0, "nothing yet");
}

static void
watch_nothing(struct helper *h)
{
	struct wait_set none;

	wait_begin(&none);
	must(wait_interrupt(&none, NULL), "watch nothing");
	lingers = false;
	helper_end(h);
}

// The handler hears of the last tick, at most once for each.
void
test_completion(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		u64 until = now_ns() + PATIENCE_NS;
		struct helper h;

		watch_count(&h, cpu);
		announce(&shared->order, 1);
		while (seen < TICKS && now_ns() < until)
			;
		check(seen == TICKS, "the handler saw all");
		check(calls >= 1 && calls <= TICKS, "at most an upcall a change");
		watch_nothing(&h);
	}
}

// What came while upcalls were held back is one upcall.
void
test_completion_held(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct helper h;

		watch_count(&h, cpu);
		upcall_hold();
		announce(&shared->order, 1);
		check(spin_until(TICKS), "all ticks");
		check(calls == 0, "held back");
		upcall_release();
		check(calls == 1 && seen == TICKS, "one for all");
		watch_nothing(&h);
	}
}

// What comes while the handler runs does not enter it again, and is not lost.
void
test_completion_nested(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		u64 until = now_ns() + PATIENCE_NS;
		struct helper h;

		watch_count(&h, cpu);
		lingers = true;
		announce(&shared->order, 1);
		while (seen < TICKS && now_ns() < until)
			;
		// On another processor all may come before the first upcall, and the
		// last one's wake after the second.
		check(seen == TICKS && calls <= 3, "one more for all that came");
		check(deepest == 1, "one at a time");
		watch_nothing(&h);
	}
}

// A sleep for something else ends; who watches no more is not told.
void
test_completion_asleep(void)
{
	struct wait_word other = { .va = (u64)&calls };
	struct helper h;
	struct wait_set none;
	i64 result;

	watch_count(&h, processor());
	announce(&shared->order, 1);
	do {		// one that comes before the sleep leaves nothing to end
		other.expected = calls;
		result = sys_wait(&other, 1, now_ns() + PATIENCE_NS);
	} while (result == 0 && shared->count < TICKS);
	check(result == -E_AGAIN, "an upcall ends a sleep");
	check(calls >= 1, "it came");
	wait_begin(&none);
	must(wait_interrupt(&none, on_completion), "watch nothing");
	calls = 0;
	while (shared->count < TICKS)
		check(changed(&shared->count, shared->count), "a tick");
	check(calls == 0, "no more upcalls");
	watch_nothing(&h);
}

// What a child with a broken handler does: the word has changed already.
void
break_handler(volatile struct shared *page)
{
	struct wait_word word = { .va = (u64)&page->order, .expected = 0 };

	if (!changed(&page->order, 0))
		return;
	if (page->order == 1)
		uarea()->upcall_entry = USER_END;
	else if (page->order == 2)
		uarea()->upcall_entry = 0;
	else
		uarea()->upcall_stack_top = uarea()->upcall_stack_bottom + 16;
	sys_watch(&word, 1);
	page->value = 1;
	for (;;)
		;
}

void
test_completion_broken(void)
{
	for (u32 way = 1; way <= 3; way++) {
		struct helper h;
		struct child_end end;

		helper_start(&h, "break-handler", processor(), NULL);
		announce(&h.shared->order, way);
		check(child_wait(&h.child, now_ns() + PATIENCE_NS) == 0, "it ends");
		check(h.shared->value == 0, "at once");
		child_reap(&h.child, &end);
		check(end.how == (way == 3 ? END_UPCALL : END_FAULT) &&
		      end.vector == VECTOR_TIMER_UPCALL, "for its handler");
		frames_give(&h.page);
	}
}
