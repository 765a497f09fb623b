// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Loading programs into the kernel (kernel/abi/program.h).

#include "kernel/abi/program.h"

// Has the kernel take and verify `count` instructions, at any alignment. Returns the
// slot of the program, accepted or not: *verdict says which. Or an error.
must_check i64
program_load(const void *text, u32 count, enum program_type type,
	     struct program_verdict *verdict);

// The same with the function `name` of an object file. Prints what is wrong, and
// keeps nothing, when there is no such function or the program is refused: then
// returns -E_ARGUMENT.
must_check i64
program_load_object(const void *file, u64 size, const char *name,
		    enum program_type type);

// The same with the object `file` of the boot archive; -E_ABSENT: it was not granted, or
// has no such file.
must_check i64
program_load_boot(const char *file, const char *name, enum program_type type);

// The sentence for enum code_reason, behind "instruction N: ".
const char *
program_reason(u32 reason);
