// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The agent as a whole: its parts in the order in which they start.

#include "kernel/base/types.h"

// Takes the region, binds the queues, opens the parts. Returns 0, or the error of the
// first that could not.
must_check i64
agent_open(void);

noreturn_ void
agent_run(void);
