// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Ownership of disk blocks by metadata that the kernel does not understand, as a
// sans-IO core. kernel/abi/volume.h says what a volume is; here is what is done to one,
// by the kernel and, with the same functions, by the checker on the host.
//
// The free map is true by induction: a new volume owns nothing; new metadata is zero,
// for which every type owns nothing; and an update is made only when what the
// program says before and after differs by exactly the blocks that are allocated and
// freed with it. After a crash it is made anew by walking from the roots.
//
// Order, so that at any moment what a power cut leaves is such a tree, and nobody's
// blocks show anybody else's old content:
//
//   N1  metadata goes to the disk only when everything that it owns has been written
//       and is durable (`unsettled` is 0)
//   N2  a block that was given up becomes free only when the metadata without it is
//       durable, or its owner itself is free
//   N3  metadata that is on its way to the disk does not change until it is durable
//   N4  a block is not read before it was written
//
// Durable is what had been written when a flush began that has ended. Roots may be
// temporary: not in the catalogue on the disk, gone after a crash, and free of N1, N2.
//
// Invariants, checked by volume_check():
//   V1  every block of state USED or PROGRAM has a parent in use, whose `children`
//       counts it, and whose `unsettled` does if it is UNSETTLED
//   V2  of metadata in the cache the programs' extents are exactly its children
//   V3  only what is in the cache, and the catalogue, is DIRTY or LEAVING
//   V4  `used` counts the blocks under each root
//   V5  `written` while a block is WRITTEN, `settles` while one is FLUSHING
//   V6  the parent of a block in LIMBO is so itself, or DIRTY or LEAVING
//
// Bounds: an update runs a program 2 * VOLUME_PARTS_MAX times and looks at
// 2 * VOLUME_PARTS_MAX * VOLUME_EXTENTS_MAX * VOLUME_RUN_MAX blocks; a flush at each
// block VOLUME_DEPTH_MAX + 5 times, at none when nothing was written; else constant.
// Not reentrant; the host serialises, and gives all memory. Errors: kernel/abi/errors.def.

#include "kernel/abi/volume.h"
#include "kernel/code/code.h"

#define VOLUME_MAGIC 0x656d756c6f76584eull
#define VOLUME_VERSION 1u

// On the disk: in the first sector of blocks 0 and 1; the newer valid one counts.
struct volume_catalogue {
	u64 magic;
	u32 version;
	u32 count;		// blocks of the volume
	u64 sequence;
	u64 checksum;		// of all, with this field 0
	struct volume_type type[VOLUME_TYPES_MAX];
	struct volume_root root[VOLUME_ROOTS_MAX];
};

STATIC_ASSERT(sizeof(struct volume_catalogue) <= 512);

struct volume {
	// Given by the host.
	struct volume_block *block;	// `count` of them
	u8 *mark;		// `count` bytes, zero between calls
	u8 *cache;		// cache_count blocks
	u32 cache_count;
	u32 cache_frame;	// number of its first frame, for the registry
	u32 count;
	void (*owns)(void *host, u32 type, struct volume_context *context, u64 *found);
	void *host;

	struct volume_catalogue catalogue;
	u16 cached[VOLUME_CACHE_MAX];	// block in each slot, or VOLUME_NONE
	u32 next_slot;		// where the search for a slot goes on
	u32 used[VOLUME_ROOTS_MAX];	// blocks under each root, and in limbo
	u32 to_walk;		// blocks that the mount has yet to read
	u32 cursor;
	bool flushing;
	bool written;		// something that a flush has to settle
	bool settles;		// the flush under way has something
	struct volume_extent out[VOLUME_EXTENTS_MAX];
	u8 changed[BLOCK_SIZE];	// what an update would make
};

// What programs of types may do: by the size of their partitions.
extern const struct code_type volume_code_types[VOLUME_SHIFT_MAX + 1];

// ---- making and mounting ----

// An empty volume of v->count blocks, at least 3 and at most VOLUME_BLOCKS_MAX; its
// catalogue is dirty. The host has set its fields.
void
volume_format(struct volume *v);

// Takes the newer valid of the catalogue's blocks. 0 or -E_STATE.
must_check i64
volume_mount(struct volume *v, const void *first, const void *second);

// The block that the mount wants to see next, programs first; VOLUME_NONE: it is over.
u32
volume_wanted(struct volume *v);

// Shows it. The host has verified a program before it shows any other block, and
// refuses the volume if it is none. 0, or -E_STATE: the disk is not consistent.
must_check i64
volume_walk(struct volume *v, u32 block, const u8 *bytes);

// ---- types and roots ----

