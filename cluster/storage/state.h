// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of cluster/storage share with one another and with nobody else. All
// of it runs in tasks: what is read before a wait may have changed after it.

#include "cluster/storage/machine.h"
#include "cluster/storage/room.h"
#include "cluster/storage/storage.h"
#include "libos/store/space.h"

#define WINDOW_BLOCKS TASK_BATCH_MAX
#define RETRY_NS NS_PER_SECOND

// ---- the disk (disk.c)

extern struct label storage_label;

// Takes pages of the region; waits until there are some.
void *
pages_take(u32 pages);

void
storage_fail(const char *why);

// Wait. What storage_open() does first; and: the label is to name this cluster, or the
// disk is left alone.
void
storage_look(bool may_claim);
void
storage_bind(const u8 cluster[STORE_UUID]);

// ---- the site whose objects are kept (site.c)

u64
site_generation(void);

// Waits: makes the record's manifest the one that site_hold() gives. NULL, or why not.
must_check const char *
site_load(const struct record *record);

// One object that this node should have: its own copy, and where the other lies.
struct holding {
	struct record_new_object object;
	u32 own;		// index of this node's copy
};

// Walks all of them: those of the record, then the files of the manifest. `at` counts
// up from 0. False: there are no more.
must_check bool
holding_next(const struct record *record, const struct stored_site *site, u64 *at,
	     struct holding *holding);

// ---- reading blocks, anywhere (reach.c)

// Waits: up to TASK_BATCH_MAX blocks of a node's disk into pages of the region.
must_check i64
reach_read(const u8 uuid[STORE_UUID], u64 block, void *pages, u32 count);

// ---- reading objects (read.c)

// A look at a run of this node's disk, WINDOW_BLOCKS at a time.
struct window {
	u8 *pages;
	u64 first, count;	// what lies there now
	u64 end;		// block behind the run
};

void
window_open(struct window *window, u64 end);
void
window_close(struct window *window);

// Waits: a block of the run, in memory until the next call; NULL: the disk failed.
const void *
window_block(struct window *window, u64 block);

// Reads a header that belongs to copy `copy` of an object; checked. Waits. `page` is of
// the region.
must_check enum object_fault
copy_header(const struct record_new_object *object, u32 copy, u64 number,
	    struct object_header *page);

// Waits: reads `count` content blocks from `index` on, all under `header`. True when
// all of them are right.
must_check bool
copy_content(const struct record_new_object *object, u32 copy,
	     const struct object_header *header, u64 index, void *pages, u32 count);

// The same, but tells of each block: bit i for block index + i. All of them when
// nothing could be read.
u32
copy_bad_blocks(const struct record_new_object *object, u32 copy,
		const struct object_header *header, u64 index, void *pages, u32 count);

static inline bool
copy_exists(const struct record_new_object *object, u32 copy)
{
	static const u8 nobody[STORE_UUID];

	return memcmp(object->copy[copy].uuid, nobody, STORE_UUID) != 0;
}

// ---- which blocks are in use (used.c)

void
used_open(void);

// The record is known here up to this version: its blocks are marked.
u64
used_version(void);

// Marks all that the record and its site name here. Keeps what was marked before,
// until used_rebuild() when that is due.
void
used_add(const struct record *record, const struct stored_site *site);

// Asks for a rebuild, not before `when`: what nothing names becomes free then.
void
used_rebuild_at(u64 when);

// No rebuild before then: something may yet be named, or is still read.
void
used_hold_until(u64 when);

// Another generation of the site is known: what was unknown before it is settled.
void
used_settled(u64 now);

void
used_rebuild_if_due(u64 now);
u64
used_rebuild_due(void);

// ---- rooms (room.c)

extern struct space storage_space;

void
rooms_open(void);
u32
rooms_count(void);

// A deployment has room here. Nothing is made free meanwhile.
bool
rooms_busy(void);

// Ends what has not been heard for too long.
void
rooms_expire(u64 now);

// True when the objects of that generation of the site were checked here, in this
// life, as they came.
bool
rooms_sealed(u64 generation);

// The newest version of the record that is known to name what was sealed here: before
// it is known, nothing is freed.
u64
rooms_version(void);

// Waits: checks all objects in blocks [first, first + used) of this disk.
u32
seal_check(u64 first, u64 used, struct seal_answer *answer);

// ---- lending (lend.c)

void
lend_open_blocks(void);

// ---- repair (repair.c)

void
repair_open(void);
void
repair_wake(void);
void
repair_status(struct storage_status *status);
