// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A machine for host tests of storage and deployments: tasks that take turns on
// simulated time, this node's disk, and other nodes that hold rooms and blocks in
// memory. Node 0 is this one and runs the real storage; the others are the rig's.
//
// The disk loses power when it is told to: each block that was written and not flushed
// is then there, not there, or there in part, as a seeded generator says.

#include "cluster/record/record.h"
#include "cluster/storage/machine.h"
#include "cluster/storage/room.h"
#include "libos/store/manifest.h"

#define RIG_NODES 4u
#define RIG_ROOMS 4u		// open on one node

struct rig_node {
	u8 uuid[STORE_UUID];
	u8 *disk;
	u64 blocks;
	bool dead;
	// Other nodes than 0:
	u64 next;		// block of the next room
	u64 limit;		// rooms end here
	struct rig_room {
		u64 first, count;
		u32 id;		// 0: free
	} room[RIG_ROOMS];
	u32 rooms;		// given so far
	bool refuses_writes, lends;
	u64 seals, bad_seals, writes, reads;
	u32 told[4];		// by enum drop_what
	u32 answer;		// what ROOM answers with
	u32 dies_after;		// writes; 0: never
	u64 silent_until;	// there is no session with it before
	u32 loses_answers;	// so many more
};

struct rig {
	struct rig_node node[RIG_NODES];
	u32 nodes;
	u64 now;
	u64 disk_writes;	// block writes of node 0 so far
	u64 power_cut_at;	// that many, and the disk is gone; 0: never
	bool power_is_off;
	u64 page_writes_max;	// for statistics: most blocks of one operation
	u64 ops;		// disk operations
	bool has_record;
	struct record record;
	bool no_majority;
	u32 changes;		// of the record
	char event[160];	// the last one
};

extern struct rig rig;

// Fresh: `nodes` nodes with `blocks` blocks each, a record whose voters they are.
void
rig_begin(u32 nodes, u64 blocks, u64 seed);
void
rig_end(void);

// Runs body as a task, and whatever else there is, until it ends.
void
rig_run(void (*body)(void *argument), void *argument);

// Lets time pass for other tasks. From a task, or from outside.
void
rig_pass(u64 ns);

// One life of this node: runs body as a task in a process of its own, which ends as
// power does, with what the disk made of it. All that the code under test keeps in
// memory is fresh in each life. True when no check failed.
must_check bool
rig_in_child(void (*body)(void *argument), void *argument);

// What survives on the disk of what was written and not flushed.
void
rig_power_on(void);

// A question to this node's storage, as another node's agent would ask it. From a task.
u32
rig_ask_own(u32 from_node, u16 kind, const void *question, u32 len, void *answer);

// Rooms that are open on another node.
u32
rig_rooms(u32 node);

// Grants that this node's storage gave and has not taken back.
u32
rig_grants(void);

// Writes an object onto a node's disk, as it has to lie there.
void
rig_put_object(u32 node, const void *bytes, u64 len, u64 first, u8 id[STORE_ID]);

// True when an object lies whole on a node's disk.
bool
rig_object_is_whole(u32 node, const u8 id[STORE_ID], u64 len, u64 first);
