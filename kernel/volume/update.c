// SPDX-License-Identifier: BSD-2-Clause
// Updates of metadata. What was owned, what is declared and what is owned then are
// compared block by block, by a mark in each: an update passes when in the end every
// block that was owned is kept or declared gone, and every other one declared new.
//
//   owned before     BEFORE  --declared gone--> GONE
//   free             declared new --> NEW
//   after            BEFORE --> KEPT,  NEW --> TAKEN; anything else is refused
//
// Nothing is changed until all of it has passed.

#include "kernel/abi/errors.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/volume/volume.h"

enum mark {
	UNKNOWN,
	BEFORE,			// owned before; not seen since
	GONE,			// declared gone
	KEPT,
	TAKEN,
	NEW,			// declared new, of type 0; not seen since
};

#define NEW_OF(type) (NEW + (type))

struct touched {
	u32 count;
	u32 index[VOLUME_PARTS_MAX];
};

// Which partitions the modifications lie in. False: a malformed one, or too many.
static bool
find_touched(const struct volume_update *u, u32 shift, struct touched *t)
{
	t->count = 0;
	for (u32 m = 0; m < u->mod_count; m++) {
		const struct volume_mod *mod = &u->mod[m];
		u32 last = mod->offset + mod->len - 1u;

		if (mod->len == 0 || mod->len > VOLUME_MOD_BYTES || last >= BLOCK_SIZE)
			return false;
		for (u32 p = mod->offset >> shift; p <= last >> shift; p++) {
			u32 i = 0;

			while (i < t->count && t->index[i] != p)
				i++;
			if (i == VOLUME_PARTS_MAX)
				return false;
			t->index[i] = p;
			t->count = MAX(t->count, i + 1);
		}
	}
	return true;
}

// Marks one block that is owned, before or after. False: it was not marked as it must
// be, or is of another type than it was; or it was not owned, so that the bytes are not
// those that were written to the disk.
static bool
mark_block(struct volume *v, u32 at, u32 type, u32 parent, bool after)
{
	const struct volume_block *b = &v->block[at];
	u8 *mark = &v->mark[at];

	if (!after && *mark == UNKNOWN && b->state == VOLUME_USED &&
	    b->parent == parent && b->type == type)
		*mark = BEFORE;
	else if (after && *mark == BEFORE && b->type == type)
		*mark = KEPT;
	else if (after && *mark == NEW_OF(type))
		*mark = TAKEN;
	else
		return false;
	return true;
}

// Marks what the touched partitions of metadata own in those bytes.
static bool
mark_owned(struct volume *v, u32 block, const struct touched *t, const u8 *bytes,
	   bool after, u32 *seen)
{
	for (u32 i = 0; i < t->count; i++) {
		i64 found = volume_owns(v, v->block[block].type, bytes, t->index[i]);

		if (found < 0)
			return false;
		for (u32 e = 0; e < found; e++) {
			for (u32 k = 0; k < v->out[e].count; k++) {
				if (!mark_block(v, v->out[e].block + k, v->out[e].type,
						block, after))
					return false;
				++*seen;
			}
		}
	}
	return true;
}

// Checks and marks what is declared: 0, -E_ARGUMENT, -E_RANGE, -E_TAKEN, -E_OWNS,
// -E_AGAIN, -E_STATE (it owns something itself).
static i64
mark_change(struct volume *v, const struct volume_change *c, u32 depth)
{
	if (c->count == 0 || c->count > VOLUME_RUN_MAX || c->removes > 1 ||
	    !volume_is_type(v, c->type))
		return -E_ARGUMENT;
	if (c->block < VOLUME_CATALOGUE_BLOCKS || c->block >= v->count ||
	    c->count > v->count - c->block)
		return -E_RANGE;
	if (!c->removes && depth >= VOLUME_DEPTH_MAX)
		return -E_STATE;
	for (u32 at = c->block; at < (u32)c->block + c->count; at++) {
		struct volume_block *b = &v->block[at];

		if (!c->removes) {
			if (b->state != VOLUME_FREE || v->mark[at] != UNKNOWN)
				return -E_TAKEN;
			v->mark[at] = (u8)NEW_OF(c->type);
			continue;
		}
		if (v->mark[at] != BEFORE || b->type != c->type)
			return -E_OWNS;
		if (b->busy || b->flags & VOLUME_LEAVING)
			return -E_AGAIN;
		if (b->children)
			return -E_STATE;
		v->mark[at] = GONE;
	}
	return 0;
}

