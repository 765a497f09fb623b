// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What a deployer asks of a disk's owner: ROOM, SEAL, DROP (messages of agents).
//
// An owner serves one deployment at a time. A room is a run of blocks that its
// deployer may write, until it seals it, says DROP, or is not heard for ROOM_LEASE_NS.
// SEAL takes the write capability back, checks every object in the first `used`
// blocks, makes them durable, and keeps them; the rest is free again. What was sealed
// stays until the record names it, or the deployment is over.

#include "kernel/base/types.h"

#define ROOMS_MAX 8u			// of one owner, those that just ended too
#define ROOM_LEASE_NS (30 * NS_PER_SECOND)

enum room_status {
	ROOM_FINE,
#define X(name, sentence) ROOM_##name,
#include "cluster/storage/rooms.def"
#undef X
	ROOM_STATUS_COUNT
};

struct room_ask {
	u64 deployment;		// random, the deployer's
	u64 version;		// of the record that the deployer builds on
	u64 want;		// blocks; less is fine down to `least`
	u64 least;
	u64 word;		// of the capability's place; 0: no capability (own disk)
};

struct room_answer {
	u32 status;		// enum room_status
	u32 room;
	u64 first;
	u64 count;
	u64 free;		// blocks that are left on this disk
};

struct seal_ask {
	u64 deployment;
	u32 room;
	u32 reserved;
	u64 used;		// blocks from the room's first on, all of them objects
};

struct seal_answer {
	u32 status;
	u32 reserved;
	u64 objects;
	u64 block;		// where it failed
	u64 free;
};

enum drop_what {
	DROP_NOTHING,		// the deployer lives: its time begins anew
	DROP_ALL,		// it is over, nothing was committed
	DROP_UNKNOWN,		// it is over; it may have been committed
	DROP_COMMITTED,
};

struct drop_ask {
	u64 deployment;
	u64 version;		// COMMITTED: the record that names what was sealed
	u64 generation;		// COMMITTED: of the site; 0: it was a job
	u32 what;		// enum drop_what
	u32 reserved;
};

struct drop_answer {
	u32 status;
	u32 reserved;
};

const char *
room_status_text(u32 status);
