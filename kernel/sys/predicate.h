// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Wakeup predicates, as wait.c uses them: a program that is asked whether to wake.

#include "kernel/sys/program.h"

// Asks. Returns what it wakes with, or 0 to sleep on. *look_ns is when it is to be asked
// again: when it wants, and not after its deadline. Counts in env_info.looks.
u32
predicate_ask(struct env *env, const struct predicate *predicate,
	      const struct env_wait *wait, u32 count, u64 now_ns, u64 *look_ns);
