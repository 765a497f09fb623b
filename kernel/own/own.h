// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Ownership of page frames, as a sans-IO core over the frame table that every
// environment can read (struct frame_info in kernel/abi/tables.h).
//
// Invariants, checked by own_check():
//   O1  reserved + free + owned + table + limbo = count, and `free` is right
//   O2  a free or reserved frame has no owner; a free one has no pins
//   O3  a frame in limbo has pins; it becomes free when the last one goes
//
// Not reentrant; the host serialises. No allocation: the host gives the table.

#include "kernel/abi/tables.h"
#include "kernel/base/types.h"

struct own {
	struct frame_info *frame;
	u64 count;
	u64 free;
	u64 next;		// where the last search ended (next fit)
};

// Starts with every frame reserved.
void
own_init(struct own *own, struct frame_info *table, u64 count);

// Turns a reserved frame into a free one; one outside the table or not reserved is left
// alone.
void
own_add(struct own *own, u64 frame);

// Finds `count` (at least 1) consecutive free frames: exactly at `base`, or
// anywhere for FRAME_ANY. Returns the first, or FRAME_ANY when there are none.
must_check u64
own_find(const struct own *own, u64 base, u64 count);

// Takes free frames, found just before, for `owner`; `state` is FRAME_OWNED,
// FRAME_TABLE or (kernel, owner OWNER_NONE) FRAME_RESERVED.
void
own_take(struct own *own, u64 base, u64 count, u16 owner,
	 enum frame_state state);

// Gives frames back: unpinned ones become free, pinned ones go to limbo.
void
own_release(struct own *own, u64 base, u64 count);

// References from devices and sleepers. own_unpin() frees what was in limbo. What pins is
// in tables of the host, so few that the counts never overflow (kernel/sys/audit.c).
void
own_pin(struct own *own, u64 base, u64 count);
void
own_unpin(struct own *own, u64 base, u64 count);

// Walks every invariant; asserts.
void
own_check(const struct own *own);
