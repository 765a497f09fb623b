// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Ways to break the kernel on purpose, by name: a table of them, and the one that a
// word of the command line names.

#include "kernel/base/types.h"

struct way {
	const char *name;
	void (*run)(void);
};

// Goes the way that the word at `word` (up to a blank) names, and says so when nothing
// stopped it. False: there is none of that name.
must_check bool
ways_go(const struct way *ways, u32 count, const char *word);
