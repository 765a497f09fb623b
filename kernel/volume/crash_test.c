// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/volume/owns.c kernel/volume/update.c kernel/volume/order.c
// links: kernel/volume/mount.c kernel/volume/check.c kernel/volume/volume_rig.c
// links: kernel/base/siphash.c harness/testing/host_assert.c
//
// A volume on a disk that loses power at any moment. Several owners with a root each
// make and give up blocks by chance, honestly and not; the disk holds back what was not
// flushed, finishes writes late or with an error, and a power cut keeps of each sector of
// each of them the old or the new. After every few steps the disk as a cut could have
// left it is mounted, and it must hold that
//
//   - the walk finds a consistent tree;
//   - every block of data in it has the content that its owner wrote after it was last
//     allocated: nobody's old bytes, and nothing unwritten.
//
// Sometimes the history goes on from there. SEED=n replays a run.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/abi/errors.h"
#include "kernel/volume/volume_rig.h"

#define HISTORIES 60
#define STEPS 600

static u8 recent[BLOCKS][BLOCK_SIZE];	// written since
static bool is_recent[BLOCKS];

// Operations with the disk.
static struct flight {
	bool open;
	bool data;
	bool load;
	u32 block;		// of the volume
	u32 target;		// on the disk
	u8 bytes[BLOCK_SIZE];
} flights[FLIGHTS];
static bool flushing;
static u8 at_flush[BLOCKS][BLOCK_SIZE];
static bool in_flush[BLOCKS];

static u32 counts[16];

static void
power_cut(bool stay);

// ---- the disk ----

static struct flight *
free_flight(void)
{
	for (u32 i = 0; i < FLIGHTS; i++) {
		if (!flights[i].open)
			return &flights[i];
	}
	return NULL;
}

// What a cut leaves: of each sector that is not durable, old or new.
static void
cut(u8 image[BLOCKS][BLOCK_SIZE])
{
	memcpy(image, durable, sizeof(durable));
	for (u32 b = 0; b < BLOCKS; b++) {
		for (u32 s = 0; s < SECTORS; s++) {
			if (is_recent[b] && below(2))
				memcpy(image[b] + s * SECTOR, recent[b] + s * SECTOR,
				       SECTOR);
			if (flushing && in_flush[b] && !is_recent[b] && below(2))
				memcpy(image[b] + s * SECTOR,
				       at_flush[b] + s * SECTOR, SECTOR);
		}
	}
	for (u32 i = 0; i < FLIGHTS; i++) {
		for (u32 s = 0; s < SECTORS; s++) {
			if (flights[i].open && !flights[i].load && below(2))
				memcpy(image[flights[i].target] + s * SECTOR,
				       flights[i].bytes + s * SECTOR, SECTOR);
		}
	}
}

// One operation ends; with an error it has written some sectors, or none.
static void
finish(struct flight *f)
{
	bool succeeded = below(20) != 0;

	f->open = false;
	if (f->load) {
		memcpy(volume_bytes(&v, f->block), f->bytes, BLOCK_SIZE);
		volume_loaded(&v, f->block, succeeded);
		return;
	}
	if (!is_recent[f->target])
		memcpy(recent[f->target], in_flush[f->target] && flushing
		       ? at_flush[f->target] : durable[f->target], BLOCK_SIZE);
	is_recent[f->target] = true;
	for (u32 s = 0; s < SECTORS; s++) {
		if (succeeded || below(2))
			memcpy(recent[f->target] + s * SECTOR, f->bytes + s * SECTOR,
			       SECTOR);
	}
	if (f->data)
		volume_done(&v, true, f->block, 1, succeeded);
	else
		volume_stored(&v, f->block, succeeded);
}

static void
begin_flush(void)
{
	if (volume_flush(&v))
		return;
	flushing = true;
	memcpy(at_flush, recent, sizeof(recent));
	for (u32 b = 0; b < BLOCKS; b++) {
		in_flush[b] |= is_recent[b];
		is_recent[b] = false;
	}
}

static void
end_flush(void)
{
	bool succeeded = below(12) != 0;

	if (!flushing)
		return;
	flushing = false;
	for (u32 b = 0; b < BLOCKS; b++) {
		if (!in_flush[b])
			continue;
		in_flush[b] = false;
		if (succeeded) {
			memcpy(durable[b], at_flush[b], BLOCK_SIZE);
		} else if (!is_recent[b]) {
			is_recent[b] = true;
			memcpy(recent[b], at_flush[b], BLOCK_SIZE);
		}
	}
	volume_flushed(&v, succeeded);
	counts[0] += succeeded;
}

// ---- what the owners do ----

static u32
random_metadata(u32 root)
{
	for (u32 i = 0; i < 40; i++) {
		u32 b = below(BLOCKS);

		if (registry[b].state == VOLUME_USED && registry[b].type &&
		    registry[b].root == root)
			return b;
	}
	return VOLUME_NONE;
}

