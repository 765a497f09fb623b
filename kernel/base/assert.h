// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Assertions on internal invariants. They are always on.
//
// Input from a user program, a frame, a disk or a command line is never
// asserted: it is checked, and refused with its own error. What is asserted is
// what this code promises itself. Each host supplies assert_failed(): the
// kernel panics, an environment exits, a host test aborts.

#include "kernel/base/types.h"

// Reports the broken promise in the host's way. Does not return.
noreturn_ void
assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression) \
	(likely(expression) ? (void)0 \
			    : assert_failed(#expression, __FILE__, __LINE__))
