// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What every byte of the exported pages and disk blocks was, and when.
//
// The simulator's hosts hold the real memory and disks, which the cores write.
// Here is a second copy of each, the shadow, and every change since the seed's
// beginning. After each step the two are compared: what changed was changed in
// this step, and the model has to explain it. A value that was read is right if
// the bytes were that at some moment of the operation, all at the same one.

#include "kernel/base/types.h"

#define UNIT 4096u		// a page or a block
#define HISTORY_BYTES (96u * 1024 * 1024)

// One change: `len` bytes at `offset` were `old` before.
struct change {
	struct change *before;	// of the same unit
	u64 at;
	u32 offset, len;
	u8 old[];
};

// The pages or the blocks of one node.
struct store {
	u8 *real;		// what the cores write: the host's
	u8 *shadow;
	struct change **newest;	// for each unit
	u64 *durable;		// for each unit: it will not fall back before then
	u32 units;
};

// Memory for changes; a seed that fills it ends with an error, not a wrong
// answer.
struct history {
	u8 *bytes;
	u64 used;
};

void
history_init(struct history *history, u8 *bytes);

// Bytes that differ now, as one range; the shadow is not changed yet.
struct difference {
	u32 unit, offset, len;
};

// Finds the first unit from `*unit` on that differs, and the first range in it.
must_check bool
history_differs(const struct store *store, u32 *unit, struct difference *found);

// Records the change at `now` and makes the shadow equal there.
void
history_accept(struct history *history, struct store *store,
	       const struct difference *what, u64 now);

// Was there a moment at or after `since` when the `len` bytes at `offset` of the
// unit were all as given?
must_check bool
history_was(const struct store *store, u32 unit, u32 offset, u32 len,
	    const u8 *bytes, u64 since);

// The same for each byte by itself.
must_check bool
history_was_each(const struct store *store, u32 unit, u32 offset, u32 len,
		 const u8 *bytes, u64 since);
