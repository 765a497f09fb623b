// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Cooperative threads inside one environment. The kernel knows nothing of
// them: a switch is a few stores, and only when no thread can go on does the
// environment sleep, once, for all of them.
//
// Each thread has a stack of its own with an unmapped page below it.
//
// Not for upcall handlers.

#include "kernel/base/types.h"

#define THREADS_MAX 32u		// the main thread included
#define THREAD_STACK_PAGES 8u

struct thread;

// Starts a thread that runs body(argument) and ends when that returns. Returns
// it, or NULL when there are THREADS_MAX or no memory. Somebody must join it.
must_check struct thread *
thread_start(void (*body)(void *argument), void *argument);

// The running thread; the main thread has an entry too.
struct thread *
thread_self(void);

// Lets the other runnable threads go first.
void
thread_yield(void);

// Sleeps until the thread has ended, and gives back its stack. The caller is
// not that thread, and nobody else joins it.
void
thread_join(struct thread *thread);

// Sleeps until *word differs from `expected` or the deadline passes (NEVER: no
// deadline). Returns true when the word differs. A word that other threads
// write needs no wake(); one that other environments write needs theirs.
bool
thread_wait(const volatile u32 *word, u32 expected, u64 deadline_ns);

// Sleeps for a time.
void
thread_sleep(u64 duration_ns);

// Ends the wait of another thread now, whatever it waits for: thread_wait() returns.
// One that does not wait is left alone.
void
thread_wake(struct thread *thread);

// For a main thread that sleeps for itself, on more than a word: 0 when another
// thread can go on (thread_yield() runs it), else the earliest deadline that one
// waits for. Words of others' waits are not in it: they wait without one.
u64
threads_due(void);

// Ends the running thread, which is not the main one.
noreturn_ void
thread_exit(void);