static void
apply_mods(u8 *bytes, const struct volume_update *u)
{
	for (u32 m = 0; m < u->mod_count; m++)
		memcpy(bytes + u->mod[m].offset, u->mod[m].bytes, u->mod[m].len);
}

// Puts the changes in force.
static void
apply_changes(struct volume *v, u32 block, const struct volume_update *u)
{
	const struct volume_block *b = &v->block[block];

	for (u32 i = 0; i < u->change_count; i++) {
		const struct volume_change *c = &u->change[i];

		for (u32 at = c->block; at < (u32)c->block + c->count; at++) {
			if (c->removes)
				volume_give_up(v, at);
			else
				volume_give(v, at, block, VOLUME_USED, c->type, b->root);
		}
	}
}

// Takes the marks off everything that may bear one.
static void
unmark(struct volume *v, u32 block, const struct volume_update *u,
       const struct touched *t, const u8 *before)
{
	const struct volume_block *b = &v->block[block];

	for (u32 i = 0; i < t->count; i++) {
		i64 found = volume_owns(v, b->type, before, t->index[i]);

		for (u32 e = 0; e < found; e++)
			memset(v->mark + v->out[e].block, UNKNOWN, v->out[e].count);
	}
	for (u32 i = 0; i < u->change_count; i++) {
		const struct volume_change *c = &u->change[i];

		if (c->block < v->count && c->count <= VOLUME_RUN_MAX &&
		    c->count <= v->count - c->block)
			memset(v->mark + c->block, UNKNOWN, c->count);
	}
}

// Is the difference between the two exactly what is declared?
static i64
compare(struct volume *v, const struct volume_update *u, const struct touched *t,
	const u8 *before, const u8 *after)
{
	const struct volume_block *b = &v->block[u->block];
	u32 owned = 0, seen = 0, added = 0;

	if (!mark_owned(v, u->block, t, before, false, &owned))
		return -E_STATE;
	for (u32 i = 0; i < u->change_count; i++) {
		const struct volume_change *c = &u->change[i];
		i64 error = mark_change(v, c, b->depth);

		if (error)
			return error;
		owned = c->removes ? owned - c->count : owned + c->count;
		added += c->removes ? 0 : c->count;
	}
	if (SCARCE(added && v->used[b->root] + added >
				v->catalogue.root[b->root].limit))
		return -E_QUOTA;
	return mark_owned(v, u->block, t, after, true, &seen) && seen == owned
		       ? 0 : -E_OWNS;
}

i64
volume_update(struct volume *v, u32 root, const struct volume_update *u)
{
	struct volume_block *b;
	struct touched t;
	u8 *bytes;
	i64 error;

	if (u->block < VOLUME_CATALOGUE_BLOCKS || u->block >= v->count)
		return -E_RANGE;
	b = &v->block[u->block];
	if (b->state != VOLUME_USED || b->root != root)
		return -E_RANGE;
	if (b->type == VOLUME_DATA)
		return -E_STATE;
	if (u->mod_count > VOLUME_MODS_MAX || u->change_count > VOLUME_CHANGES_MAX ||
	    !find_touched(u, v->catalogue.type[b->type].shift, &t))
		return -E_ARGUMENT;
	bytes = volume_bytes(v, u->block);
	if (!bytes)
		return -E_ABSENT;
	if (b->busy || b->flags & VOLUME_LEAVING)
		return -E_AGAIN;						// N3
	if (SCARCE(!(b->flags & (VOLUME_DIRTY | VOLUME_BLANK)) &&
		   !volume_may_keep(v, root)))
		return -E_TABLE;
	memcpy(v->changed, bytes, BLOCK_SIZE);
	apply_mods(v->changed, u);
	error = compare(v, u, &t, bytes, v->changed);
	unmark(v, u->block, u, &t, bytes);
	if (error)
		return error;
	apply_changes(v, u->block, u);
	apply_mods(bytes, u);
	b->flags |= VOLUME_DIRTY;
	return 0;
}
