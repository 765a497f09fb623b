// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/volume/owns.c kernel/volume/update.c kernel/volume/order.c
// links: kernel/volume/mount.c kernel/volume/check.c kernel/volume/volume_rig.c
// links: kernel/base/siphash.c harness/testing/host_assert.c
//
// The rules of volume.h one by one: the order of writes, the catalogue's two places,
// limits, and disks that no core wrote.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sanitizer/asan_interface.h>

#include "harness/testing/seed.h"
#include "kernel/abi/errors.h"
#include "kernel/volume/volume_rig.h"

static void
save(u32 root, u32 block, bool succeeded)
{
	u32 slot, target;

	assert_int_equal(volume_store(&v, root, block, &slot, &target), 0);
	if (block)
		memcpy(durable[target], v.cache + slot * BLOCK_SIZE, BLOCK_SIZE);
	else
		volume_catalogue(&v, durable[target]);
	volume_stored(&v, block, succeeded);
}

static void
settle_all(void)
{
	assert_int_equal(volume_flush(&v), 0);
	volume_flushed(&v, true);
}

// One extent at an offset, from what is there to what is meant.
static i64
set(u32 root, u32 block, u32 offset, u32 owned, u32 count, bool removes)
{
	struct volume_update u = { .block = block, .change_count = 1 };
	struct volume_extent e = { owned, (u16)count, VOLUME_DATA };

	put_entry(&u, LIST, offset, removes ? (struct volume_extent){ 0 } : e);
	u.change[0] = (struct volume_change){
		.block = (u16)owned, .count = (u16)count, .removes = removes };
	return volume_update(&v, root, &u);
}

static void
order_is_kept(void **state)
{
	u32 slot, target;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(set(0, 10, 0, 20, 2, false), -E_ABSENT);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_equal(set(0, 10, 0, 20, 2, false), 0);
	assert_int_equal(set(0, 10, 64, 21, 1, false), -E_TAKEN);
	assert_int_equal(volume_begin(&v, 0, false, 20, 1), -E_STATE);		// N4
	assert_int_equal(volume_store(&v, 0, 10, &slot, &target), -E_STATE);	// N1
	for (u32 b = 20; b < 22; b++) {
		assert_int_equal(volume_begin(&v, 1, true, b, 1), -E_RANGE);
		assert_int_equal(volume_begin(&v, 0, true, b, 1), 0);
		volume_done(&v, true, b, 1, true);
	}
	assert_int_equal(volume_begin(&v, 0, false, 20, 2), 0);
	volume_done(&v, false, 20, 2, true);
	// Written is not durable, and a flush that began before counts for nothing.
	assert_int_equal(volume_store(&v, 0, 10, &slot, &target), -E_STATE);
	settle_all();
	save(0, 10, true);
	assert_int_equal(set(0, 10, 0, 20, 2, true), -E_AGAIN);			// N3
	settle_all();
	save(0, 0, true);
	settle_all();
	// Given up, it is free when the disk says so too.
	assert_int_equal(set(0, 10, 0, 20, 2, true), 0);
	assert_int_equal(set(0, 10, 8, 20, 2, false), -E_TAKEN);		// N2
	settle_all();
	assert_int_equal(set(0, 10, 8, 20, 2, false), -E_TAKEN);
	save(0, 10, true);
	settle_all();
	assert_int_equal(set(0, 10, 8, 20, 2, false), 0);
	assert_int_equal(volume_root_drop(&v, 0), -E_STATE);
	volume_check(&v, tally);
}

