// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A program's own congestion control for what it reads and writes at one node: how many
// frames to have under way, learned from what its completions say. A sans-IO core: the
// caller sets the window at its queue (fabric_window()), where it takes the place of the
// kernel's control within the environment's share (docs/pace.md).
//
// It is of the kind of TCP Vegas (Brakmo and Peterson, 1995), where the kernel's is of
// the kind of Swift: from the shortest way that was ever seen and the shortest of a
// round follows how many of the window's frames stand in queues. Between FEW and MANY is
// right. So it keeps a queue of known length, where the kernel keeps a delay.
//
// Invariant: FAR_PACE_LEAST <= window <= FAR_PACE_MOST.

#include "kernel/base/types.h"

#define FAR_PACE_LEAST 4u	// a request for a page, and its three frames
#define FAR_PACE_MOST 192u

struct far_pace {
	u32 window;		// frames
	u32 flights;		// answers that are still to come in this round
	u64 base_ns;		// shortest way so far; 0: none
	u64 round_ns;		// shortest of this round
	bool first;		// it doubles, until a queue is seen
};

void
far_pace_begin(struct far_pace *pace);

// An operation of `frames` frames was `wire_ns` on the way. Returns the window from now
// on, in frames.
u32
far_pace_took(struct far_pace *pace, u32 frames, u64 wire_ns);