static u32
random_free(u32 count)
{
	for (u32 i = 0; i < 60; i++) {
		u32 b = VOLUME_CATALOGUE_BLOCKS +
			below(BLOCKS - VOLUME_CATALOGUE_BLOCKS - count), k = 0;

		while (k < count && registry[b + k].state == VOLUME_FREE)
			k++;
		if (k == count)
			return b;
	}
	return VOLUME_NONE;
}

// An update that is as it should be: adds one extent, or takes one away, or both.
static bool
honest_update(u32 block, struct volume_update *u)
{
	u32 type = registry[block].type;
	const u8 *bytes = volume_bytes(&v, block);

	*u = (struct volume_update){ .block = block };
	for (u32 i = 0; bytes && i < 1 + below(3); i++) {
		u32 offset = below(BLOCK_SIZE / entry_size(type)) * entry_size(type);
		struct volume_extent old, new = { .count = (u16)(1 + below(3)) };

		if (below(2))
			offset %= 512;		// so that some are met again
		old = entry_at(type, bytes + offset);
		for (u32 m = 0; m < u->mod_count; m++) {
			if (u->mod[m].offset == offset)
				return u->mod_count > 0;
		}
		if (old.block) {
			u->change[u->change_count++] = (struct volume_change){
				.block = (u16)old.block, .count = old.count,
				.type = (u8)old.type, .removes = 1 };
			put_entry(u, type, offset, (struct volume_extent){ 0 });
			continue;
		}
		new.type = (u16)below(3);
		new.block = random_free(new.count);
		if (new.block == VOLUME_NONE)
			continue;
		u->change[u->change_count++] = (struct volume_change){
			.block = (u16)new.block, .count = new.count,
			.type = (u8)new.type };
		put_entry(u, type, offset, new);
	}
	return u->mod_count > 0;
}

static void
after_update(const struct volume_update *u)
{
	for (u32 c = 0; c < u->change_count; c++) {
		for (u32 k = 0; !u->change[c].removes && k < u->change[c].count; k++)
			generation[u->change[c].block + k]++;
	}
}

static void
update(u32 root, bool honest)
{
	struct volume_update u;
	u32 block = random_metadata(root);
	i64 result;

	if (block == VOLUME_NONE || !honest_update(block, &u))
		return;
	if (!honest) {
		// Something about it is a lie.
		switch (below(5)) {
		case 0:
			u.change_count = 0;
			break;
		case 1:
			u.change[0].block = (u16)(u.change[0].block + 1);
			break;
		case 2:
			u.change[0].removes ^= 1;
			break;
		case 3:
			u.mod[0].bytes[below(8)] ^= (u8)(1u << below(8));
			break;
		default:
			u.mod[0].offset = (u16)below(65536);
			u.mod[0].len = (u16)below(80);
		}
	}
	result = volume_update(&v, root, &u);
	if (result == 0)
		after_update(&u);
	counts[honest ? result == 0 ? 1 : 2 : result == 0 ? 3 : 4]++;
	// Another root's metadata is out of reach.
	assert_int_equal(volume_update(&v, root ^ 1, &u), -E_RANGE);
}

static void
store(u32 root, u32 block)
{
	struct flight *f = free_flight();
	u32 slot;

	if (!f || block == VOLUME_NONE ||
	    volume_store(&v, root, block, &slot, &f->target))
		return;
	f->open = true;
	f->data = f->load = false;
	f->block = block;
	if (block)
		memcpy(f->bytes, cache + slot * BLOCK_SIZE, BLOCK_SIZE);
	else
		volume_catalogue(&v, f->bytes);
	counts[5 + (block == 0)]++;
}

static void
load(u32 root, u32 block)
{
	struct flight *f = free_flight();
	u32 slot;

	if (!f || block == VOLUME_NONE || volume_load(&v, root, block, &slot) ||
	    slot == VOLUME_NONE)
		return;
	f->open = f->load = true;
	f->block = f->target = block;
	memcpy(f->bytes, is_recent[block] ? recent[block]
	       : flushing && in_flush[block] ? at_flush[block] : durable[block],
	       BLOCK_SIZE);
	counts[7]++;
}

static void
fill_data(u8 *bytes, u32 block)
{
	for (u32 s = 0; s < SECTORS; s++) {
		u32 words[3] = { registry[block].root, block, generation[block] };

		memset(bytes + s * SECTOR, (int)below(256), SECTOR);
		memcpy(bytes + s * SECTOR, words, sizeof(words));
	}
}

static void
write_data(u32 root, u32 b)
{
	struct flight *f = free_flight();

	if (!f || registry[b].busy || volume_begin(&v, root, true, b, 1))
		return;
	f->open = f->data = true;
	f->load = false;
	f->block = f->target = b;
	fill_data(f->bytes, b);
	counts[8]++;
}

