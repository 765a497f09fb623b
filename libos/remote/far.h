// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Far memory and blocks: one interface for what a capability names, whether it is
// this node's (frames, blocks) or another's (REMOTE). Offsets count bytes from the
// start of the capability's range; buffers lie in the region of struct far_io.
//
// Results are 0, or an error that far_error_text() has a sentence for. Of a
// remote operation that ended FAR_UNKNOWN it is not known whether it ran; it
// cannot run any more. Every other error means that it did not run.

#include "libos/io/fabric.h"
#include "libos/io/queue.h"

#define FAR_CODE(code) (-1000 - (i64)(code))	// refused: net/wire/codes.def
#define FAR_UNKNOWN (-2000)

// What operations go through. Zero it, fill in what there is, keep it.
struct far_io {
	struct fabric_queue *fabric;	// NULL: local capabilities only
	const struct frame_run *region;
	u64 tags;
};

enum far_kind {
	FAR_FRAMES,
	FAR_BLOCKS,
	FAR_REMOTE,
};

struct far {
	enum far_kind kind;
	struct far_io *io;
	u32 slot;
	u64 units;		// of 4 KiB
	u8 *memory;		// FAR_FRAMES
	struct queue queue;	// FAR_BLOCKS
	u64 first_block;
};

// Opens what a slot of the caller's names. Frames of the caller must be mapped in
// the direct window. Returns 0, or -E_TYPE, or what the kernel refused.
must_check i64
far_open(struct far *far, struct far_io *io, u32 slot);
void
far_close(struct far *far);

must_check i64
far_read(struct far *far, u64 offset, void *buffer, u32 len);
must_check i64
far_write(struct far *far, u64 offset, const void *buffer, u32 len);

// Compares and swaps 8 aligned bytes; *old is what was there.
must_check i64
far_cas(struct far *far, u64 offset, u64 expected, u64 desired, u64 *old);

// Reads up to FABRIC_PIECES_MAX pieces, 4096 bytes in all, one behind the other.
must_check i64
far_gather(struct far *far, u64 offset, const struct fabric_piece *piece, u32 count,
	   void *buffer);

// Writes pieces of 1024 bytes in all when the word at `offset` compares, then adds to
// the word (kernel/abi/fabric.h). *old is what was there, *changed whether it did.
must_check i64
far_change(struct far *far, u64 offset, const struct fabric_change *change, u32 count,
	   const void *data, u64 *old, bool *changed);

// Adds to 8 aligned bytes; *old is what was there.
must_check i64
far_add(struct far *far, u64 offset, u64 addend, u64 *old);

// Adds one to 4 aligned bytes and wakes who waits for them.
must_check i64
far_notify(struct far *far, u64 offset);

// Blocks, counted from the start of the range; a buffer of one page.
must_check i64
far_block_read(struct far *far, u64 block, void *buffer);
must_check i64
far_block_write(struct far *far, u64 block, const void *buffer);
must_check i64
far_block_flush(struct far *far);

// Writes one, and returns once it is durable.
must_check i64
far_block_keep(struct far *far, u64 block, const void *buffer);

// What up to 256 blocks hold is not wanted any more; or they hold zeroes. Not every disk
// can: CODE_UNABLE, or -E_ABSENT of one here.
must_check i64
far_block_trim(struct far *far, u64 block, u32 count);
must_check i64
far_block_zero(struct far *far, u64 block, u32 count);

// Who holds what came from a capability, in a buffer of a page: from `next` on, 0 at
// first. Of a capability of the caller's own, or of a REMOTE one.
must_check i64
far_holders(struct far_io *io, u32 slot, u32 next, struct fabric_holders *holders);

// Takes back from one of them, and all that came from that.
must_check i64
far_expel(struct far_io *io, u32 slot, const struct fabric_holder *holder);

// Takes away all rights of one of them but these, and of all that came from it; of the
// REMOTE capability itself without a holder.
must_check i64
far_protect(struct far_io *io, u32 slot, const struct fabric_holder *holder, u8 rights);

// Takes `count` frames in a row out of a pool that another node lends (FAR_ASK_POOL):
// the first that are left. *slot is the capability for them.
must_check i64
far_alloc(struct far_io *io, u32 pool, u32 count, u32 *slot);

// Gives them back: from here on the pool has them again. Dropping the capability does so
// too, only later.
must_check i64
far_free(struct far_io *io, u32 slot);
// Asks one of them, who holds what came from a capability of the caller's own, for its
// last `count` units; waits until they have come back or, at the deadline, were taken.
struct far_recalled {
	u64 given;
	u64 taken;		// by force: units from `first` on, as in the range
	u64 first;
};

must_check i64
far_recall(struct far_io *io, u32 slot, const struct fabric_holder *holder, u64 count,
	   u64 deadline_ns, struct far_recalled *recalled);

const char *
far_error_text(i64 result);

// How a completion reads as such a result.
i64
far_result(const struct fabric_complete *complete);

// Runs one operation of another node's to its end, under a tag of its own: its result, and
// its completion where the caller wants it (NULL: no). -E_STATE without a fabric queue.
i64
far_run(struct far_io *io, struct fabric_submit *s, struct fabric_complete *complete);
