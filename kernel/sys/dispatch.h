// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The system call table: number -> check, then do.

#include "kernel/abi/syscalls.h"
#include "kernel/sys/env.h"

// Runs the call that the environment's registers name and leaves the result in
// rax.
void
dispatch(struct env *env);

// May the call that these registers name run beside the kernel lock (lock.h)? Those
// may that work on an environment, here the caller itself, and null, given the same
// argument.
static inline bool
dispatch_is_own(const struct context *c)
{
	const u64 own = 1ull << SYS_null | 1ull << SYS_page_map |
			1ull << SYS_page_unmap | 1ull << SYS_page_batch;

	return c->rdi == CAP_SLOT_SELF && c->rax < 64 && (own >> c->rax & 1);
}

// Runs it there. Returns false, and has changed nothing, when it needs the lock
// after all.
must_check bool
dispatch_beside(struct env *env);
