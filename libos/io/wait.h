// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One wait for everything: words of rings, queues, tables and memory, and the
// nearest of any number of deadlines, in one sleep.
//
//	struct wait_set set;
//
//	wait_begin(&set);
//	ring_watch(&ring, &set);
//	wait_until(&set, deadline_ns);
//	wait_sleep(&set);
//
// A word counts as changed when it differs from the value given with it, so
// read the value before looking for work: nothing is missed then.

#include "kernel/abi/syscalls.h"
#include "libos/crt/upcall.h"

struct wait_set {
	u64 deadline_ns;
	u32 count;
	struct wait_word word[WAIT_WORDS_MAX];
};

// Empties the set: no word, no deadline.
void
wait_begin(struct wait_set *set);

// Adds a word: wake when *word differs from `expected`. At most WAIT_WORDS_MAX.
void
wait_word_add(struct wait_set *set, const volatile u32 *word, u32 expected);

// Adds a deadline: the earliest counts. NEVER adds nothing.
void
wait_until(struct wait_set *set, u64 deadline_ns);

// Sleeps. Returns the index of a word that differs, -E_TIMEOUT when the
// deadline passed, or -E_AGAIN after an upcall.
i64
wait_sleep(const struct wait_set *set);

// Instead of a sleep: from now on the handler is called by an upcall whenever words of
// the set have changed, however many and often, until the next call of this; an empty
// set ends it. Returns 0, or the error of sys_watch().
must_check i64
wait_interrupt(const struct wait_set *set, cause_handler *handler);
