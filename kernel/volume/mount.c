// SPDX-License-Identifier: BSD-2-Clause
// The catalogue: types and roots, its form on the disk, and the walk from it that makes
// the map of a volume after a crash. The contract is in volume.h.
//
// The walk trusts nothing on the disk but what it checks: a block that has two owners,
// or lies outside, or too deep, ends it. A volume whose every write went through the
// core passes; the checker of the host is this same walk.

#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"
#include "kernel/volume/volume.h"

static u64
checksum(const struct volume_catalogue *c)
{
	static const u8 key[SIPHASH_KEY_LEN] = { 0 };	// against accidents only
	struct volume_catalogue copy = *c;

	copy.checksum = 0;
	return siphash64(key, &copy, sizeof(copy));
}

static void
clear(struct volume *v)
{
	ASSERT(v->count > VOLUME_CATALOGUE_BLOCKS && v->count <= VOLUME_BLOCKS_MAX);
	for (u32 i = 0; i < v->count; i++) {
		v->block[i] = (struct volume_block){ .parent = VOLUME_NONE };
		v->mark[i] = 0;
	}
	for (u32 i = 0; i < VOLUME_CATALOGUE_BLOCKS; i++)
		v->block[i].state = VOLUME_CATALOGUE;
	for (u32 i = 0; i < VOLUME_CACHE_MAX; i++)
		v->cached[i] = VOLUME_NONE;
	memset(v->used, 0, sizeof(v->used));
	v->next_slot = v->to_walk = v->cursor = 0;
	v->flushing = v->written = v->settles = false;
}

void
volume_format(struct volume *v)
{
	clear(v);
	v->catalogue = (struct volume_catalogue){
		.magic = VOLUME_MAGIC,
		.version = VOLUME_VERSION,
		.count = v->count,
	};
	for (u32 i = 0; i < VOLUME_ROOTS_MAX; i++)
		v->catalogue.root[i].limit = (u16)v->count;
	v->block[0].flags = VOLUME_DIRTY;
}

void
volume_catalogue(const struct volume *v, u8 *bytes)
{
	struct volume_catalogue c = v->catalogue;

	for (u32 i = 0; i < VOLUME_ROOTS_MAX; i++) {
		if (c.root[i].temporary)
			c.root[i] = (struct volume_root){ .limit = c.root[i].limit };
	}
	c.checksum = checksum(&c);
	memset(bytes, 0, BLOCK_SIZE);
	memcpy(bytes, &c, sizeof(c));
}

// ---- mounting ----

// Marks a block as owned, to be looked at if it is more than data.
static bool
find(struct volume *v, u32 block, u32 parent, enum volume_state state, u32 type,
     u32 root)
{
	bool walks = state == VOLUME_PROGRAM || type != VOLUME_DATA;

	if (block >= v->count || v->block[block].state != VOLUME_FREE ||
	    v->block[parent].depth >= VOLUME_DEPTH_MAX)
		return false;
	volume_hang(v, block, parent, state, type, root);
	v->block[block].flags = walks ? VOLUME_TO_WALK : 0;
	v->to_walk += walks;
	return true;
}

static bool
find_types(struct volume *v)
{
	for (u32 i = 0; i < VOLUME_TYPES_MAX; i++) {
		const struct volume_type *t = &v->catalogue.type[i];

		if (!t->block)
			continue;
		if (i == VOLUME_DATA || t->shift < VOLUME_SHIFT_MIN ||
		    t->shift > VOLUME_SHIFT_MAX || t->insn_count == 0 ||
		    t->insn_count > VOLUME_INSNS_MAX ||
		    !find(v, t->block, 0, VOLUME_PROGRAM, i, VOLUME_ROOTS_MAX))
			return false;
	}
	return true;
}

static bool
find_roots(struct volume *v)
{
	for (u32 i = 0; i < VOLUME_ROOTS_MAX; i++) {
		const struct volume_root *r = &v->catalogue.root[i];

		if (!r->block)
			continue;
		if (r->temporary || !volume_is_type(v, r->type) ||
		    !find(v, r->block, 0, VOLUME_USED, r->type, i))
			return false;
	}
	return true;
}

i64
volume_mount(struct volume *v, const void *first, const void *second)
{
	struct volume_catalogue c[VOLUME_CATALOGUE_BLOCKS];
	bool valid[VOLUME_CATALOGUE_BLOCKS];
	u32 newer;

	clear(v);
	memcpy(&c[0], first, sizeof(c[0]));
	memcpy(&c[1], second, sizeof(c[1]));
	for (u32 i = 0; i < VOLUME_CATALOGUE_BLOCKS; i++)
		valid[i] = c[i].magic == VOLUME_MAGIC && c[i].version == VOLUME_VERSION &&
			   c[i].count == v->count && c[i].checksum == checksum(&c[i]);
	newer = valid[1] && (!valid[0] || c[1].sequence > c[0].sequence);
	if (!valid[newer])
		return -E_STATE;
	v->catalogue = c[newer];
	return find_types(v) && find_roots(v) ? 0 : -E_STATE;
}

