// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The flow rig: the fabric's cores on up to FLOW_NODES nodes around one switch, in
// virtual time, with what makes queues: processors that take time for each frame,
// lines of a rate, a queue of 256 frames before each port of the switch, rings of 256
// receive buffers. harness/sim judges what is right under faults; this judges how much
// and how long.
//
//	core -> transmit queue -> line -> (faults) -> port's queue -> line -> ring -> core
//
// Every server is first in, first out, so a frame's end at each is known when it comes.
// Times are virtual: the same command prints the same numbers everywhere.
//
// The rig is one, and global: a program runs one case.

#include "harness/sim/heap.h"
#include "kernel/base/prng.h"
#include "net/rcap/rcap.h"

#define FLOW_NODES 1026u
#define FLOW_PORT_QUEUE 256u
#define FLOW_RING 256u
#define FLOW_HELD 32u		// capabilities that a node may be given
#define FLOW_NONE 0xffffffffu

// What a machine is, about as two emulated nodes on one host are.
struct flow_costs {
	u64 frame_ns;		// a processor's, for a frame in or out
	u64 byte_ps;		// and for each byte of it
	u64 line_ps;		// a line's, for each byte
	u64 way_ns;		// and for the way
};

// What begins a case.
struct flow_setup {
	u32 nodes;
	u32 hub;		// nodes below this meet all others; the rest meet only them
	u16 mtu;
	u16 hub_windows;	// peers that one of them talks to at a time
	u16 grant_pool, landing_pool;
	u32 pages;		// of memory, each node
	u8 cluster_key[32];
	u64 seed;
};

struct flow_node {
	struct links *links;
	struct rcap *rcap;
	u8 *memory;
	u64 incarnation;
	u64 timer_at;
	u64 processor_free, line_free, port_free;	// when each is idle again
	u32 transmits, waits, queue;	// frames in each of their queues
	u32 queue_most;
	bool wants_room;		// it has said no to rcap_host_room()
	u64 queue_drops, ring_drops;
	u64 frames;			// that it took
	struct rcap_remote held[FLOW_HELD];
	u32 held_count;
};

struct flow {
	u64 now;
	struct flow_setup setup;
	struct flow_costs costs;
	struct prng prng;
	// Of a million, what happens to a frame on its way to a port; and how often it did.
	u32 loss, duplication, reordering, corruption;
	u64 lost, duplicated, reordered, corrupted;
	struct flow_node node[FLOW_NODES];
	// Called for each completion.
	void (*done)(u32 node, const struct rcap_completion *completion);
	// Called when a time that flow_call() named has come.
	void (*called)(u32 what);
};
extern struct flow flow;

// Boots the nodes and lets them meet.
void
flow_begin(const struct flow_setup *setup);
void
flow_end(void);

// Runs until `done()` says so, or `limit` has passed: then the program ends with an
// error. Without it runs for so long.
void
flow_until(bool (*done)(void), u64 limit);

// Calls flow.called(what) at that time.
void
flow_call(u64 at, u32 what);

// Gives the holder's environment `count` pages of the owner's, from `base` on, and
// returns the place in its `held`.
u32
flow_grant(u32 owner, u32 holder, u32 environment, u64 base, u64 count);

// The same, with a weight, from one of those who may grant there.
u32
flow_grant_weighed(u32 owner, u32 holder, u32 environment, u64 base, u64 count,
		   u16 granter, u8 weight);

// Submits, with the remote of that place filled in. What it costs the processor is
// counted.
void
flow_submit(u32 node, u32 held, struct rcap_submit *submit);

u16
flow_peer(u32 node, u32 other);
void
flow_uuid(u32 node, u8 uuid[16]);

noreturn_ void
flow_fail(const char *why);
