// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The switch itself, without a socket in sight: frames in, frames out.
//
//   core_input(port) -> [lane in] -> learn, look up -> [lane out] -> queue
//                                        |
//                                        +-> mirror (what capture reads)
//
// Each port is a link of two lanes (lane.h) under one fault plan. The host
// puts frames in, calls core_tick() when it has put some in or the deadline
// has come, and empties the queues of the ports in core_dirty().
//
// A port's queue holds FRAME_QUEUE_MAX frames and drops at the tail, so a port
// whose client does not read costs the others nothing. All random draws of
// the switch come from one seeded generator: the same frames at the same times
// under the same seed come out the same.
//
// Invariants:
//   C1  every frame that is not on the pool's free list is held by the queues,
//       lanes and mirror of this core, or by the host that just took it.
//   C2  a port that is not connected holds no frames and has no addresses in
//       the table.
//   C3  a frame never leaves on the port on which it came in.
//   C4  each port brought CORE_FRAMES_PER_PORT buffers, as many as it can hold:
//       no port can starve another of buffers.
//   C5  the time that is passed in never runs backwards.
// Single-threaded; sans-IO; about 2 MiB, so it is static or mapped.

#include "harness/switch/frame.h"
#include "harness/switch/lane.h"
#include "harness/switch/mac.h"
#include "harness/switch/snoop.h"

#define CORE_PORTS_MAX 64u
#define CORE_NAME_MAX 16u // with the terminator
// Frames that one core_tick() moves out of lanes: on the way in altogether,
// and on the way out for each port. A host that empties the queues after each
// batch of this many inputs never drops at a queue whose client keeps up.
#define CORE_BATCH 64u
#define CORE_FRAMES_PER_PORT \
	(FRAME_QUEUE_MAX + 2 * (LANE_LINE_MAX + LANE_HELD_MAX) + CORE_BATCH)
#define CORE_NEVER LANE_NEVER

STATIC_ASSERT(FRAME_QUEUE_MAX >= 2 * CORE_BATCH);

struct core_counters {
	u64 rx_frames; // from the port's client
	u64 rx_bytes;
	u64 tx_frames; // handed to the port's client
	u64 tx_bytes;
	u64 flooded;   // came in here and went to all: unknown or group target
	u64 filtered;  // came in here for a station on this same port
	u64 runt;      // dropped: shorter than an Ethernet header
	u64 oversize;  // dropped: longer than FRAME_LEN_MAX
	u64 no_buffer; // dropped: no buffer to read it into
	u64 partition; // meant for this port, dropped: cut off from the sender
	u64 queue_full; // meant for this port, dropped at the queue's tail
	u64 refused;   // meant for this port, and its device would not take it
	u64 down;      // under way when the client went
};

struct core_port {
	char name[CORE_NAME_MAX];
	bool connected;
	struct fault_plan plan;
	u64 cut_mask; // ports that frames from this port do not reach
	struct core_counters counters;
	struct frame_queue queue;
	struct lane in;
	struct lane out;
};

struct core {
	u32 port_count;
	u64 connected_mask;
	u64 dirty_mask;
	u32 tick_first; // the port whose lane the next tick empties first
	bool mirroring;
	u64 mirror_missed;
	u64 now_ns; // the latest time passed in
	u64 seed;
	struct prng prng;
	struct frame_pool pool;
	struct frame_queue mirror;
	struct mac_table macs;
	struct snoop snoop;
	struct core_port ports[CORE_PORTS_MAX];
};

// Makes a switch without ports. `core` must be zeroed memory.
void
core_init(struct core *core, u64 seed);

// Starts the sequence of random draws anew.
void
core_seed(struct core *core, u64 seed);

// Adds a port, not connected and without faults. `slab` is memory for
// CORE_FRAMES_PER_PORT frames, which the core keeps. `name` is copied and must
// fit. Returns the port's index, or -1 when there are CORE_PORTS_MAX.
int
core_port_add(struct core *core, const char *name, struct frame *slab);

// Returns the index of the port with that name, or -1.
int
core_port_find(const struct core *core, const char *name);

// The port's client came or went. Going drops what is under way to and from
// it and forgets its stations and their addresses.
void
core_port_up(struct core *core, u32 port);
void
core_port_down(struct core *core, u32 port);

// Sets what goes wrong on a port's link from now on, in both directions.
void
core_set_plan(struct core *core, u32 port, const struct fault_plan *plan);

// Cuts the way from each port in `from_mask` to each in `to_mask`, besides
// what was cut before; core_heal() opens all ways again.
void
core_cut(struct core *core, u64 from_mask, u64 to_mask);
void
core_heal(struct core *core);

// Returns a buffer for a frame that comes in on `port`, to be filled and given
// to core_input() or frame_release(); NULL, counted, when there is none.
struct frame *
core_frame(struct core *core, u32 port);

// A frame came in on `port`, which is connected; consumes the reference.
void
core_input(struct core *core, u32 port, struct frame *frame, u64 now_ns);

// Moves what is due through the lanes, at most one batch (CORE_BATCH).
void
core_tick(struct core *core, u64 now_ns);

// When core_tick() next has something to do (a time that has passed: at once);
// CORE_NEVER when nothing is under way.
u64
core_deadline(const struct core *core);

// The ports with frames in their queues, one bit each.
u64
core_dirty(const struct core *core);

// Takes the next frame for the port's client, with its reference, or NULL.
struct frame *
core_take(struct core *core, u32 port);

// Starts or stops mirroring: each frame that is switched, once, also goes to
// core->mirror, which the host empties after each batch. What does not fit
// is counted in mirror_missed.
void
core_mirror(struct core *core, bool on);

// Checks the invariants that can be seen from here; asserts on a breach. For
// tests: it walks everything.
void
core_check(const struct core *core);
