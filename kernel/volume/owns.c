// SPDX-License-Identifier: BSD-2-Clause
// What metadata owns, what the kernel keeps of each block, and the cache. The contract
// is in volume.h.
//
// A type's program sees one partition in the kernel's memory, which nobody changes
// meanwhile, and nothing else: the same bytes always own the same blocks, here and in
// the checker.

#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/volume/volume.h"

#define OWNS_STEPS_MAX 2048u

static const struct code_field fields[] = {
	{ 0, 8, CODE_MAY_READ, 0, 0 },
	{ 8, 8, CODE_MAY_READ, 1, 0 },
	{ 16, 8, CODE_MAY_READ, CODE_NUMBER, BLOCK_SIZE >> VOLUME_SHIFT_MIN },
};

#define REGIONS(shift) \
	{ { 1u << (shift), CODE_MAY_READ }, \
	  { VOLUME_EXTENTS_MAX * sizeof(struct volume_extent), \
	    CODE_MAY_READ | CODE_MAY_WRITE } }

static const struct code_region regions[][2] = {
	REGIONS(6), REGIONS(7), REGIONS(8), REGIONS(9),
};

#define TYPE(shift) \
	[shift] = { \
		.field = fields, \
		.field_count = ARRAY_SIZE(fields), \
		.region = regions[(shift) - VOLUME_SHIFT_MIN], \
		.region_count = 2, \
		.steps_max = OWNS_STEPS_MAX, \
		.result_max = VOLUME_EXTENTS_MAX, \
	}

const struct code_type volume_code_types[VOLUME_SHIFT_MAX + 1] = {
	TYPE(6), TYPE(7), TYPE(8), TYPE(9),
};

STATIC_ASSERT(offsetof(struct volume_context, out) == 8);
STATIC_ASSERT(offsetof(struct volume_context, index) == 16);

i64
volume_owns(struct volume *v, u32 type, const u8 *bytes, u32 index)
{
	struct volume_context context = { .out = v->out, .index = index };
	u64 found = 0;

	ASSERT(type != VOLUME_DATA && volume_is_type(v, type));
	context.part = bytes + ((size_t)index << v->catalogue.type[type].shift);
	memset(v->out, 0, sizeof(v->out));
	v->owns(v->host, type, &context, &found);
	if (found > VOLUME_EXTENTS_MAX)
		return -E_STATE;
	for (u32 i = 0; i < found; i++) {
		const struct volume_extent *e = &v->out[i];

		if (e->count == 0 || e->count > VOLUME_RUN_MAX ||
		    e->block < VOLUME_CATALOGUE_BLOCKS || e->block >= v->count ||
		    e->count > v->count - e->block || !volume_is_type(v, e->type))
			return -E_STATE;
	}
	return (i64)found;
}

void
volume_hang(struct volume *v, u32 block, u32 parent, enum volume_state state, u32 type,
	    u32 root)
{
	struct volume_block *b = &v->block[block], *p = &v->block[parent];

	ASSERT(b->state == VOLUME_FREE && b->busy == 0 && p->depth < VOLUME_DEPTH_MAX);
	*b = (struct volume_block){
		.parent = (u16)parent,
		.state = (u8)state,
		.type = (u8)type,
		.root = (u8)root,
		.depth = (u8)(p->depth + 1),
	};
	p->children++;							// V1
	if (state == VOLUME_USED)
		v->used[root]++;					// V4
}

void
volume_give(struct volume *v, u32 block, u32 parent, enum volume_state state, u32 type,
	    u32 root)
{
	bool settles = !volume_is_temporary(v, root);

	volume_hang(v, block, parent, state, type, root);
	v->block[block].flags = VOLUME_BLANK | (settles ? VOLUME_UNSETTLED : 0);
	v->block[parent].unsettled += settles;
}

void
volume_give_up(struct volume *v, u32 block)
{
	struct volume_block *b = &v->block[block], *p = &v->block[b->parent];

	ASSERT(b->state == VOLUME_USED && b->children == 0 && b->busy == 0);
	ASSERT(p->children > 0 && !(b->flags & VOLUME_LEAVING));
	p->children--;
	if (b->flags & VOLUME_UNSETTLED) {
		ASSERT(p->unsettled > 0);
		p->unsettled--;
	}
	volume_slot_free(v, block);
	b->flags = 0;
	b->state = VOLUME_LIMBO;
	if (volume_is_temporary(v, b->root))
		volume_free(v, block);
}

void
volume_free(struct volume *v, u32 block)
{
	struct volume_block *b = &v->block[block];

	ASSERT(b->state == VOLUME_LIMBO && !b->frame && v->used[b->root] > 0);
	v->used[b->root]--;
	*b = (struct volume_block){ .parent = VOLUME_NONE };
}

static u32
slot_of(const struct volume *v, u32 block)
{
	for (u32 i = 0; i < v->cache_count; i++) {
		if (v->cached[i] == block)
			return i;
	}
	return VOLUME_NONE;
}

u8 *
volume_bytes(const struct volume *v, u32 block)
{
	u32 slot = block < v->count && v->block[block].frame ? slot_of(v, block)
							     : VOLUME_NONE;

	return slot == VOLUME_NONE ? NULL : v->cache + (size_t)slot * BLOCK_SIZE;
}

void
volume_slot_free(struct volume *v, u32 block)
{
	u32 slot = slot_of(v, block);

	v->block[block].frame = 0;
	if (slot != VOLUME_NONE)
		v->cached[slot] = VOLUME_NONE;
}

// May a cached block be forgotten?
static bool
is_clean(const struct volume_block *b)
{
	return !(b->flags & (VOLUME_DIRTY | VOLUME_LEAVING | VOLUME_BLANK)) && !b->busy;
}

bool
volume_may_keep(const struct volume *v, u32 root)
{
	u32 kept[VOLUME_ROOTS_MAX + 1] = { 0 }, loose = v->cache_count, owed = 0;
	u32 reserve = v->cache_count / VOLUME_RESERVES;

	for (u32 i = 0; i < v->cache_count; i++) {
		const struct volume_block *b = &v->block[v->cached[i]];

		if (v->cached[i] == VOLUME_NONE || is_clean(b))
			continue;
		kept[b->root]++;
		loose--;
	}
	for (u32 r = 0; r < VOLUME_ROOTS_MAX; r++)
		owed += r != root && kept[r] < reserve ? reserve - kept[r] : 0;
	return kept[root] < reserve || loose > owed;
}

u32
volume_slot(struct volume *v, u32 block)
{
	ASSERT(v->cache_count > 0 && v->cache_count <= VOLUME_CACHE_MAX);
	for (u32 i = 0; i < v->cache_count; i++) {
		u32 slot = (v->next_slot + i) % v->cache_count;
		u32 old = v->cached[slot];

		if (old != VOLUME_NONE && !is_clean(&v->block[old]))
			continue;
		if (old != VOLUME_NONE)
			v->block[old].frame = 0;
		v->cached[slot] = (u16)block;
		v->next_slot = slot + 1;
		memset(v->cache + (size_t)slot * BLOCK_SIZE, 0, BLOCK_SIZE);
		return slot;
	}
	return VOLUME_NONE;
}
