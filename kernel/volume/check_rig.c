// SPDX-License-Identifier: BSD-2-Clause
// The audit of a volume, for the tests: V1 to V5 of volume.h counted anew from each
// block, and for what is in the cache asked of the programs themselves.

#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/volume/check_rig.h"

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

static void
check_parent(struct volume *v, u32 block)
{
	u32 children = 0, unsettled = 0;

	for (u32 i = 0; i < v->count; i++) {
		const struct volume_block *b = &v->block[i];

		if ((b->state != VOLUME_USED && b->state != VOLUME_PROGRAM) ||
		    b->parent != block)
			continue;
		children++;
		unsettled += (b->flags & VOLUME_UNSETTLED) != 0;
	}
	ASSERT(children == v->block[block].children);			// V1
	ASSERT(unsettled == v->block[block].unsettled);
}

void
volume_check(struct volume *v)
{
	u32 used[VOLUME_ROOTS_MAX] = { 0 };

	for (u32 i = 0; i < v->count; i++) {
		const struct volume_block *b = &v->block[i];

		ASSERT(v->mark[i] == 0);
		ASSERT(!(b->flags & VOLUME_WRITTEN) || v->written);	// V5
		ASSERT(!(b->flags & VOLUME_FLUSHING) || (v->flushing && v->settles));
		if (b->state == VOLUME_FREE) {
			ASSERT(b->flags == 0 && b->busy == 0 && b->frame == 0);
			continue;
		}
		if (b->state == VOLUME_USED || b->state == VOLUME_LIMBO)
			used[b->root]++;
		check_parent(v, i);
		ASSERT(!(b->flags & (VOLUME_DIRTY | VOLUME_LEAVING)) || b->frame ||
		       i == 0);						// V3
		if (b->frame && b->state == VOLUME_USED && !(b->busy && b->flags == 0))
			check_cached(v, i);
	}
	ASSERT(memcmp(used, v->used, sizeof(used)) == 0);		// V4
}
