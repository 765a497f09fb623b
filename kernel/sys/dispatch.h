// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The system call table: number -> check, then do.

#include "kernel/sys/env.h"

// Runs the call that the environment's registers name and leaves the result in
// rax.
void
dispatch(struct env *env);
