// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Instructions of a piece of a program, counted one by one: a child runs it between two
// breakpoints, and its parent steps it from one to the next (ptrace). For rigs that are
// built as the kernel is, without sanitizers.

#include "kernel/base/types.h"

// In the child, before the piece and behind it; a value that the piece makes goes through
// the second, so that the compiler keeps it between them.
#define STEPPED_BEGIN() __asm__ volatile("int3" ::: "memory")
#define STEPPED_END(value) __asm__ volatile("int3" : "+r"(value) :: "memory")

struct stepped {
	u64 sum, most;
	u32 count;		// of pieces
};

// Runs it in a child, and counts. When that ends with another status than 0, so does the
// program, with 1.
struct stepped
stepped_run(void (*run)(u32 what), u32 what);