// A try that failed is made again in the same place: the other one is good.
static void
catalogue_is_never_lost(void **state)
{
	u64 sequence;

	(void)state;
	begin_history();
	sequence = v.catalogue.sequence;
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(volume_limit(&v, 5, 10 + i), 0);
		save(0, 0, false);
		memset(durable[(sequence + 1) % 2], 0, BLOCK_SIZE);
		assert_int_equal(volume_mount(&after, durable[0], durable[1]), 0);
		assert_int_equal(after.catalogue.sequence, sequence);
		save(0, 0, true);
		assert_int_equal(volume_flush(&v), 0);
		volume_flushed(&v, false);
		memset(durable[(sequence + 1) % 2], 0, BLOCK_SIZE);
		assert_int_equal(volume_mount(&after, durable[0], durable[1]), 0);
	}
	save(0, 0, true);
	settle_all();
	assert_int_equal(volume_mount(&after, durable[0], durable[1]), 0);
	assert_int_equal(after.catalogue.sequence, sequence + 1);
	assert_int_equal(after.catalogue.root[5].limit, 12);
}

static void
limits_hold(void **state)
{
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_limit(&v, 0, 3), 0);
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_equal(set(0, 10, 0, 20, 3, false), -E_QUOTA);
	assert_int_equal(set(0, 10, 0, 20, 2, false), 0);
	assert_int_equal(set(0, 10, 8, 30, 1, false), -E_QUOTA);
	// What is in limbo still counts: it cannot be had by anybody.
	assert_int_equal(set(0, 10, 0, 20, 2, true), 0);
	assert_int_equal(set(0, 10, 8, 30, 1, false), -E_QUOTA);
	volume_check(&v, tally);
}

// Disks that no core wrote: each lie is found by the walk.
static void
lies_are_found(void **state)
{
	struct volume_extent twice = { 20, 1, VOLUME_DATA };
	struct volume_extent bad[] = {
		{ 10, 1, LIST }, { 1, 1, VOLUME_DATA }, { BLOCKS, 1, VOLUME_DATA },
		{ BLOCKS - 1, 2, VOLUME_DATA }, { 30, 0, VOLUME_DATA },
		{ 30, VOLUME_RUN_MAX + 1, VOLUME_DATA }, { 30, 1, 3 },
		{ 30, 1, 9 }, { 2, 1, VOLUME_DATA }, { 20, 1, VOLUME_DATA },
		{ 0xffffffff, 0xffff, 0 },
	};
	u32 slot, block;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	save(0, 10, true);
	settle_all();
	save(0, 0, true);
	settle_all();
	for (u32 i = 0; i <= ARRAY_SIZE(bad); i++) {
		i64 result = 0;

		memset(durable[10], 0, BLOCK_SIZE);
		memcpy(durable[10] + 512, &twice, sizeof(twice));
		if (i < ARRAY_SIZE(bad))
			memcpy(durable[10] + 2048, &bad[i], sizeof(bad[i]));
		assert_int_equal(volume_mount(&after, durable[0], durable[1]), 0);
		while (!result && (block = volume_wanted(&after)) != VOLUME_NONE)
			result = volume_walk(&after, block, durable[block]);
		assert_int_equal(result, i < ARRAY_SIZE(bad) ? -E_STATE : 0);
	}
	durable[0][40] ^= 1;
	durable[1][40] ^= 1;
	assert_int_equal(volume_mount(&after, durable[0], durable[1]), -E_STATE);
}

// A disk that gives back other bytes than were written: of that nothing is updated.
static void
later_lies_are_refused(void **state)
{
	static const u16 bad[] = { 10, 20, 30, BLOCKS };	// itself, in limbo, free
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_equal(set(0, 10, 0, 20, 1, false), 0);
	assert_int_equal(set(0, 10, 0, 20, 1, true), 0);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		struct volume_extent e = { bad[i], 1, VOLUME_DATA };

		memcpy(volume_bytes(&v, 10) + 64, &e, sizeof(e));
		assert_int_equal(set(0, 10, 72, 40, 1, false), -E_STATE);
		assert_int_equal(set(0, 10, 64, bad[i], 1, true), -E_STATE);
		memset(volume_bytes(&v, 10) + 64, 0, sizeof(e));
		volume_check(&v, tally);
	}
	assert_int_equal(set(0, 10, 72, 40, 1, false), 0);
}

