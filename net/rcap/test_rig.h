// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A rig for tests of the fabric's cores: a few nodes, a link between them that
// loses, repeats, delays and flips bits from a seed, a host for each node with a
// small derivation tree, a disk, and lists of what the core told it. Time is
// what the rig says. net/rcap/test_rig.c has the functions.

#include "kernel/base/prng.h"
#include "net/rcap/rcap.h"

#define RIG_NODES 4u
#define RIG_PAGES 32u		// of memory a node
#define RIG_BLOCKS 16u
#define RIG_TREE 1100u
#define RIG_PLACES 1100u
#define RIG_EXPORTS 32u		// of a node, unless a test wants more
#define RIG_FRAMES 4096u	// on their way at a time
#define RIG_LEASES 4u		// of a node

struct rig_tree_node {
	bool used, revoked;
	u32 parent;		// RCAP_NONE: a root
	u32 generation;
	u32 entry;		// in the export table, or RCAP_NONE
	u8 rights;		// that were not taken away
	bool taken;		// units out of a pool, whose first is `base`
	u64 base, count;
};

struct rig_place {
	struct rcap_remote remote;
	struct wire_grant grant;
	struct rcap_secret secret;
	bool secret_known;
};

struct rig_asked {
	struct rcap_remote remote;
	struct wire_recall recall;
	u64 deadline;		// by this node's clock
	u64 at;
};

struct rig_lease {
	bool holds;
	u32 begun, ended;	// times
	enum wire_code code;	// of the last end
	u64 at;			// when that was
};

struct rig_block {
	bool used;
	u32 ticket;
	enum wire_op op;
	u64 block;
	u32 count;
	u8 *page;
	u64 at;
};

struct rig;

struct rig_node {
	struct rig *rig;
	u32 index;
	bool up;
	u64 incarnation;
	struct links *links;
	struct rcap *rcap;
	void *links_memory, *rcap_memory;
	u64 links_size, rcap_size;
	u8 *memory, *staging, *disk;
	u8 buffer[WIRE_FRAME_MAX];
	bool starved;		// no buffers for frames
	bool engaged;		// no room for answers that wait for their turn
	struct rig_tree_node tree[RIG_TREE];
	struct rig_place place[RIG_PLACES];
	u32 places, places_max;
	struct rcap_message message[RIG_PLACES];
	u32 messages;
	struct rig_block block[16];
	u64 block_ns;		// what the disk takes
	bool block_full, block_fails;
	u32 blocks_outside;	// operations on blocks that the disk has not got
	bool unable;		// its disk neither trims nor zeroes
	bool unclean;		// what was given up of a pool is yet to come back
	u32 flushed;		// writes that were made durable as such
	u32 changed;		// calls
	u64 sent;		// frames
	u64 walks;		// from nodes to their roots
	bool handles;		// a program stands on its endpoints
	u64 invoked, invoked_sum;
	u64 invoke_ns;		// what it says that it takes
	struct rig_asked asked[16];	// modulo
	u32 asked_count;
	bool asked_full;	// who holds is asked for too much already
	struct rcap_recalled recalled[16];
	u32 recalled_count;
	u64 recalled_at;
	struct rig_lease lease[RIG_LEASES];
	u32 grants_ended;
	enum wire_code grant_code;
	struct rcap_completion completion[4096];
	u32 completions;
};

struct rig_frame {
	u64 at;
	u32 to;
	u32 len;
	u8 bytes[WIRE_FRAME_MAX];
};

struct rig {
	u64 now;
	struct prng prng;
	u32 loss, repeat, delay, corrupt;	// of 1000
	u64 way_ns;		// of every frame, at least
	u64 spread_ns;		// and so much more at most; 1: none overtakes another
	u64 delay_ns;
	bool cut[RIG_NODES][RIG_NODES];		// from, to
	u32 narrow[RIG_NODES][RIG_NODES];	// longer frames are lost; 0: none
	u16 mtu;
	u16 grant_pool;
	u8 rekey_bits;		// of nodes that boot from now on
	u16 landing_pool;	// likewise; 0: 64
	u32 exports_max;
	u16 granter;		// of what is exported from now on
	u8 weight;		// likewise
	u32 recalls_max;	// 0: 8
	u8 cover[RIG_NODES];
	u8 behind[RIG_NODES];	// versions
	i32 drift[RIG_NODES];	// of clocks, in thousandths
	u16 places[RIG_NODES];	// for peers; 0: 8
	u64 forget_ns;
	u32 nodes;
	u64 steps;
	u32 frames;
	struct rig_frame *frame;
	u32 frame_next[RIG_FRAMES];
	struct rig_node node[RIG_NODES];
	// Everything that was sent, when asked for.
	bool capture;
	struct rig_frame *captured;
	u32 captured_count, captured_max;
};

// Starts `nodes` nodes at time 1 s, unconnected.
void
rig_start(struct rig *rig, u32 nodes, u64 seed, u16 mtu, u16 grant_pool);
void
rig_end(struct rig *rig);

// A node boots: a new life, empty tables; its memory and disk stay.
void
rig_boot(struct rig *rig, u32 node);
void
rig_crash(struct rig *rig, u32 node);

// What a node's clock shows.
u64
rig_clock(const struct rig *rig, u32 node);

// Lets time pass; every invariant of every node is walked after each step.
void
rig_run(struct rig *rig, u64 ns);

// Until sessions stand between all nodes that are up. At most 5 s.
void
rig_connect(struct rig *rig);

// Runs until the node has `count` completions in all, at most `ns`.
bool
rig_wait(struct rig *rig, u32 node, u32 count, u64 ns);

// Puts a frame in front of a node, now.
void
rig_deliver(struct rig *rig, u32 node, const void *bytes, u32 len);

// The index of `other` in the table of `node`.
u16
rig_peer(const struct rig *rig, u32 node, u32 other);

// A root in the owner's tree, exported to an environment of the holder; runs
// until the holder has it and returns its place there.
u32
rig_export(struct rig *rig, u32 owner, u32 holder, u32 environment, u8 type,
	   u8 rights, u64 base, u64 count);

// A root alone; and an export below one that there is.
u32
rig_root(struct rig *rig, u32 owner);
u32
rig_export_below(struct rig *rig, u32 owner, u32 root, u32 holder, u32 environment,
		 u8 type, u8 rights, u64 base, u64 count);

// A submission with everything filled in but what the operation is about.
struct rcap_submit
rig_submit(const struct rig *rig, u32 node, u32 place, u8 op, u64 offset,
	   u32 length, u64 local);

// Submits, waits, returns the completion.
struct rcap_completion
rig_do(struct rig *rig, u32 node, const struct rcap_submit *submit);

void
rig_revoke(struct rig *rig, u32 owner, u32 tree_node);
