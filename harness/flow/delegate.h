// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A capability that is passed on to a third node: see delegate.c.

#include "harness/flow/flow.h"

#define DELEGATE_TIMES_MAX 16u

// Medians, from when the holder asks.
struct delegated {
	u64 told_ns;		// the holder knows that it is done
	u64 held_ns;		// the third node has it
	u64 used_ns;		// and has read eight bytes by it
};

// Does so `times` times, each for another capability. The rig must have begun, of three
// nodes.
void
delegate_run(u32 times, struct delegated *found);
