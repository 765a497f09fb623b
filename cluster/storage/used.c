// SPDX-License-Identifier: BSD-2-Clause
// Which blocks of this disk are in use, as the record says.
//
// Invariant: what the newest record that is known here names is marked, and what was
// named before it stays marked until a rebuild, which comes STORAGE_GRACE_NS after a
// new generation at the earliest and never while a deployment has rooms.

#include "cluster/agent/register.h"
#include "cluster/storage/state.h"
#include "kernel/base/assert.h"
#include "libos/mem/mem.h"

struct space storage_space;

static u64 known_version;
static u64 marked_generation;	// all files of that site are marked
static u64 wanted_at = NEVER;
static u64 hold_until;

void
used_open(void)
{
	u64 blocks = storage_label.blocks;
	u64 *bits = mem_alloc(space_words(blocks) * sizeof(u64));

	if (bits)
		space_begin(&storage_space, bits, blocks);
	else
		storage_fail("there is no memory for the map of its blocks");
}

u64
used_version(void)
{
	return known_version;
}

// A copy that the record places where it cannot lie is not this node's to judge: it
// is not there, and repair will say so.
static void
mark(const struct holding *holding)
{
	const struct record_new_object *object = &holding->object;
	u64 first = object->copy[holding->own].block;
	u64 count = object_blocks(object->bytes);

	if (space_contains(&storage_space, first, count))
		space_use(&storage_space, first, count);
}

// Files of a site that are marked already are passed over: jobs come and move often.
static void
mark_all(const struct record *record, const struct stored_site *site)
{
	struct holding holding;
	u64 at = 0;

	if (site && site->generation == marked_generation)
		site = NULL;
	while (holding_next(record, site, &at, &holding))
		mark(&holding);
	if (site)
		marked_generation = site->generation;
}

void
used_add(const struct record *record, const struct stored_site *site)
{
	ASSERT(storage_space.bits);
	ASSERT(!record->site.generation ||
	       (site && site->generation == record->site.generation));
	mark_all(record, site);
	known_version = record->version;
}

void
used_rebuild_at(u64 when)
{
	wanted_at = MIN(wanted_at, when);
}

void
used_hold_until(u64 when)
{
	hold_until = MAX(hold_until, when);
	used_rebuild_at(when);
}

void
used_settled(u64 now)
{
	hold_until = now + STORAGE_GRACE_NS;
	used_rebuild_at(hold_until);
}

u64
used_rebuild_due(void)
{
	return wanted_at == NEVER ? NEVER : MAX(wanted_at, hold_until);
}

void
used_rebuild_if_due(u64 now)
{
	const struct record *record = record_now();
	struct stored_site *site;

	if (now < used_rebuild_due() || rooms_busy())
		return;
	if (!record || record->version != known_version ||
	    known_version < rooms_version())
		return;
	wanted_at = NEVER;
	marked_generation = 0;
	site = site_hold();
	space_begin(&storage_space, storage_space.bits, storage_space.blocks);
	mark_all(record, site);
	site_give(site);
	ASSERT(space_count(&storage_space) == storage_space.used_count);
}
