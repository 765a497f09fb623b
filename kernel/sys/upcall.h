// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Upcalls: entering an environment where it asked to be entered
// (kernel/abi/uarea.h).

#include "kernel/sys/env.h"

// The exception in the environment's context becomes an upcall, or its end.
void
upcall_fault(struct env *env);

// Delivers a timer upcall when the deadline passed and upcalls are not held.
// The environment is about to run.
void
upcall_timer(struct env *env, u64 now_ns);