// May a type be registered with a program of that many instructions in that block? Then
// the host verifies it and makes it the type's program, so that `owns` runs it, and
// asks for the registration; -E_OWNS: it says that zero owns something.
must_check i64
volume_type_check(const struct volume *v, u32 type, u32 shift, u32 insn_count,
		  u32 block);
must_check i64
volume_type_add(struct volume *v, u32 type, u32 shift, const struct code_insn *text,
		u32 insn_count, u32 block);

must_check i64
volume_root_add(struct volume *v, u32 root, u32 type, u32 block, bool temporary);

// Its block owns nothing any more.
must_check i64
volume_root_drop(struct volume *v, u32 root);

// How many blocks may lie under a root; at first as many as there are.
must_check i64
volume_limit(struct volume *v, u32 root, u32 blocks);

// ---- metadata ----

// Changes metadata of a root as asked, or nothing. 0, or -E_ABSENT (not in the cache),
// -E_AGAIN (on its way to the disk), -E_TAKEN (a block that is not free), -E_OWNS (the
// change of what it owns is not what was declared), -E_QUOTA (the root's limit), -E_TABLE
// (volume_may_keep()), -E_RANGE, -E_ARGUMENT, -E_STATE.
must_check i64
volume_update(struct volume *v, u32 root, const struct volume_update *u);

// Brings metadata into the cache. *slot: read the block into that slot of the cache and
// say when that is done; VOLUME_NONE: it is there.
must_check i64
volume_load(struct volume *v, u32 root, u32 block, u32 *slot);
void
volume_loaded(struct volume *v, u32 block, bool succeeded);

// Writes metadata, a program, or (block 0) the catalogue. *slot is what to write
// and *target where to; say when that is done. -E_STATE: what it owns is not durable yet
// (N1), or there is nothing to write. For the catalogue the slot is VOLUME_NONE, and
// volume_catalogue() gives the bytes.
must_check i64
volume_store(struct volume *v, u32 root, u32 block, u32 *slot, u32 *target);
void
volume_stored(struct volume *v, u32 block, bool succeeded);
void
volume_catalogue(const struct volume *v, u8 *bytes);

// The bytes of metadata in the cache, or NULL. Only the core changes them.
u8 *
volume_bytes(const struct volume *v, u32 block);

// ---- data ----

// May a root's data be read or written? Then the blocks are busy until it is done.
must_check i64
volume_begin(struct volume *v, u32 root, bool writes, u32 block, u32 count);
void
volume_done(struct volume *v, bool wrote, u32 block, u32 count, bool succeeded);

// ---- durability ----

// A flush begins and ends; one at a time (-E_AGAIN).
must_check i64
volume_flush(struct volume *v);
void
volume_flushed(struct volume *v, bool succeeded);

// ---- the audit ----

// Walks every invariant; asserts. Of metadata in the cache it runs the programs. It counts
// in `tally`: room for 2 * v->count, of any content.
void
volume_check(struct volume *v, u16 *tally);

// ---- between the parts of the core ----

// What a partition of that content owns: how many extents are in v->out, or -E_STATE
// when that is nothing that a volume can have.
must_check i64
volume_owns(struct volume *v, u32 type, const u8 *bytes, u32 index);

// Hangs a free block below a parent: as it is found on the disk, or as a new one.
void
volume_hang(struct volume *v, u32 block, u32 parent, enum volume_state state, u32 type,
	    u32 root);
void
volume_give(struct volume *v, u32 block, u32 parent, enum volume_state state, u32 type,
	    u32 root);

// It is nobody's any more: at once when its root is temporary, else in limbo.
void
volume_give_up(struct volume *v, u32 block);
void
volume_free(struct volume *v, u32 block);

// May a root keep one block more in the cache that cannot be forgotten? Each has its
// reserve, whatever the others do; the rest is for who comes first.
#define VOLUME_RESERVES (2 * VOLUME_ROOTS_MAX)
bool
volume_may_keep(const struct volume *v, u32 root);

// A slot of the cache for a block, zero; VOLUME_NONE: all are in use.
u32
volume_slot(struct volume *v, u32 block);
void
volume_slot_free(struct volume *v, u32 block);

// Data, or what the catalogue has a program for.
static inline bool
volume_is_type(const struct volume *v, u32 type)
{
	return type == VOLUME_DATA ||
	       (type < VOLUME_TYPES_MAX && v->catalogue.type[type].block);
}

static inline bool
volume_is_temporary(const struct volume *v, u32 root)
{
	return root < VOLUME_ROOTS_MAX && v->catalogue.root[root].temporary;
}
