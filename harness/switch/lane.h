// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One direction of one link, and what goes wrong on it.
//
//   lane_put --> MTU --> loss --> duplication --> each copy: corruption, reordering
//            --> line (delay + jitter, first in first out) --> lane_take
//
// - MTU: longer frames are gone, as where a path carries no jumbo frames. 0: all
//   pass.
// - Loss: the frame is gone.
// - Duplication: a second copy follows directly.
// - Corruption: one random bit behind the two addresses (byte 12 on) is
//   flipped. The addresses are spared, because a real switch drops a frame
//   with a bad checksum and so never learns a flipped one.
// - Reordering: the frame is held back until 1 to 8 later frames of this lane
//   have passed it, or for LANE_HOLD_NS when too few follow.
// - Delay and jitter: every frame takes delay plus a uniform part of jitter.
//   Jitter never reorders: a frame leaves no earlier than the one before it.
//
// Probabilities are parts per million. A probability of 0 draws no number, so
// the sequence of draws depends only on the plan and on the frames' order.
//
// Invariants:
//   L1  count <= LANE_LINE_MAX and held_count <= LANE_HELD_MAX.
//   L2  due times in the line never decrease.
// Single-threaded; sans-IO; see docs/switch.md.

#include "harness/switch/frame.h"
#include "kernel/base/prng.h"

#define LANE_LINE_MAX 1024u
#define LANE_HELD_MAX 16u
#define LANE_PASSES_MAX 8u
#define LANE_HOLD_NS (10 * NS_PER_MS)
#define LANE_PPM 1000000u
#define LANE_NEVER (~0ull)

struct fault_plan {
	u32 loss_ppm;
	u32 duplicate_ppm;
	u32 reorder_ppm;
	u32 corrupt_ppm;
	u64 delay_ns;
	u64 jitter_ns;
	u32 mtu; // bytes behind the Ethernet header; 0: any
};

// What a lane did to frames since the port was made.
struct lane_counters {
	u64 too_long;
	u64 lost;
	u64 line_full; // dropped: LANE_LINE_MAX frames were under way
	u64 no_buffer; // dropped: a copy for corruption found no buffer
	u64 duplicated;
	u64 reordered;
	u64 corrupted;
};

struct lane {
	u32 head;
	u32 count;
	u32 held_count;
	u64 last_due_ns;
	struct lane_counters counters;
	struct lane_late {
		struct frame *frame;
		u64 due_ns;
	} line[LANE_LINE_MAX];
	struct lane_held {
		struct frame *frame;
		u64 deadline_ns;
		u32 passes_left;
	} held[LANE_HELD_MAX];
};

// What stays the same from call to call: the plan now in force and the two
// things that all lanes of a switch share.
struct lane_host {
	const struct fault_plan *plan;
	struct prng *prng;
	struct frame_pool *pool;
};

// True when the plan does nothing to a frame.
bool
lane_plan_is_clear(const struct fault_plan *plan);

// True when nothing is in the lane, so a frame under a clear plan may bypass.
bool
lane_is_empty(const struct lane *lane);

// Puts a frame in at one end, consuming the caller's reference. What comes of
// it is taken out with lane_take().
void
lane_put(struct lane *lane, const struct lane_host *host, struct frame *frame,
	 u64 now_ns);

// Takes the next frame whose time has come, with its reference, or NULL.
struct frame *
lane_take(struct lane *lane, const struct lane_host *host, u64 now_ns);

// When lane_take() next has something to do; LANE_NEVER when empty.
u64
lane_deadline(const struct lane *lane);

// Drops all frames that are under way. Returns how many those were.
u32
lane_flush(struct lane *lane, struct frame_pool *pool);