// Metadata that is new: it cannot be forgotten before it is on the disk.
static i64
keep_another(u32 root, u32 parent, u32 nth, u32 block)
{
	struct volume_update u = { .block = parent, .change_count = 1 };
	struct volume_extent e = { block, 1, LIST };
	u32 slot;
	i64 error;

	put_entry(&u, LIST, nth * ENTRY, e);
	u.change[0] = (struct volume_change){ .block = (u16)block, .count = 1,
					      .type = LIST };
	error = volume_update(&v, root, &u);
	return error ? error : volume_load(&v, root, block, &slot);
}

// A root takes all of the cache that is nobody's; the others have their reserves still,
// and no more, until something of it is on the disk.
static void
reserves_hold(void **state)
{
	static u8 memory[VOLUME_CACHE_MAX * BLOCK_SIZE];
	const u32 reserve = VOLUME_CACHE_MAX / VOLUME_RESERVES;
	const u32 loose = VOLUME_CACHE_MAX - (VOLUME_ROOTS_MAX - 1) * reserve;
	u32 slot, leaf = 0, block = 10, kept = 1;

	(void)state;
	begin_history();
	memcpy(memory, cache, sizeof(cache));
	v.cache = memory;
	v.cache_count = VOLUME_CACHE_MAX;
	assert_int_equal(volume_root_add(&v, 0, LIST, block, false), 0);
	assert_int_equal(volume_load(&v, 0, block, &slot), 0);
	while (keep_another(0, 10, kept, ++block) == 0)
		kept++;
	assert_int_equal(kept, loose);
	for (u32 root = 1; root < VOLUME_ROOTS_MAX; root++) {
		u32 top = ++block;

		assert_true(volume_may_keep(&v, root));
		assert_int_equal(volume_root_add(&v, root, LIST, top, false), 0);
		assert_int_equal(volume_load(&v, root, top, &slot), 0);
		for (kept = 1; kept < reserve; kept++)
			assert_int_equal(keep_another(root, top, kept, ++block), 0);
		leaf = leaf ? leaf : block;
		assert_int_equal(keep_another(root, top, kept, ++block), -E_TABLE);
		assert_false(volume_may_keep(&v, root));
	}
	volume_check(&v, tally);
	save(1, leaf, true);
	assert_false(volume_may_keep(&v, 1));
	settle_all();
	assert_true(volume_may_keep(&v, 1));
	assert_false(volume_may_keep(&v, 2));
	// What is on the disk counts again as soon as it would change.
	leaf += 3;
	save(2, leaf, true);
	settle_all();
	assert_int_equal(volume_load(&v, 2, leaf + 1, &slot), 0);
	assert_int_equal(volume_update(&v, 2, &(struct volume_update){ .block = leaf }),
			 -E_TABLE);
}

// What is on the disk is not read while no slot of the cache can be forgotten.
static void
full_cache_is_told(void **state)
{
	u32 slot;

	(void)state;
	begin_history();
	v.cache_count = VOLUME_CACHE_MIN;
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	save(0, 10, true);
	settle_all();
	volume_slot_free(&v, 10);
	for (u32 root = 1; root <= VOLUME_CACHE_MIN; root++) {
		assert_int_equal(volume_root_add(&v, root, LIST, 10 + root, false), 0);
		assert_int_equal(volume_load(&v, root, 10 + root, &slot), 0);
	}
	assert_int_equal(volume_load(&v, 0, 10, &slot), -E_TABLE);
	volume_check(&v, tally);
	save(1, 11, true);
	settle_all();
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_not_equal(slot, VOLUME_NONE);
	volume_loaded(&v, 10, true);
}

