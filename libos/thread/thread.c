// SPDX-License-Identifier: BSD-2-Clause
// The thread scheduler: round robin over a small table.
//
//   UNUSED --thread_start--> READY <--pass_on--> (running)
//                              ^                    | thread_wait
//                              +-- look, wake -- WAITING
//   (running) --thread_exit--> ENDED --thread_join--> UNUSED
//
// Invariants:
//   T1  exactly one thread is current; its state is READY
//   T2  a thread other than main that is not UNUSED has a stack mapped at its
//       own place, with an unmapped page below
//   T3  the environment sleeps only when no thread is READY

#include "libos/thread/thread.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

// Stacks lie in the last part of the regions' room.
#define STACKS_BASE (REGION_BASE + 512 * REGION_SIZE_MAX)
#define STACK_STRIDE ((THREAD_STACK_PAGES + 1) * PAGE_SIZE)

// With more waiting words than one wait takes, the rest are polled.
#define POLL_NS (1 * NS_PER_MS)

enum thread_state {
	THREAD_UNUSED,
	THREAD_READY,
	THREAD_WAITING,
	THREAD_ENDED,
};

struct thread {
	enum thread_state state;
	u32 ended;		// joiners wait on it
	u64 rsp;		// while not current
	struct frame_run stack;
	void (*body)(void *argument);
	void *argument;
	const volatile u32 *word;	// waiting for; NULL: only for time
	u32 expected;
	u64 deadline_ns;
};

static struct thread threads[THREADS_MAX] = { { .state = THREAD_READY } };
static u32 current;

void
thread_switch(u64 *saved_rsp, u64 next_rsp);

extern const u8 thread_first[];

noreturn_ void
thread_main(void);

struct thread *
thread_self(void)
{
	ASSERT(threads[current].state == THREAD_READY);
	return &threads[current];
}

static bool
word_differs(const struct thread *t)
{
	return t->word && __atomic_load_n(t->word, __ATOMIC_ACQUIRE) !=
			  t->expected;
}

// Makes ready whoever waits for something that has happened.
static void
look(void)
{
	u64 now = now_ns();

	for (u32 i = 0; i < THREADS_MAX; i++) {
		struct thread *t = &threads[i];

		if (t->state == THREAD_WAITING &&
		    (word_differs(t) || now >= t->deadline_ns))
			t->state = THREAD_READY;
	}
}

// The next READY thread after the current one, or THREADS_MAX.
static u32
next_ready(void)
{
	for (u32 i = 1; i <= THREADS_MAX; i++) {
		u32 at = (current + i) % THREADS_MAX;

		if (threads[at].state == THREAD_READY)
			return at;
	}
	return THREADS_MAX;
}

// One sleep for all: the union of their words and the earliest deadline.
static void
sleep_for_all(void)
{
	struct wait_word words[WAIT_WORDS_MAX];
	u64 deadline_ns = NEVER;
	u32 count = 0;

	for (u32 i = 0; i < THREADS_MAX; i++) {
		const struct thread *t = &threads[i];

		if (t->state != THREAD_WAITING)
			continue;
		deadline_ns = MIN(deadline_ns, t->deadline_ns);
		if (!t->word)
			continue;
		if (count == WAIT_WORDS_MAX) {
			deadline_ns = MIN(deadline_ns, now_ns() + POLL_NS);
			continue;
		}
		words[count++] = (struct wait_word){
			.va = (u64)t->word, .expected = t->expected,
		};
	}

	i64 result = sys_wait(words, count, deadline_ns);

	ASSERT(result >= 0 || result == -E_TIMEOUT || result == -E_AGAIN);
}

// Leaves the current thread and runs the next one that can go on.
static void
pass_on(void)
{
	struct thread *from = &threads[current];
	u32 next;

	look();
	while ((next = next_ready()) == THREADS_MAX) {
		sleep_for_all();
		look();
	}
	if (next == current)
		return;
	current = next;
	thread_switch(&from->rsp, threads[next].rsp);
}

void
thread_main(void)
{
	struct thread *t = thread_self();

	t->body(t->argument);
	thread_exit();
}

static u64
stack_bottom_of(u32 i)
{
	return STACKS_BASE + i * STACK_STRIDE + PAGE_SIZE;
}

// Takes and maps a stack, and lays out what thread_switch() will pop.
static bool
make_stack(u32 i)
{
	struct thread *t = &threads[i];
	u64 top = stack_bottom_of(i) + THREAD_STACK_PAGES * PAGE_SIZE;
	u64 *at = (u64 *)top;

	if (frames_take(THREAD_STACK_PAGES, &t->stack))
		return false;
	if (map_run(CAP_SLOT_SELF, stack_bottom_of(i), t->stack.slot,
		    t->stack.frame, t->stack.count, PROT_READ | PROT_WRITE)) {
		frames_give(&t->stack);
		return false;
	}
	*--at = (u64)thread_first;
	for (u32 saved = 0; saved < 6; saved++)
		*--at = 0;
	t->rsp = (u64)at;
	return true;
}

struct thread *
thread_start(void (*body)(void *argument), void *argument)
{
	u32 i = 1;

	ASSERT(body);
	while (i < THREADS_MAX && threads[i].state != THREAD_UNUSED)
		i++;
	if (i == THREADS_MAX)
		return NULL;
	threads[i] = (struct thread){ .body = body, .argument = argument };
	if (!make_stack(i))
		return NULL;
	threads[i].state = THREAD_READY;
	return &threads[i];
}

void
thread_yield(void)
{
	pass_on();
}

bool
thread_wait(const volatile u32 *word, u32 expected, u64 deadline_ns)
{
	struct thread *t = thread_self();

	t->word = word;
	t->expected = expected;
	t->deadline_ns = deadline_ns;
	t->state = THREAD_WAITING;
	pass_on();
	return word_differs(t);
}

void
thread_sleep(u64 duration_ns)
{
	u64 now = now_ns();

	thread_wait(NULL, 0, now > NEVER - duration_ns ? NEVER :
							 now + duration_ns);
}

void
thread_wake(struct thread *thread)
{
	ASSERT(thread->state != THREAD_UNUSED);
	if (thread->state == THREAD_WAITING)
		thread->state = THREAD_READY;
}

u64
threads_due(void)
{
	u64 deadline_ns = NEVER;
	u32 next;

	look();
	next = next_ready();
	if (next != THREADS_MAX && next != current)
		return 0;
	for (u32 i = 0; i < THREADS_MAX; i++) {
		if (threads[i].state == THREAD_WAITING)
			deadline_ns = MIN(deadline_ns, threads[i].deadline_ns);
	}
	return deadline_ns;
}

void
thread_exit(void)
{
	struct thread *t = thread_self();

	ASSERT(current != 0);
	t->state = THREAD_ENDED;
	t->ended = 1;
	pass_on();
	ASSERT(false);			// nobody switches to an ended thread
	__builtin_unreachable();
}

void
thread_join(struct thread *thread)
{
	u32 i = (u32)(thread - threads);
	i64 error;

	ASSERT(i > 0 && i < THREADS_MAX && i != current);
	ASSERT(thread->state != THREAD_UNUSED);
	while (thread->state != THREAD_ENDED)
		thread_wait(&thread->ended, 0, NEVER);
	error = unmap_run(CAP_SLOT_SELF, stack_bottom_of(i),
			  THREAD_STACK_PAGES);
	ASSERT(!error);
	frames_give(&thread->stack);
	thread->state = THREAD_UNUSED;
}
