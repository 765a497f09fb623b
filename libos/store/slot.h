// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The register's state on disk: two slots of SLOT_BLOCKS blocks behind the label,
// written in turn, each with a sequence number and a checksum. While one is written
// the other holds what was acknowledged, so after a power cut at any write the newest
// good slot is the state before or the state after, never a mixture.
//
// Sans-IO: makes and reads the bytes of a slot.

#include "libos/store/store.h"

#define SLOT_COUNT 2u
#define SLOT_BLOCKS 3u
#define SLOT_BYTES (SLOT_BLOCKS * STORE_BLOCK)
#define SLOT_HEAD 64u
#define SLOT_STATE_MAX (SLOT_BYTES - SLOT_HEAD)
#define SLOT_MAGIC 0x544f4c534f4544ull	// "DEOSLOT" and a zero byte

STATIC_ASSERT(STORE_SLOT_BLOCK + SLOT_COUNT * SLOT_BLOCKS <= STORE_FIRST_BLOCK);

// Which slot has that sequence number, and where it begins on the disk. Numbers
// begin with 1.
static inline u64
slot_block(u64 sequence)
{
	return STORE_SLOT_BLOCK + sequence % SLOT_COUNT * SLOT_BLOCKS;
}

// Makes the slot of `sequence` with `len` bytes of state, for the disk of a cluster.
// All of `slot` is written; `state` may lie in its place already (SLOT_HEAD in).
void
slot_make(u8 slot[SLOT_BYTES], const u8 cluster[STORE_UUID], u64 sequence,
	  const void *state, u32 len);

// Reads a slot. Returns its sequence number and points to its state, or 0: nothing
// good is there.
must_check u64
slot_read(const u8 slot[SLOT_BYTES], const u8 cluster[STORE_UUID],
	  const u8 **state, u32 *len);