// What was never written is not read.
static void
read_data(u32 root)
{
	u32 b = below(BLOCKS);
	bool blank = registry[b].flags & VOLUME_BLANK;
	i64 result = volume_begin(&v, root, false, b, 1);

	if (result == 0) {
		assert_false(blank);
		assert_int_equal(registry[b].root, root);
		volume_done(&v, false, b, 1, true);
		counts[9]++;
	}
}

static void
change_roots(u32 root)
{
	u32 block = random_free(1);

	if (v.catalogue.root[root].block) {
		counts[10] += volume_root_drop(&v, root) == 0;
		return;
	}
	if (block != VOLUME_NONE &&
	    volume_root_add(&v, root, 1 + below(2), block,
			    root == TEMPORARY_ROOT) == 0)
		generation[block]++;
}

// What a library that wants all of it on the disk does, from the leaves up.
static void
sync(void)
{
	for (u32 round = 0; round < 4; round++) {
		for (u32 b = 0; b < BLOCKS; b++) {
			const struct volume_block *at = &registry[b];

			if (at->state == VOLUME_FREE || at->state == VOLUME_LIMBO)
				continue;
			if (at->state == VOLUME_USED && !at->type) {
				if (at->flags & VOLUME_BLANK)
					write_data(at->root, b);
			} else {
				if (at->flags & VOLUME_BLANK)
					load(at->root, b);
				store(at->root, b);
			}
			for (u32 i = 0; i < FLIGHTS; i++) {
				if (flights[i].open && (below(3) == 0 || !free_flight()))
					finish(&flights[i]);
			}
			if (below(30) == 0)
				power_cut(false);
		}
		begin_flush();
		if (below(4) == 0)
			power_cut(false);
		end_flush();
	}
}

static void
step(void)
{
	u32 root = below(ROOTS);

	switch (below(16)) {
	case 0:
		change_roots(root);
		break;
	case 1: case 2: case 3:
		update(root, true);
		break;
	case 4:
		update(root, false);
		break;
	case 5: case 6: case 7:
		store(root, below(8) ? random_metadata(root) : 0);
		break;
	case 8: case 9:
		load(root, random_metadata(root));
		break;
	case 10: case 11: case 12:
		for (u32 i = 0; i < 20; i++)
			write_data(root, below(BLOCKS));
		break;
	case 13:
		read_data(root);
		break;
	case 14:
		begin_flush();
		break;
	default:
		end_flush();
	}
	for (u32 i = 0; i < FLIGHTS; i++) {
		if (flights[i].open && below(4) == 0)
			finish(&flights[i]);
	}
}

// ---- power cuts ----

static void
check_data(u8 image[BLOCKS][BLOCK_SIZE], u32 block)
{
	for (u32 s = 0; s < SECTORS; s++) {
		u32 words[3];

		memcpy(words, image[block] + s * SECTOR, sizeof(words));
		assert_int_equal(words[0], registry_after[block].root);
		assert_int_equal(words[1], block);
		assert_int_equal(words[2], generation[block]);
	}
}

static void
mount(u8 image[BLOCKS][BLOCK_SIZE])
{
	u32 block;

	assert_int_equal(volume_mount(&after, image[0], image[1]), 0);
	while ((block = volume_wanted(&after)) != VOLUME_NONE)
		assert_int_equal(volume_walk(&after, block, image[block]), 0);
	volume_check(&after, tally);
	for (u32 b = 0; b < BLOCKS; b++) {
		if (registry_after[b].state == VOLUME_USED &&
		    registry_after[b].type == VOLUME_DATA) {
			check_data(image, b);
			counts[11]++;
		}
	}
	assert_int_equal(after.catalogue.root[TEMPORARY_ROOT].block, 0);
}

// The history goes on from what the cut left.
static void
go_on(u8 image[BLOCKS][BLOCK_SIZE])
{
	memcpy(durable, image, sizeof(durable));
	memset(is_recent, 0, sizeof(is_recent));
	memset(in_flush, 0, sizeof(in_flush));
	memset(flights, 0, sizeof(flights));
	flushing = false;
	memcpy(registry, registry_after, sizeof(registry));
	memcpy(cache, cache_after, sizeof(cache));
	v = after;
	v.block = registry;
	v.mark = marks;
	v.cache = cache;
}

static void
power_cut(bool stay)
{
	static u8 image[BLOCKS][BLOCK_SIZE];

	cut(image);
	mount(image);
	if (stay)
		go_on(image);
}

static void
histories(void **state)
{
	(void)state;
	for (u32 h = 0; h < HISTORIES; h++) {
		begin_history();
		memset(is_recent, 0, sizeof(is_recent));
		memset(in_flush, 0, sizeof(in_flush));
		memset(flights, 0, sizeof(flights));
		flushing = false;
		for (u32 s = 0; s < STEPS; s++) {
			step();
			if (below(60) == 0)
				sync();
			if (s % 4 == 0) {
				volume_check(&v, tally);
				power_cut(below(100) == 0);
			}
		}
	}
	for (u32 i = 0; i < 12; i++)
		assert_true(counts[i] > 20 || i == 3);	// a lie may be true by chance
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
