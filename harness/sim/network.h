// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The simulated Ethernet: every node hears every other one over a path of its
// own in each direction, which keeps frames in order until a fault does not.
//
// Invariant, checked by network_check(): every frame is accounted for,
//   sent + duplicated + injected = delivered + lost + blocked + dropped + on the way.

#include "harness/sim/faults.h"
#include "harness/sim/heap.h"
#include "harness/sim/trace.h"

#define SIM_NODES_MAX 1024u
#define FRAME_ROOM 4224u	// the longest frame, to a multiple of 64
#define FRAMES_ON_WAY_MAX 32768u
#define CAPTURES 256u

struct sim_frame {
	u32 next_free;
	u16 len;
	u16 from;		// who sent it, or whose frame a stranger has captured
	u16 to;
	u16 ring_boot;		// in the receive ring of this boot of its receiver; 0: not yet
	bool strange;		// a stranger sent it
	bool altered;		// behind its Ethernet header no node ever sent it so
	u32 order;		// of its path: counts from 1; both copies of one have it
	u64 sent_at;		// by a node, also if a stranger sends it again
	u64 came_at;		// to its receiver's card; 0: not yet
	u8 bytes[FRAME_ROOM];
};

// What a stranger on the wire has recorded.
struct capture {
	u16 len;
	u16 from, to;
	u64 at;
	u8 bytes[FRAME_ROOM];
};

// One direction of the path between two nodes.
struct path {
	u64 last_arrival;
	u64 slow_until;
	u64 clog_until;		// nothing arrives before then
	u32 slow_ns;		// added to each frame until slow_until
	u32 sent;		// frames
	bool blocked;
};

struct network_counts {
	u64 sent, duplicated, injected;
	u64 delivered, lost, blocked, dropped;
	u64 reordered, corrupted, slowed, clogged, foreign, overrun, replayed, forged;
};

struct network {
	struct heap *heap;
	struct trace *trace;
	struct prng prng;
	struct faults faults;	// all zero once healed
	u32 nodes;
	u32 event_kind;		// of an arrival: node, a = index of the frame
	u32 free;		// first free frame of those that have been used
	u32 fresh;		// frames from here on have not
	u32 on_way;
	u32 captured;		// counts; the newest CAPTURES are kept
	struct network_counts count;
	bool other[SIM_NODES_MAX];	// it speaks another version
	struct path path[SIM_NODES_MAX * SIM_NODES_MAX];	// from * nodes + to
	struct capture capture[CAPTURES];
	struct sim_frame frame[FRAMES_ON_WAY_MAX];
};

void
network_init(struct network *net, struct heap *heap, struct trace *trace,
	     u32 nodes, u32 event_kind, u64 seed);

// The address of a node, and which node has one (SIM_NODES_MAX: none).
void
network_mac(u32 node, u8 mac[6]);
u32
network_node(const struct network *net, const u8 mac[6]);

// A node sends a frame of at most FRAME_ROOM bytes to the address at its
// beginning: a copy for each node that has it, with the faults of the seed.
void
network_send(struct network *net, u32 from, const u8 *bytes, u16 len);

// A stranger puts a frame, made from what it captured, on the path to `to`: no
// fault but delay.
void
network_inject(struct network *net, u32 to, const struct capture *from,
	       const u8 *bytes, u16 len);

// Ends a frame's way: it was taken, or dropped because nobody could.
void
network_done(struct network *net, u32 frame, bool delivered);

// Cuts or joins one direction; slows it for a while.
void
network_block(struct network *net, u32 from, u32 to, bool blocked);
bool
network_is_blocked(const struct network *net, u32 from, u32 to);
void
network_slow(struct network *net, u32 from, u32 to, u32 extra_ns, u64 until);

// Nothing that is sent there from now on arrives before then.
void
network_clog(struct network *net, u32 from, u32 to, u64 until);

// The node speaks another version than the others, or the same again: between two
// that differ every frame names a version which its receiver does not know.
void
network_speaks(struct network *net, u32 node, bool other);

// No faults from here on, every path joined and fast.
void
network_heal(struct network *net);

void
network_check(const struct network *net);
