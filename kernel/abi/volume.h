// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Volumes: a range of disk blocks that environments share without trusting each
// other, as XN was meant to (Kaashoek et al., SOSP '97, section 4). Its blocks are named
// from 0 on. docs/volume.md is the page for people.
//
// Blocks 0 and 1 hold the catalogue, by turns: the types of metadata with the blocks of
// their programs, and up to VOLUME_ROOTS_MAX roots. From a root blocks of metadata own
// others, data or metadata. Which ones only the program of the block's type knows, an
// eBPF function that the environment which registers the type brings along.
//
// A block of metadata consists of partitions of equal size, none larger than a sector.
// The program is given one partition and its number, and says which extents that
// partition owns. So a change of bytes concerns the partitions that it touches, and a
// write that power cut short leaves each partition old or new.

// volume_open() makes one of an extent that the caller holds with READ, WRITE and DERIVE,
// which nobody else's queue reaches meanwhile. Its capability counts roots; a part of it
// derived for others lets them use those. With either of them a block queue is bound
// (queue.h), whose submissions name a root and blocks of the volume.

#include "kernel/abi/queue.h"

#define VOLUME_BLOCKS_MAX 4096u		// 16 MiB
#define VOLUME_TYPES_MAX 8u		// type 0 is data
#define VOLUME_ROOTS_MAX 16u
#define VOLUME_INSNS_MAX 256u		// of a type's program
#define VOLUME_CACHE_MAX 64u		// blocks of metadata in memory
#define VOLUME_DEPTH_MAX 8u		// of metadata below the catalogue
#define VOLUME_EXTENTS_MAX 16u		// that one partition owns
#define VOLUME_RUN_MAX 16u		// blocks of one extent
#define VOLUME_SHIFT_MIN 6u		// partitions of 64 to 512 bytes
#define VOLUME_SHIFT_MAX 9u
#define VOLUME_MODS_MAX 8u		// of one update
#define VOLUME_MOD_BYTES 60u
#define VOLUME_CHANGES_MAX 8u
#define VOLUME_PARTS_MAX 4u		// partitions that one update touches

#define VOLUMES_MAX 2u			// open at a time on a node
#define VOLUME_CACHE_MIN 4u

#define VOLUME_DATA 0u
#define VOLUME_CATALOGUE_BLOCKS 2u
#define VOLUME_NONE 0xffffu

enum volume_state {
	VOLUME_FREE,
	VOLUME_CATALOGUE,
	VOLUME_PROGRAM,		// of a type
	VOLUME_USED,		// owned by `parent`
	VOLUME_LIMBO,		// given up by `parent`; the disk may still say otherwise
};

#define VOLUME_BLANK 0x01u	// not written since it was allocated: not to be read
#define VOLUME_UNSETTLED 0x02u	// its first content may be lost with power
#define VOLUME_DIRTY 0x04u	// metadata that differs from the disk
#define VOLUME_LEAVING 0x08u	// metadata on its way to the disk: not to be changed
#define VOLUME_WRITTEN 0x10u	// to be settled by a flush
#define VOLUME_FLUSHING 0x20u
#define VOLUME_TO_WALK 0x40u	// the mount has yet to read it

// The registry: what the kernel knows of each block, exported read-only.
struct volume_block {
	u32 frame;		// that caches it; 0: none
	u16 parent;		// block that owns it, or VOLUME_NONE
	u8 state;		// enum volume_state
	u8 type;
	u8 root;		// that it lies under
	u8 depth;
	u8 flags;
	u8 busy;		// operations on it with the device
	u16 children;		// blocks that it owns
	u16 unsettled;		// of them
};

STATIC_ASSERT(sizeof(struct volume_block) == 16);

// On the disk, and in the exported table.
struct volume_type {
	u16 block;		// of its program; 0: no such type
	u16 insn_count;
	u16 shift;		// of the size of its partitions
	u16 reserved;
};

struct volume_root {
	u16 block;		// 0: none
	u8 type;
	u8 temporary;		// in memory only
	u16 limit;		// blocks that may lie under it
	u16 reserved;
};

enum volume_stage {
	VOLUME_CLOSED,		// no such volume
	VOLUME_OPENING,		// its map is being made from what the disk says
	VOLUME_OPEN,
	VOLUME_STOPPED,		// what it stood on is gone, or the disk is inconsistent
};

// The exported table of volumes.
struct volume_info {
	u32 owner;		// id of the environment
	u32 stage;		// enum volume_stage
	u64 first;		// its block 0, on the disk
	u32 count;		// blocks
	u32 wanted;		// while VOLUME_OPENING: the block to read and walk next
	u64 cache_frame;	// the frames of its cache of metadata
	u32 cache_count;
	u32 reserved;
	struct volume_type type[VOLUME_TYPES_MAX];
	struct volume_root root[VOLUME_ROOTS_MAX];
};

// volume_open().
#define VOLUME_FORMAT 1u	// a new, empty volume; else what the disk holds
struct volume_spec {
	u32 blocks_slot;	// CAP_BLOCKS
	u32 flags;
	u64 first;		// on the disk
	u32 count;		// blocks: 3 to VOLUME_BLOCKS_MAX
	u32 cache_count;	// frames: VOLUME_CACHE_MIN to VOLUME_CACHE_MAX
};

// What a type's program is given, and what it fills in.
struct volume_extent {
	u32 block;
	u16 count;
	u16 type;
};

struct volume_context {
	const u8 *part;		// the bytes of one partition
	struct volume_extent *out;	// VOLUME_EXTENTS_MAX, zero
	u64 index;		// of the partition
};				// the result: how many extents

// One update of a block of metadata: bytes to write, and what it then owns besides, or
// no longer. The kernel runs the program before and after and refuses it unless that
// is exactly the difference.
struct volume_mod {
	u16 offset;
	u16 len;
	u8 bytes[VOLUME_MOD_BYTES];
};

struct volume_change {
	u16 block;
	u16 count;
	u8 type;
	u8 removes;		// 0: it owns these now; 1: no longer
	u16 reserved;
};

struct volume_update {
	u32 block;
	u32 mod_count;
	u32 change_count;
	u32 reserved;
	struct volume_mod mod[VOLUME_MODS_MAX];
	struct volume_change change[VOLUME_CHANGES_MAX];
};
