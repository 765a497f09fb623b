// SPDX-License-Identifier: BSD-2-Clause
// Tests of cooperative threads: turns, waits for words and times, waits that others end,
// and what lies below their stacks.

#include "libos/crt/attempt.h"
#include "libos/crt/start.h"
#include "libos/programs/selftest/selftest.h"
#include "libos/thread/thread.h"

#define COUNT (THREADS_MAX - 1)		// the main thread is one
#define LAPS 10u

static u32 turns[COUNT];
static const u32 never;
static u32 early;
static u32 ended;

static void
take_turns(void *argument)
{
	u64 self = (u64)argument, until;

	for (u32 i = 0; i < LAPS; i++) {
		turns[self]++;
		thread_yield();
	}
	// Each for another time, the first longest.
	until = now_ns() + (COUNT - self) * NS_PER_MS / 4;

	thread_wait(&never, 0, until);
	early += now_ns() < until;
	ended++;
}

static u32 gate;

static void
open_gate(void *argument)
{
	(void)argument;
	thread_sleep(NS_PER_MS);
	gate = 1;
}

static u64 woken_until;
static bool woken;

static void
wait_to_be_woken(void *argument)
{
	(void)argument;
	thread_wait(NULL, 0, woken_until);
	woken = true;
}

// A main thread that sleeps for itself knows until when, and ends others' waits.
static void
test_thread_wake(void)
{
	struct thread *thread;

	woken = false;
	woken_until = now_ns() + PATIENCE_NS;
	thread = thread_start(wait_to_be_woken, NULL);
	if (!check(thread, "a thread started"))
		return;
	check(threads_due() == 0, "a thread that can run is due");
	thread_yield();
	check(threads_due() == woken_until, "one that waits is due then");
	check(!woken, "nobody woke it yet");
	thread_wake(thread);
	check(threads_due() == 0, "one that was woken is due");
	thread_yield();
	check(woken && now_ns() < woken_until, "it was woken before its time");
	thread_join(thread);
}

void
test_threads(void)
{
	struct thread *threads[COUNT];
	struct thread *opener;
	u32 wrong = 0;

	for (u64 i = 0; i < COUNT; i++) {
		turns[i] = 0;
		threads[i] = thread_start(take_turns, (void *)i);
		if (!check(threads[i], "a thread started"))
			return;
	}
	ended = early = 0;
	check(!thread_start(take_turns, NULL), "one more does not fit");
	for (u32 i = 0; i < COUNT; i++)
		thread_join(threads[i]);
	for (u32 i = 0; i < COUNT; i++)
		wrong += turns[i] != LAPS;
	check(wrong == 0, "each had its turns");
	check(ended == COUNT, "each ended");
	check(early == 0, "nobody woke before its time");
	gate = 0;
	opener = thread_start(open_gate, NULL);
	if (check(opener, "a thread started")) {
		check(thread_wait(&gate, 0, NEVER), "a word changed");
		thread_join(opener);
	}
	check(!thread_wait(&gate, 1, now_ns() + NS_PER_MS), "a deadline passed");
	test_thread_wake();
}

static struct upcall_frame guard_fault;
static bool guarded;

static void
overrun(void *argument)
{
	guarded = attempt(recurse_for_ever, argument, &guard_fault);
}

// Below a thread's stack lies nothing.
void
test_thread_guard(void)
{
	struct thread *thread = thread_start(overrun, NULL);

	if (!check(thread, "a thread started"))
		return;
	thread_join(thread);
	check(guarded && guard_fault.vector == VECTOR_PAGE_FAULT,
	      "a stack overrun faults");
}
