// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Finds a program for the kernel in an object file of `clang -target bpf -c`: one
// function and its instructions, which need nothing else of the file. Sans-IO: the
// file is bytes in memory, and nothing in it is trusted.

#include "kernel/abi/code.h"

struct object_program {
	const u8 *text;		// in the file, at any alignment
	u32 count;		// instructions
};

// Finds the function `name`. Returns NULL, or why there is no such program in the
// file, as a sentence.
const char *
object_find(const u8 *file, size_t size, const char *name,
	    struct object_program *program);