// Metadata lies at most VOLUME_DEPTH_MAX blocks deep.
static void
depth_holds(void **state)
{
	u32 slot, block = 10;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, block, false), 0);
	assert_int_equal(volume_load(&v, 0, block, &slot), 0);
	for (u32 depth = 1; depth < VOLUME_DEPTH_MAX; depth++, block++) {
		assert_int_equal(v.block[block].depth, depth);
		assert_int_equal(keep_another(0, block, 0, block + 1), 0);
	}
	assert_int_equal(keep_another(0, block, 0, block + 1), -E_STATE);
	volume_check(&v, tally);
}

// Changes that no metadata can have; each comes with bytes that say the same.
static void
bad_changes_are_refused(void **state)
{
	static const struct {
		struct volume_change change;
		i64 error;
	} bad[] = {
		{ { 30, 0, VOLUME_DATA, 0, 0 }, -E_ARGUMENT },
		{ { 30, VOLUME_RUN_MAX + 1, VOLUME_DATA, 0, 0 }, -E_ARGUMENT },
		{ { 30, 1, VOLUME_DATA, 2, 0 }, -E_ARGUMENT },
		{ { 30, 1, VOLUME_TYPES_MAX, 0, 0 }, -E_ARGUMENT },
		{ { 30, 1, PAIRS + 1, 0, 0 }, -E_ARGUMENT },
		{ { 1, 1, VOLUME_DATA, 0, 0 }, -E_RANGE },
		{ { BLOCKS, 1, VOLUME_DATA, 0, 0 }, -E_RANGE },
		{ { BLOCKS - 1, 2, VOLUME_DATA, 0, 0 }, -E_RANGE },
		{ { 2, 1, VOLUME_DATA, 0, 0 }, -E_TAKEN },
		{ { 30, 1, VOLUME_DATA, 1, 0 }, -E_OWNS },
		{ { 20, 1, LIST, 1, 0 }, -E_OWNS },
		{ { 30, 2, VOLUME_DATA, 0, 0 }, -E_OWNS },
		{ { 30, 1, LIST, 0, 0 }, -E_OWNS },
	};
	struct volume_extent e = { 30, 1, VOLUME_DATA };
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_equal(set(0, 10, 0, 20, 1, false), 0);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		struct volume_update u = { .block = 10, .change_count = 1 };

		put_entry(&u, LIST, 8, e);
		u.change[0] = bad[i].change;
		assert_int_equal(volume_update(&v, 0, &u), bad[i].error);
		volume_check(&v, tally);
	}
	assert_int_equal(set(0, 10, 8, 30, 1, false), 0);
}

// What was refused leaves no mark, not of the longest run at the volume's end either.
static void
refusals_leave_nothing(void **state)
{
	const u32 last = BLOCKS - VOLUME_RUN_MAX;
	struct volume_update u = { .block = 10, .change_count = 1 };
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	u.change[0] = (struct volume_change){ .block = (u16)last, .count = VOLUME_RUN_MAX };
	assert_int_equal(volume_update(&v, 0, &u), -E_OWNS);
	assert_int_equal(set(0, 10, 0, last, VOLUME_RUN_MAX, false), 0);
	for (u32 i = 0; i < 3; i++) {
		u.block = (const u32[]){ 1, BLOCKS, 0xffffffff }[i];
		assert_int_equal(volume_update(&v, 0, &u), -E_RANGE);
	}
	// What the device works on is not let go.
	assert_int_equal(volume_begin(&v, 0, true, BLOCKS - 1, 1), 0);
	assert_int_equal(set(0, 10, 0, last, VOLUME_RUN_MAX, true), -E_AGAIN);
	volume_done(&v, true, BLOCKS - 1, 1, true);
	assert_int_equal(set(0, 10, 0, last, VOLUME_RUN_MAX, true), 0);
	volume_check(&v, tally);
}