u32
volume_wanted(struct volume *v)
{
	for (u32 i = 0; v->to_walk && i < VOLUME_TYPES_MAX; i++) {
		u32 block = v->catalogue.type[i].block;

		if (block && v->block[block].flags & VOLUME_TO_WALK)
			return block;
	}
	for (u32 i = 0; v->to_walk && i < v->count; i++) {
		u32 at = (v->cursor + i) % v->count;

		if (v->block[at].flags & VOLUME_TO_WALK) {
			v->cursor = at;
			return at;
		}
	}
	return VOLUME_NONE;
}

i64
volume_walk(struct volume *v, u32 block, const u8 *bytes)
{
	struct volume_block *b = &v->block[block];
	u32 parts;

	ASSERT(block < v->count && b->flags & VOLUME_TO_WALK && v->to_walk > 0);
	b->flags = 0;
	v->to_walk--;
	if (b->state == VOLUME_PROGRAM)
		return 0;
	parts = BLOCK_SIZE >> v->catalogue.type[b->type].shift;
	for (u32 part = 0; part < parts; part++) {
		i64 found = volume_owns(v, b->type, bytes, part);

		if (found < 0)
			return found;
		for (u32 e = 0; e < found; e++) {
			for (u32 k = 0; k < v->out[e].count; k++) {
				if (!find(v, v->out[e].block + k, block, VOLUME_USED,
					  v->out[e].type, b->root))
					return -E_STATE;
			}
		}
	}
	return 0;
}

// ---- types and roots ----

// Can the catalogue take another child in that block?
static i64
check_child(const struct volume *v, u32 block)
{
	if (block < VOLUME_CATALOGUE_BLOCKS || block >= v->count)
		return -E_RANGE;
	if (v->block[0].flags & VOLUME_LEAVING)
		return -E_AGAIN;					// N3
	return v->block[block].state == VOLUME_FREE ? 0 : -E_TAKEN;
}

i64
volume_type_check(const struct volume *v, u32 type, u32 shift, u32 insn_count,
		  u32 block)
{
	if (type == VOLUME_DATA || type >= VOLUME_TYPES_MAX || shift < VOLUME_SHIFT_MIN ||
	    shift > VOLUME_SHIFT_MAX || insn_count == 0 ||
	    insn_count > VOLUME_INSNS_MAX)
		return -E_ARGUMENT;
	return v->catalogue.type[type].block ? -E_TAKEN : check_child(v, block);
}

i64
volume_type_add(struct volume *v, u32 type, u32 shift, const struct code_insn *text,
		u32 insn_count, u32 block)
{
	struct volume_type *t = &v->catalogue.type[type];
	u32 slot;

	ASSERT(volume_type_check(v, type, shift, insn_count, block) == 0);
	*t = (struct volume_type){ (u16)block, (u16)insn_count, (u16)shift, 0 };
	memset(v->changed, 0, BLOCK_SIZE);
	for (u32 part = 0; part < BLOCK_SIZE >> shift; part++) {
		if (volume_owns(v, type, v->changed, part) != 0) {
			*t = (struct volume_type){ 0 };
			return -E_OWNS;
		}
	}
	slot = volume_slot(v, block);
	if (SCARCE(slot == VOLUME_NONE)) {
		*t = (struct volume_type){ 0 };
		return -E_TABLE;
	}
	volume_give(v, block, 0, VOLUME_PROGRAM, type, VOLUME_ROOTS_MAX);
	v->block[block].frame = v->cache_frame + slot;
	v->block[block].flags |= VOLUME_DIRTY;
	memcpy(v->cache + (size_t)slot * BLOCK_SIZE, text, insn_count * sizeof(*text));
	v->block[0].flags |= VOLUME_DIRTY;
	return 0;
}

i64
volume_root_add(struct volume *v, u32 root, u32 type, u32 block, bool temporary)
{
	i64 error;

	if (root >= VOLUME_ROOTS_MAX || !volume_is_type(v, type))
		return -E_ARGUMENT;
	if (v->catalogue.root[root].block)
		return -E_TAKEN;
	error = check_child(v, block);
	if (error)
		return error;
	if (SCARCE(v->used[root] >= v->catalogue.root[root].limit))
		return -E_QUOTA;
	v->catalogue.root[root].block = (u16)block;
	v->catalogue.root[root].type = (u8)type;
	v->catalogue.root[root].temporary = temporary;
	volume_give(v, block, 0, VOLUME_USED, type, root);
	if (!temporary)
		v->block[0].flags |= VOLUME_DIRTY;
	return 0;
}

i64
volume_root_drop(struct volume *v, u32 root)
{
	struct volume_root *r = &v->catalogue.root[root];
	struct volume_block *b;

	if (root >= VOLUME_ROOTS_MAX || !r->block)
		return -E_RANGE;
	b = &v->block[r->block];
	if (v->block[0].flags & VOLUME_LEAVING || b->flags & VOLUME_LEAVING || b->busy)
		return -E_AGAIN;
	if (b->children)
		return -E_STATE;
	if (!r->temporary)
		v->block[0].flags |= VOLUME_DIRTY;
	volume_give_up(v, r->block);
	r->block = r->type = r->temporary = 0;
	return 0;
}

i64
volume_limit(struct volume *v, u32 root, u32 blocks)
{
	if (root >= VOLUME_ROOTS_MAX || blocks > v->count)
		return -E_ARGUMENT;
	if (v->block[0].flags & VOLUME_LEAVING)
		return -E_AGAIN;
	v->catalogue.root[root].limit = (u16)blocks;
	v->block[0].flags |= VOLUME_DIRTY;
	return 0;
}
