// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Which blocks of one's own disk are in use: a bit a block, in memory only. It is
// made anew from what the record names (manifest, its files, job images) and from
// rooms that are open; no map lies on disk, so none can be wrong.
//
// Invariant: used_count is the number of set bits. Sans-IO; the caller gives the bits.

#include "libos/store/store.h"

struct space {
	u64 *bits;		// space_words(blocks) words
	u64 blocks;		// of the disk, labels included
	u64 used_count;		// bits that are set, those before STORE_FIRST_BLOCK too
	u64 next;		// where the next search begins
};

static inline u64
space_words(u64 blocks)
{
	return (blocks + 63) / 64;
}

// All free but what lies before STORE_FIRST_BLOCK.
void
space_begin(struct space *space, u64 *bits, u64 blocks);

// True when the run lies within the object area.
must_check bool
space_contains(const struct space *space, u64 first, u64 count);

// Marks a run used, or free. It is within the object area. Blocks that are so
// already stay so: objects named twice are one. Returns how many changed.
u64
space_use(struct space *space, u64 first, u64 count);
u64
space_free(struct space *space, u64 first, u64 count);

// True when no block of the run is used.
must_check bool
space_is_free(const struct space *space, u64 first, u64 count);

// Finds `count` free blocks in a row, uses them, and says where. False: there are
// none. Searches on from the last find, once around.
must_check bool
space_find(struct space *space, u64 count, u64 *first);

static inline u64
space_left(const struct space *space)
{
	return space->blocks - space->used_count;
}

// Counts the bits: equals used_count (tests, and a check at each new generation).
u64
space_count(const struct space *space);
