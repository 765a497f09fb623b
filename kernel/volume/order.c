// SPDX-License-Identifier: BSD-2-Clause
// Between memory and disk: the cache of metadata, the order of writes, and what becomes
// of blocks when they are durable. The contract is in volume.h, with N1 to N4.
//
//   metadata   DIRTY --store--> LEAVING --stored--> LEAVING WRITTEN
//              --flush--> LEAVING FLUSHING --flushed--> (clean)
//   new block  BLANK UNSETTLED --written--> UNSETTLED WRITTEN
//              --flush--> UNSETTLED FLUSHING --flushed--> (settled)
//   given up   LIMBO --owner clean by a flush, or free--> FREE
//
// A failed write or flush puts metadata back to DIRTY: it may be on the disk in parts,
// old and new, which is what N1 and N2 are kept for.

#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/volume/volume.h"

// Does a block hold metadata of that root, or one that everybody may write out: a
// program, the catalogue?
static bool
is_metadata(const struct volume *v, u32 root, u32 block)
{
	const struct volume_block *b = &v->block[block];

	if (block >= v->count)
		return false;
	return b->state == VOLUME_PROGRAM || (b->state == VOLUME_CATALOGUE && !block) ||
	       (b->state == VOLUME_USED && b->type != VOLUME_DATA && b->root == root);
}

i64
volume_load(struct volume *v, u32 root, u32 block, u32 *slot)
{
	struct volume_block *b = &v->block[block];

	*slot = VOLUME_NONE;
	if (block < VOLUME_CATALOGUE_BLOCKS || !is_metadata(v, root, block) ||
	    b->state != VOLUME_USED)
		return -E_RANGE;
	if (b->busy)
		return -E_AGAIN;
	if (b->frame)
		return 0;
	if (SCARCE(b->flags & VOLUME_BLANK && !volume_may_keep(v, root)))
		return -E_TABLE;
	*slot = volume_slot(v, block);
	if (SCARCE(*slot == VOLUME_NONE))
		return -E_TABLE;
	b->frame = v->cache_frame + *slot;
	if (b->flags & VOLUME_BLANK) {
		*slot = VOLUME_NONE;		// it is zero until it is written
		b->flags |= VOLUME_DIRTY;
		return 0;
	}
	b->busy = 1;
	return 0;
}

void
volume_loaded(struct volume *v, u32 block, bool succeeded)
{
	struct volume_block *b = &v->block[block];

	ASSERT(b->busy == 1 && b->frame && !(b->flags & VOLUME_DIRTY));
	b->busy = 0;
	if (!succeeded)
		volume_slot_free(v, block);
}

i64
volume_store(struct volume *v, u32 root, u32 block, u32 *slot, u32 *target)
{
	struct volume_block *b = &v->block[block];

	if (!is_metadata(v, root, block))
		return -E_RANGE;
	if (b->flags & VOLUME_LEAVING || b->busy)
		return -E_AGAIN;
	if (!(b->flags & VOLUME_DIRTY) || b->unsettled)
		return -E_STATE;					// N1
	*target = block ? block : (u32)(v->catalogue.sequence + 1) % 2;
	*slot = block ? b->frame - v->cache_frame : VOLUME_NONE;
	v->catalogue.sequence += block == 0;
	ASSERT(block == 0 || (b->frame && v->cached[*slot] == block));	// V3
	b->flags = (u8)((b->flags & ~VOLUME_DIRTY) | VOLUME_LEAVING);
	b->busy = 1;
	return 0;
}

void
volume_stored(struct volume *v, u32 block, bool succeeded)
{
	struct volume_block *b = &v->block[block];

	ASSERT(b->flags & VOLUME_LEAVING && b->busy == 1);
	b->busy = 0;
	v->written |= succeeded;
	if (succeeded)
		b->flags = (u8)((b->flags & ~VOLUME_BLANK) | VOLUME_WRITTEN);
	else
		b->flags = (u8)((b->flags & ~VOLUME_LEAVING) | VOLUME_DIRTY);
	// The next try goes to the same block, for the other one is good.
	v->catalogue.sequence -= block == 0 && !succeeded;
}

