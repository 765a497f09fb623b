// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The agent's one loop. Each part of the agent does its work in short runs that never
// wait, and says what it waits for; between runs the tasks go on (task.h), and when
// nothing is left the agent sleeps, once, for all. WAIT_WORDS_MAX words are shared by
// all parts: one that has many looks at them itself, every LOOP_TICK_NS.

#include "libos/io/wait.h"

#define LOOP_PARTS_MAX 16u
#define LOOP_TICK_NS (100 * NS_PER_MS)

struct loop_part {
	void (*run)(u64 now);			// what is due
	void (*watch)(struct wait_set *set);	// words and deadlines; may be NULL
};

void
loop_add(const struct loop_part *part);

// Does not return.
noreturn_ void
loop_run(void);
