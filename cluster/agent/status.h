// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What each node tells the others of itself: what it has, what it is, which instances
// run on it. A change goes to everybody at once; besides, one other member gets all of
// it each second, so that nobody who missed a change stays behind.
//
// The bytes of a message are this structure, cut after the last instance. Of what it
// says, a node decides alone; only a virtual address is believed from its holder only.

#include "cluster/agent/peer.h"

#define STATUS_INSTANCES 32u
#define STATUS_WHY 104u
#define STATUS_EVERY_NS NS_PER_SECOND

struct status_instance {
	u32 job;		// id in the record
	u16 number;
	u8 mac_index;
	u8 state;		// enum view_state
	u32 environment;
	u32 restarts;
};

struct status {
	u64 order;		// a higher one is newer; ns since boot
	u64 record;		// version
	u8 cluster[16];		// of the record, or of the disk; zero: none known
	u64 blocks;		// of the disk that are the cluster's; 0: no disk
	u64 blocks_free;
	u64 objects;		// that it is to hold
	u64 objects_fine;	// of them, found whole in this life
	u64 blocks_bad;		// found so far
	u64 blocks_mended;	// from the other copy
	u32 frames_free;	// that jobs may still have
	u32 frames_jobs;	// that instances have: their quotas
	u16 slices_free;
	u16 slices_jobs;
	u32 address;
	u32 mask;
	u32 gateway;
	u32 virtual_address;	// as this node holds or last heard it
	u32 virtual_mask;
	u32 virtual_gateway;
	u32 restarts;		// of programs, since boot
	u8 mac[6];
	u8 holds_virtual;
	u8 reserved0;
	u32 failing_job;	// id of one that should run here and does not; 0: none
	char failing_why[STATUS_WHY];
	u32 instance_count;
	u32 reserved;
	struct status_instance instance[STATUS_INSTANCES];
};

must_check i64
status_open(void);

// This node's own: who changes something in it says status_changed().
struct status *
status_own(void);
void
status_changed(void);

// The node at that link is to hear it, whether something has changed or not.
void
status_owe(u16 link);

// The newest of a life of a node, this one's too; NULL: none came yet.
const struct status *
status_of(const struct peer *peer);

// Counts changes of what any node told.
u32
status_changes(void);
