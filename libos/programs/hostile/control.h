// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What a test program may ask of the checked kernel (harness/checked): by the
// null call, which takes no arguments and so has room for these. Every other
// kernel answers 0 and does nothing.

#include "kernel/base/types.h"

#define CONTROL_MAGIC 0x6465636b636f6e74ull	// rdi; rsi: enum control; rdx: argument

enum control {
	CONTROL_PRESENT,	// 1: this is the checked kernel
	CONTROL_AUDIT,		// walks every invariant; panics, or answers 0
	CONTROL_SCARCE,		// the caller's nth scarcity from now on fails; 0: none
	CONTROL_SCARCE_LEFT,	// how many are still to come; 0: it failed
	CONTROL_SCARCE_FILE,	// control_word() of a source, in which
	CONTROL_SCARCE_LINE,	// the mark that begins there fails once, whoever gets there
	CONTROL_SITES,		// how many places in the sources have failed so far
	CONTROL_PLANT,		// switches planted bug n on; 0: none
	CONTROL_COUNT
};

#define SCARCE_LINES_MAX 3u	// of a mark

// The first letters of a name, as one word.
static inline u64
control_word(const char *name)
{
	u64 word = 0;

	for (u32 i = 0; i < 8 && name[i]; i++)
		word |= (u64)(u8)name[i] << 8 * i;
	return word;
}
