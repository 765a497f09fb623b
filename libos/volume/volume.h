// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Using a volume (docs/volume.md): opening one that is on the disk, building updates,
// and one operation at a time on the blocks of a root. A layout is the caller's affair.

#include "kernel/abi/volume.h"
#include "libos/io/queue.h"

// ---- opening ----

// Opens a volume, and walks one that is on the disk: the programs of its types are read
// from there and verified. Returns its slot, or an error with nothing left behind but
// the programs' capabilities, on which the volume stands.
must_check i64
volume_bring_up(const struct volume_spec *spec);

// ---- using roots ----

struct volume_user {
	u32 slot;		// a capability for roots
	u32 index;		// of the volume
	u32 root;
	struct queue queue;
	struct frame_run memory;	// what operations read into and write from
};

// Binds a queue with memory of `frames` frames for one of the roots that a capability
// covers. Returns 0 or an error.
must_check i64
volume_use(struct volume_user *user, u32 slot, u32 root, u32 frames);
void
volume_leave(struct volume_user *user);

// The memory, from its `frame`th frame on.
u8 *
volume_memory(const struct volume_user *user, u32 frame);

// Runs one operation to its end, on memory from its beginning. Returns 0 or -code.
must_check i64
volume_run(struct volume_user *user, enum queue_op op, u32 block, u32 count);

// What was written so far is durable. Returns 0 or -code.
must_check i64
volume_sync(struct volume_user *user);

// Writes a block of metadata (0: the catalogue), and that is durable; 0, too, when
// the disk has it already.
must_check i64
volume_save(struct volume_user *user, u32 block);

// A run of free blocks, by the exported registry, sought from `from` on: the first of
// them, or VOLUME_NONE. Somebody else may be faster.
u32
volume_find_free(const struct volume_user *user, u32 from, u32 count);

// ---- updates ----

void
volume_begin_update(struct volume_update *update, u32 block);

// At most VOLUME_MODS_MAX times, `len` at most VOLUME_MOD_BYTES.
void
volume_put(struct volume_update *update, u32 offset, const void *bytes, u32 len);

// It then owns `count` blocks more, or no longer. At most VOLUME_CHANGES_MAX in all.
void
volume_gain(struct volume_update *update, u32 block, u32 count, u32 type);
void
volume_lose(struct volume_update *update, u32 block, u32 count, u32 type);

must_check i64
volume_make(const struct volume_user *user, const struct volume_update *update);
