// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Processes, for programs that want them: fork with copy on write, wait, kill, and
// exec (exec.h). All of it is library code over environments, capabilities, mappings
// and fault upcalls; the kernel knows no process.
//
//	int
//	main(void)
//	{
//		i64 child;
//
//		if (process_init())
//			return STATUS_FAILED;
//		child = process_fork(NULL);
//		if (child == 0)
//			return 7;		// the child's exit status
//		...
//		process_wait((u32)child, &end, NEVER);
//
// How it differs from other systems. A child's quota is carved out of its parent's
// while it lives; a third of what is left, where the caller names none. So a program
// that forks without end comes to an end by itself. Children end with their parent. A
// child has its parent's start-up capabilities, those with DERIVE; rings, queues and
// the direct window it has not. There are no signals.
//
// Children of a process are named by the id of their environment.

#include "libos/crt/spawn.h"

#define PROCESS_CHILDREN_MAX WAIT_WORDS_MAX	// alive or not waited for, at a time
#define FORK_FRAMES_MIN 40u		// quota: a child with less could not begin

// Makes this program a process: the first thing that main() does. Returns 0, -E_STATE
// when the stack has grown already, or an error of the kernel.
must_check i64
process_init(void);

// Makes a copy of the process, with that quota, or NULL. Returns the child's id, 0 in
// the child, or an error with nothing changed: -E_TABLE (PROCESS_CHILDREN_MAX), -E_STATE
// (not a process, or not on its main stack), -E_QUOTA, -E_FRAMES, -E_LIST, -E_DEPTH
// (forks of forks of forks).
must_check i64
process_fork(const struct quota *quota);

// Sleeps until a child has ended (id 0: any), and takes it down. Returns its id;
// -E_ABSENT when there is no such child, -E_TIMEOUT.
must_check i64
process_wait(u32 id, struct child_end *end, u64 deadline_ns);

// Ends a child and takes it down. -E_ABSENT when it is none of this process.
must_check i64
process_kill(u32 id);

// How many children there are that nobody has waited for.
u32
process_children(void);

// Of the living children that were forked, the number of the oldest fork, or
// PAGES_NONE.
u32
process_oldest_fork(void);