// What is no metadata of the root is neither read nor written as such; what is on its way
// is left alone until it has come.
static void
only_metadata_is_loaded(void **state)
{
	static const u32 bad[] = { 0, 1, 2, 20, 30, BLOCKS };
	u32 slot, target;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	save(0, 10, true);
	settle_all();
	assert_int_equal(volume_store(&v, 0, 10, &slot, &target), -E_STATE);
	volume_slot_free(&v, 10);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_not_equal(slot, VOLUME_NONE);
	assert_int_equal(volume_load(&v, 0, 10, &slot), -E_AGAIN);
	assert_int_equal(set(0, 10, 0, 20, 1, false), -E_AGAIN);
	volume_loaded(&v, 10, false);
	assert_int_equal(set(0, 10, 0, 20, 1, false), -E_ABSENT);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	volume_loaded(&v, 10, true);
	assert_int_equal(set(0, 10, 0, 20, 1, false), 0);
	assert_int_equal(set(0, 20, 0, 40, 1, false), -E_STATE);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(volume_load(&v, 0, bad[i], &slot), -E_RANGE);
	assert_int_equal(volume_load(&v, 1, 10, &slot), -E_RANGE);
	for (u32 i = 3; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(volume_store(&v, 0, bad[i], &slot, &target), -E_RANGE);
	assert_int_equal(volume_store(&v, 1, 10, &slot, &target), -E_RANGE);
}

// Operations on data: ranges, as many at once as are counted, one flush.
static void
operations_are_bounded(void **state)
{
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_equal(set(0, 10, 0, BLOCKS - 1, 1, false), 0);
	assert_int_equal(volume_begin(&v, 0, true, BLOCKS - 1, 0), -E_RANGE);
	assert_int_equal(volume_begin(&v, 0, true, BLOCKS, 1), -E_RANGE);
	assert_int_equal(volume_begin(&v, 0, true, BLOCKS - 1, 2), -E_RANGE);
	assert_int_equal(volume_begin(&v, 0, true, 10, 1), -E_RANGE);
	for (u32 i = 0; i < 255; i++)
		assert_int_equal(volume_begin(&v, 0, true, BLOCKS - 1, 1), 0);
	assert_int_equal(volume_begin(&v, 0, true, BLOCKS - 1, 1), -E_AGAIN);
	for (u32 i = 0; i < 255; i++)
		volume_done(&v, true, BLOCKS - 1, 1, true);
	assert_int_equal(volume_flush(&v), 0);
	assert_int_equal(volume_flush(&v), -E_AGAIN);
	volume_flushed(&v, true);
	settle_all();
}

// A queue may ask for flush after flush, and a disk without a cache ends each at once: only
// those that have something to settle look at the blocks.
static void
a_flush_of_nothing_looks_at_nothing(void **state)
{
	u32 slot;

	(void)state;
	begin_history();
	for (u32 round = 0; round < 3; round++) {
		assert_int_equal(volume_flush(&v), 0);
		volume_flushed(&v, true);
		ASAN_POISON_MEMORY_REGION(v.block, v.count * sizeof(*v.block));
		for (u32 i = 0; i < 64; i++) {
			assert_int_equal(volume_flush(&v), 0);
			assert_int_equal(volume_flush(&v), -E_AGAIN);
			volume_flushed(&v, i % 2);
		}
		ASAN_UNPOISON_MEMORY_REGION(v.block, v.count * sizeof(*v.block));
		if (round)
			continue;
		// What was written meanwhile is settled as ever.
		assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
		assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
		save(0, 10, true);
		volume_check(&v, tally);
	}
	assert_int_equal(v.block[10].flags & (VOLUME_UNSETTLED | VOLUME_LEAVING), 0);
	// One that failed leaves its blocks to the next, though nothing is written between.
	assert_int_equal(set(0, 10, 0, 20, 1, false), 0);
	assert_int_equal(volume_begin(&v, 0, true, 20, 1), 0);
	volume_done(&v, true, 20, 1, true);
	assert_int_equal(volume_flush(&v), 0);
	volume_flushed(&v, false);
	volume_check(&v, tally);
	settle_all();
	assert_false(v.block[20].flags & VOLUME_UNSETTLED);
	volume_check(&v, tally);
}

// A chain of metadata on the disk, as long as it may be, and longer.
static void
deep_disks_are_refused(void **state)
{
	u32 slot, block;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	save(0, 10, true);
	settle_all();
	save(0, 0, true);
	settle_all();
	for (u32 links = VOLUME_DEPTH_MAX - 1; links <= VOLUME_DEPTH_MAX; links++) {
		i64 result = 0;

		for (u32 i = 0; i <= links; i++) {
			struct volume_extent e = { 11 + i, 1, LIST };

			memset(durable[10 + i], 0, BLOCK_SIZE);
			if (i < links)
				memcpy(durable[10 + i], &e, sizeof(e));
		}
		assert_int_equal(volume_mount(&after, durable[0], durable[1]), 0);
		while (!result && (block = volume_wanted(&after)) != VOLUME_NONE)
			result = volume_walk(&after, block, durable[block]);
		assert_int_equal(result, links < VOLUME_DEPTH_MAX ? 0 : -E_STATE);
	}
}

static void
boast(void *host, u32 type, struct volume_context *context, u64 *found)
{
	(void)host;
	(void)type;
	for (u32 i = 0; i < VOLUME_EXTENTS_MAX; i++)
		context->out[i] = (struct volume_extent){ 40 + i, 1, VOLUME_DATA };
	*found = VOLUME_EXTENTS_MAX + 1;
}

// Updates that are none, and a program that says more than there is room for.
static void
bad_updates_are_refused(void **state)
{
	static const struct {
		u16 offset, len;
	} bad[] = {
		{ 0, 0 }, { 0, VOLUME_MOD_BYTES + 1 }, { BLOCK_SIZE - 4, 5 },
		{ BLOCK_SIZE, 1 }, { 0xffff, VOLUME_MOD_BYTES },
	};
	struct volume_update u = { .block = 10 };
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u.mod_count = 1;
		u.mod[0].offset = bad[i].offset;
		u.mod[0].len = bad[i].len;
		assert_int_equal(volume_update(&v, 0, &u), -E_ARGUMENT);
	}
	u.mod[0] = (struct volume_mod){ .offset = BLOCK_SIZE - 4, .len = 4 };
	assert_int_equal(volume_update(&v, 0, &u), 0);
	// One partition more than may be touched.
	for (u32 i = 0; i <= VOLUME_PARTS_MAX; i++)
		u.mod[i] = (struct volume_mod){ .offset = (u16)(i * 64), .len = 1 };
	u.mod_count = VOLUME_PARTS_MAX;
	assert_int_equal(volume_update(&v, 0, &u), 0);
	u.mod_count++;
	assert_int_equal(volume_update(&v, 0, &u), -E_ARGUMENT);
	u.mod_count = VOLUME_MODS_MAX + 1;
	assert_int_equal(volume_update(&v, 0, &u), -E_ARGUMENT);
	v.owns = boast;
	assert_int_equal(set(0, 10, 0, 20, 1, false), -E_STATE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(catalogue_is_never_lost),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(lies_are_found),
		cmocka_unit_test(later_lies_are_refused),
		cmocka_unit_test(reserves_hold),
		cmocka_unit_test(full_cache_is_told),
		cmocka_unit_test(depth_holds),
		cmocka_unit_test(bad_changes_are_refused),
		cmocka_unit_test(refusals_leave_nothing),
		cmocka_unit_test(only_metadata_is_loaded),
		cmocka_unit_test(operations_are_bounded),
		cmocka_unit_test(a_flush_of_nothing_looks_at_nothing),
		cmocka_unit_test(deep_disks_are_refused),
		cmocka_unit_test(bad_updates_are_refused),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
