// SPDX-License-Identifier: BSD-2-Clause
// The audit of a volume: V1 to V6 of volume.h counted anew from each block, and for what
// is in the cache asked of the programs themselves.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/volume/volume.h"

static void
check_cached(struct volume *v, u32 block)
{
	const struct volume_block *b = &v->block[block];
	const u8 *bytes = volume_bytes(v, block);
	u32 owned = 0;

	for (u32 p = 0; p < BLOCK_SIZE >> v->catalogue.type[b->type].shift; p++) {
		i64 found = volume_owns(v, b->type, bytes, p);

		ASSERT(found >= 0);
		for (u32 e = 0; e < found; e++) {
			for (u32 k = 0; k < v->out[e].count; k++) {
				const struct volume_block *c =
					&v->block[v->out[e].block + k];

				ASSERT(c->state == VOLUME_USED && c->parent == block &&
				       c->type == v->out[e].type &&
				       c->root == b->root);
				owned++;
			}
		}
	}
	ASSERT(owned == b->children);					// V2
}

// What is said of a block below its owner, and in the cache.
static void
check_block(struct volume *v, u32 block)
{
	const struct volume_block *b = &v->block[block];
	const struct volume_block *p = &v->block[b->parent % v->count];

	ASSERT(v->mark[block] == 0);
	ASSERT(!(b->flags & VOLUME_WRITTEN) || v->written);		// V5
	ASSERT(!(b->flags & VOLUME_FLUSHING) || (v->flushing && v->settles));
	if (b->state == VOLUME_FREE) {
		ASSERT(b->flags == 0 && b->busy == 0 && b->frame == 0);
		return;
	}
	if (b->state == VOLUME_LIMBO)					// V6
		ASSERT(p->state == VOLUME_LIMBO ||
		       p->flags & (VOLUME_DIRTY | VOLUME_LEAVING));
	ASSERT(!(b->flags & (VOLUME_DIRTY | VOLUME_LEAVING)) || b->frame ||
	       block == 0);						// V3
	if (b->frame && b->state == VOLUME_USED && !(b->busy && b->flags == 0))
		check_cached(v, block);
}

void
volume_check(struct volume *v, u16 *tally)
{
	u16 *children = tally, *unsettled = tally + v->count;
	u32 used[VOLUME_ROOTS_MAX + 1] = { 0 };

	memset(tally, 0, sizeof(*tally) * 2 * v->count);
	for (u32 i = 0; i < v->count; i++) {
		const struct volume_block *b = &v->block[i];

		check_block(v, i);
		if (b->state == VOLUME_USED || b->state == VOLUME_LIMBO)
			used[b->root]++;
		if (b->state != VOLUME_USED && b->state != VOLUME_PROGRAM)
			continue;
		ASSERT(b->parent < v->count);
		children[b->parent]++;
		if (b->flags & VOLUME_UNSETTLED)
			unsettled[b->parent]++;
	}
	for (u32 i = 0; i < v->count; i++) {
		ASSERT(children[i] == v->block[i].children);		// V1
		ASSERT(unsettled[i] == v->block[i].unsettled);
	}
	ASSERT(memcmp(used, v->used, sizeof(v->used)) == 0);		// V4
}
