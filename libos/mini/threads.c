// SPDX-License-Identifier: BSD-2-Clause
// Threads, switched by upcalls alone: a timer's when a turn is over, a breakpoint's
// when a thread waits. Each upcall finds the interrupted thread's registers on the
// upcall stack, puts them away, and brings another's back. When none can run, the
// environment sleeps in the upcall.
//
// Invariant: `current` is the thread whose registers are in the processor, except in
// mini_upcall().

#include "libos/mini/mini.h"
#include "kernel/base/assert.h"

#define TURN_NS (1 * NS_PER_MS)
#define STACK_SIZE 8192u
#define BREAKPOINT 3u
#define FLAGS 0x202u			// interrupts on

struct thread {
	struct registers registers;
	const u32 *word;	// it waits while this is `expected`, or NULL
	u32 expected;
	u64 deadline;		// and until then; 0: it can run
	u8 stack[STACK_SIZE] aligned_(16);
};

static struct thread thread[THREADS_MAX];
static u32 threads, current;
static u8 upcall_stack[STACK_SIZE] aligned_(16);

extern u8 mini_upcall_entry[];
void
mini_upcall(struct registers *interrupted);

void
thread_start(void (*body)(void))
{
	struct thread *t = &thread[threads];
	u64 *top = (u64 *)(void *)(t->stack + STACK_SIZE);

	ASSERT(threads < THREADS_MAX);
	threads++;
	top[-1] = 0;			// where a body would return to: nowhere
	t->registers.frame = (struct upcall_frame){
		.rip = (u64)body, .rflags = FLAGS, .rsp = (u64)(top - 1),
	};
}

static bool
can_run(struct thread *t)
{
	if (!t->deadline)
		return true;
	if (t->deadline > now() &&
	    (!t->word ||
	     __atomic_load_n(t->word, __ATOMIC_ACQUIRE) == t->expected))
		return false;
	t->deadline = 0;
	return true;
}

// Until the first of the deadlines, or a word that some thread waits on changes.
static void
sleep(void)
{
	static struct wait_word words[THREADS_MAX];
	u64 deadline = NEVER;
	u32 count = 0;

	for (u32 i = 0; i < threads; i++) {
		if (thread[i].deadline < deadline)
			deadline = thread[i].deadline;
		if (thread[i].word)
			words[count++] = (struct wait_word){
				(u64)thread[i].word, thread[i].expected, 0 };
	}
	call(SYS_wait, (u64)words, count, deadline, 0, 0, 0);
}

static u32
next_thread(void)
{
	for (;;) {
		for (u32 i = 1; i <= threads; i++) {
			u32 candidate = (current + i) % threads;

			if (can_run(&thread[candidate]))
				return candidate;
		}
		sleep();
	}
}

// A timer's upcall may find this code itself at work: then the turn was over anyway.
static bool
is_nested(const struct registers *interrupted)
{
	u64 rsp = interrupted->frame.rsp;

	return rsp >= (u64)upcall_stack && rsp <= (u64)upcall_stack + STACK_SIZE;
}

void
mini_upcall(struct registers *interrupted)
{
	bool timer = interrupted->frame.cause == UPCALL_TIMER;
	struct upcall_frame kept = interrupted->frame;

	if (is_nested(interrupted)) {
		ASSERT(timer);
		call(SYS_timer_set, now() + TURN_NS, 0, 0, 0, 0, 0);
		return;
	}
	// Any other fault is a bug of this libOS.
	if (!timer)
		ASSERT(kept.cause == UPCALL_FAULT && kept.vector == BREAKPOINT);
	counters.preempted += timer;
	thread[current].registers = *interrupted;
	current = next_thread();
	*interrupted = thread[current].registers;
	call(SYS_timer_set, now() + TURN_NS, 0, 0, 0, 0, 0);
}

void
thread_wait(const u32 *word, u32 expected, u64 deadline)
{
	struct thread *t = &thread[current];

	t->word = word;
	t->expected = expected;
	__atomic_store_n(&t->deadline, deadline, __ATOMIC_RELEASE);
	__asm__ volatile("int3" : : : "memory");
}

// The code here becomes the last thread, which waits for ever.
void
threads_run(void)
{
	struct uarea *u = (struct uarea *)UAREA_BASE;

	ASSERT(threads < THREADS_MAX);
	u->upcall_stack_bottom = (u64)upcall_stack;
	u->upcall_stack_top = (u64)(upcall_stack + STACK_SIZE);
	u->upcall_entry = (u64)mini_upcall_entry;
	current = threads++;
	for (;;)
		thread_wait(NULL, 0, NEVER);
}
