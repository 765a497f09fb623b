// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Descriptors: small numbers for what a program reads and writes, as far as pipes and
// the console need them. 0 is the input, 1 the output, 2 where errors are told. What a
// parent gave (ROLE_PIPE) is there from the start; else 1 and 2 are the console, and 0
// is at its end.
//
// In a program that uses them, print() writes to 1. When nobody reads that any more,
// the program ends with DESCRIPTOR_STATUS_BROKEN.

#include "libos/crt/spawn.h"
#include "libos/process/pipe.h"

#define DESCRIPTORS_MAX 12u
#define DESCRIPTOR_STATUS_BROKEN 141u
#define DESCRIPTOR_WRITES 0x100u	// in a start-up argument, beside the number

// Makes a pipe: number fd[0] reads what fd[1] writes. Returns 0; -E_TABLE (no number
// is free, or the uarea has no place), -E_QUOTA, -E_FRAMES, -E_LIST.
must_check i64
descriptor_pipe(u32 fd[2]);

// Reads up to `len` bytes, and at least one unless the end has come. Returns how many;
// 0 when nobody can write any more; -E_ARGUMENT: not open to read; -E_STATE: broken.
must_check i64
descriptor_read(u32 fd, void *bytes, u64 len);

// Writes all. Returns 0; -E_STATE: nobody can read any more; -E_ARGUMENT.
must_check i64
descriptor_write(u32 fd, const void *bytes, u64 len);

// Closes a number, open or not.
void
descriptor_close(u32 fd);

// Makes `to` what `from` is, and closes `from`. -E_ARGUMENT when `from` is not open.
must_check i64
descriptor_move(u32 from, u32 to);

// The pipe behind a number, or NULL: for tests.
struct pipe *
descriptor_pipe_of(u32 fd);

// For whoever starts programs: what the child finds as `fd`. The run is of a pipe
// (PIPE_FRAMES, zero at first), under a capability with READ, WRITE and DERIVE.
static inline struct spawn_grant
descriptor_grant(const struct frame_run *run, u32 fd, bool writes)
{
	return (struct spawn_grant){
		.role = ROLE_PIPE,
		.slot = run->slot,
		.rights = CAP_READ | CAP_WRITE | CAP_DERIVE,
		.base = run->frame,
		.count = run->count,
		.argument = fd | (writes ? DESCRIPTOR_WRITES : 0),
	};
}

// Prepares for exec(): entries of the uarea say which numbers are which pipes. Returns
// how many entries were kept in `caps`.
u32
descriptors_for_exec(struct startup_cap caps[STARTUP_CAPS_MAX]);