i64
volume_begin(struct volume *v, u32 root, bool writes, u32 block, u32 count)
{
	if (count == 0 || block >= v->count || count > v->count - block)
		return -E_RANGE;
	for (u32 at = block; at < block + count; at++) {
		const struct volume_block *b = &v->block[at];

		if (b->state != VOLUME_USED || b->type != VOLUME_DATA ||
		    b->root != root)
			return -E_RANGE;
		if (!writes && b->flags & VOLUME_BLANK)
			return -E_STATE;				// N4
		if (b->busy == 0xff)
			return -E_AGAIN;
	}
	for (u32 at = block; at < block + count; at++)
		v->block[at].busy++;
	return 0;
}

void
volume_done(struct volume *v, bool wrote, u32 block, u32 count, bool succeeded)
{
	for (u32 at = block; at < block + count; at++) {
		struct volume_block *b = &v->block[at];

		ASSERT(b->busy > 0 && b->state == VOLUME_USED);
		b->busy--;
		if (!wrote || !succeeded)
			continue;
		b->flags &= (u8)~VOLUME_BLANK;
		if (b->flags & VOLUME_UNSETTLED) {
			b->flags |= VOLUME_WRITTEN;
			v->written = true;
		}
	}
}

i64
volume_flush(struct volume *v)
{
	if (v->flushing)
		return -E_AGAIN;
	v->flushing = true;
	v->settles = v->written;
	v->written = false;
	for (u32 i = 0; v->settles && i < v->count; i++) {
		struct volume_block *b = &v->block[i];

		if (b->flags & VOLUME_WRITTEN)
			b->flags = (u8)((b->flags & ~VOLUME_WRITTEN) |
					VOLUME_FLUSHING);
	}
	return 0;
}

// What a block is after a flush that its last write was in.
static void
settle(struct volume *v, struct volume_block *b, bool succeeded)
{
	bool metadata = b->flags & VOLUME_LEAVING;

	if (!succeeded) {
		b->flags &= (u8)~(VOLUME_FLUSHING | VOLUME_LEAVING);
		b->flags |= metadata ? VOLUME_DIRTY : VOLUME_WRITTEN;
		v->written = true;
		v->catalogue.sequence -= b == v->block;
		return;
	}
	if (b->flags & VOLUME_UNSETTLED) {
		ASSERT(v->block[b->parent].unsettled > 0);
		v->block[b->parent].unsettled--;
	}
	b->flags &= (u8)~(VOLUME_UNSETTLED | VOLUME_LEAVING);
	if (!metadata)
		b->flags &= (u8)~VOLUME_FLUSHING;
}

// Frees what is in limbo under metadata that is durable without it, or free (N2).
// Returns whether anything became free.
static bool
free_limbo(struct volume *v)
{
	bool some = false;

	for (u32 i = 0; i < v->count; i++) {
		const struct volume_block *p;

		if (v->block[i].state != VOLUME_LIMBO)
			continue;
		p = &v->block[v->block[i].parent];
		if (!(p->flags & VOLUME_FLUSHING) && p->state != VOLUME_FREE)
			continue;
		volume_free(v, i);
		some = true;
	}
	return some;
}

void
volume_flushed(struct volume *v, bool succeeded)
{
	ASSERT(v->flushing);
	v->flushing = false;
	for (u32 i = 0; v->settles && i < v->count; i++) {
		if (v->block[i].flags & VOLUME_FLUSHING)
			settle(v, &v->block[i], succeeded);
	}
	if (!succeeded || !v->settles)
		return;
	// Metadata that this flush settled still says FLUSHING; chains of limbo are no
	// longer than the tree is deep.
	for (u32 round = 0; free_limbo(v); round++)
		ASSERT(round <= VOLUME_DEPTH_MAX);
	for (u32 i = 0; i < v->count; i++)
		v->block[i].flags &= (u8)~VOLUME_FLUSHING;
}
