// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The world of the tests of volumes: a small volume, its disk, and two types whose
// programs are functions in C.

#include "kernel/base/prng.h"
#include "kernel/volume/volume.h"

#define BLOCKS 96u
#define CACHE 24u
#define ROOTS 4u
#define TEMPORARY_ROOT 3u
#define SECTOR 512u
#define SECTORS (BLOCK_SIZE / SECTOR)
#define FLIGHTS 8u
#define LIST 1u			// type: partitions of 64 bytes, eight extents each
#define PAIRS 2u		// type: partitions of 256 bytes, hidden by a constant
#define HIDDEN 0x5a5a5a5au
#define ENTRY 8u


extern struct prng prng;
extern struct volume v, after;
extern struct volume_block registry[BLOCKS], registry_after[BLOCKS];
extern u8 marks[BLOCKS], marks_after[BLOCKS];
extern u16 tally[2 * BLOCKS];	// for volume_check()
extern u8 cache[CACHE * BLOCK_SIZE], cache_after[CACHE * BLOCK_SIZE];

// What is durable on the disk.
extern u8 durable[BLOCKS][BLOCK_SIZE];

extern u32 generation[BLOCKS];	// counts allocations

u32
below(u32 bound);

u32
entry_size(u32 type);

// The extent that metadata of a type holds at a place; block 0: none.
struct volume_extent
entry_at(u32 type, const u8 *at);

// Adds to an update that the extent stands at an offset.
void
put_entry(struct volume_update *u, u32 type, u32 offset, struct volume_extent e);

// Formats, registers the types and makes that durable.
void
begin_history(void);
