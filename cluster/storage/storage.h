// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// This node's disk, as the cluster's: what it is, what of it is in use, who may write
// where, and that it goes on holding what it should. A part of the agent; what is
// marked "waits" is called by tasks (cluster/agent/task.h).
//
// A deployer gets room: a run of free blocks, which it may write until it seals it or
// the room's time is over. Which blocks are in use follows from the record: what its
// manifest and jobs name here, what they named until GRACE ago (somebody may read it
// still), and rooms. Repair reads all of this node's objects, for ever, and writes
// again from the other copy what is missing or bad.
//
// Invariants:
//	1 a block outside of the label, the slots and a room is never written, except
//	  with what the record says has to be there
//	2 a run that the record names is not given as room
//	3 nothing but zeros is overwritten by a claim

#include "cluster/record/record.h"
#include "libos/store/label.h"
#include "libos/store/manifest.h"

#define STORAGE_PAGES 64u		// of the agent's region, that it may take at once
#define STORAGE_SLOT_BYTES 8192u	// AGREE_SLOT
#define STORAGE_GRACE_NS (30 * NS_PER_SECOND)

enum storage_state {
	STORAGE_ABSENT,		// no disk, or not looked at yet
	STORAGE_READY,		// the disk is this cluster's and this node's
	STORAGE_REFUSED,	// it is neither: it is left alone
	STORAGE_FAILED,		// it does not answer
};

// Waits: looks at the disk; labels a blank one when `claim` says that it may.
// Registers the handlers of ROOM, SEAL and DROP and starts the tasks of repair.
// Called once.
void
storage_open(bool claim);

enum storage_state
storage_state(void);

// Why it is in that state, for people.
const char *
storage_reason(void);

// The cluster that the label names; all zero: none yet. It is written there when this
// node first learns of a record. A record of another cluster must not come to this
// disk: storage_suits() is false for it.
const u8 *
storage_cluster(void);
bool
storage_suits(const u8 cluster[STORE_UUID]);

// Wait: the register's two slots. A write is durable when it returns 0.
must_check i64
storage_slot_read(u32 slot, u8 bytes[STORAGE_SLOT_BYTES]);
must_check i64
storage_slot_write(u32 slot, const u8 bytes[STORAGE_SLOT_BYTES]);

// record_now() is another one. Does not wait.
void
storage_record_changed(void);

// Waits: reads an object from whichever copy is right, checked as a whole by its id,
// into `bytes` bytes at `target`. NULL, or a sentence.
must_check const char *
storage_fetch(const struct record_new_object *object, void *target);

// Waits: reads an object as storage_fetch() does, but in pieces, in order: `take` gets
// each, and returns NULL or a sentence that ends it. Of each block the sum is checked.
typedef const char *(*storage_take)(void *argument, const u8 *bytes, u64 len);
must_check const char *
storage_read(const struct record_new_object *object, storage_take take, void *argument);

// What the record names, as storage_fetch() and others take it.
struct record_new_object
storage_object_of(const struct record *record, const struct record_object *object);

// One manifest in memory. Tasks hold it while they walk it.
struct stored_site {
	u32 holders;
	u64 generation;
	struct record_new_object object;	// the manifest's own
	void *bytes;
	struct manifest manifest;
};

// The newest one that was loaded, held; NULL: none. Give it back.
struct stored_site *
site_hold(void);
void
site_give(struct stored_site *site);

// The object that a file of it is, by its number.
struct record_new_object
site_file(const struct stored_site *site, u32 number);

struct storage_status {
	u32 state;		// enum storage_state
	u32 rooms;		// open
	u64 blocks;		// of the disk that are the cluster's
	u64 blocks_used;
	u64 generation;		// of the site whose manifest is known here
	u64 objects;		// that the record wants on this disk
	u64 objects_fine;	// of them, found whole since this agent runs
	u64 objects_short;	// found bad or missing, and not mended so far
	u64 blocks_checked;
	u64 blocks_bad;		// sums that did not fit, headers that were not there
	u64 blocks_mended;	// written again from the other copy
	u64 passes;		// times that all objects were checked
};

void
storage_status(struct storage_status *status);
