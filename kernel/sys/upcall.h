// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Upcalls: entering an environment where it asked to be entered
// (kernel/abi/uarea.h).

#include "kernel/sys/env.h"

// The exception in the environment's context becomes an upcall, or its end. That
// needs the kernel lock: without it returns false, and has changed nothing.
bool
upcall_fault(struct env *env, bool locked);

// Delivers a timer upcall when the deadline passed and upcalls are not held.
// The environment is about to run.
void
upcall_timer(struct env *env, u64 now_ns);

// Did the environment ask for this cause?
static inline bool
upcall_wanted(const struct env *env, enum upcall_cause cause)
{
	u32 wanted = __atomic_load_n(&env->uarea->upcall_wanted, __ATOMIC_RELAXED);

	return wanted >> cause & 1;
}

// Delivers UPCALL_SLICE_START or UPCALL_SLICE_END, or leaves its bit when the
// environment holds upcalls back or runs on its upcall stack. It is about to run.
void
upcall_slice(struct env *env, enum upcall_cause cause, u64 until_ns);

// The environment is cut off: if the upcall at the end of its slice still waits,
// it comes too late.
void
upcall_late(struct env *env);

// Of what the environment was told, does anything enter it now?
bool
upcall_told_enters(const struct env *env);

// Delivers what it was told, which is about to run, or leaves the bits of what has to
// wait.
void
upcall_told(struct env *env);
