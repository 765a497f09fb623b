// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/volume/owns.c kernel/volume/update.c kernel/volume/order.c
// links: kernel/volume/mount.c kernel/volume/check.c kernel/volume/volume_rig.c
// links: kernel/base/siphash.c harness/testing/host_assert.c
//
// The catalogue of a volume: what one that comes from a disk may say, and which types and
// roots can be added, dropped and limited.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/abi/errors.h"
#include "kernel/base/siphash.h"
#include "kernel/volume/volume_rig.h"

#define NEW_TYPE (PAIRS + 1)

// One lie of a catalogue. False: there are no more.
static bool
spoil(struct volume_catalogue *c, u32 lie)
{
	struct volume_type *type = &c->type[LIST];
	struct volume_root *root = &c->root[0];

	*root = (struct volume_root){ .block = 10, .type = LIST, .limit = BLOCKS };
	switch (lie) {
	case 0:		type->shift = VOLUME_SHIFT_MIN - 1; return true;
	case 1:		type->shift = VOLUME_SHIFT_MAX + 1; return true;
	case 2:		type->insn_count = 0; return true;
	case 3:		type->insn_count = VOLUME_INSNS_MAX + 1; return true;
	case 4:		type->block = BLOCKS; return true;
	case 5:		type->block = c->type[PAIRS].block; return true;
	case 6:		type->block = 1; return true;
	case 7:		c->type[VOLUME_DATA] = *type; c->type[VOLUME_DATA].block = 50; return true;
	case 8:		root->type = VOLUME_TYPES_MAX; return true;
	case 9:		root->type = PAIRS + 1; return true;
	case 10:	root->block = BLOCKS; return true;
	case 11:	root->block = type->block; return true;
	case 12:	c->count = BLOCKS + 1; return true;
	case 13:	c->version = VOLUME_VERSION + 1; return true;
	case 14:	c->magic++; return true;
	}
	return false;
}

static void
bad_catalogues_are_refused(void **state)
{
	struct volume_catalogue good;
	u8 bytes[BLOCK_SIZE];

	(void)state;
	begin_history();
	good = v.catalogue;
	for (u32 lie = 0; spoil(&v.catalogue, lie); lie++) {
		volume_catalogue(&v, bytes);
		assert_int_equal(volume_mount(&after, bytes, bytes), -E_STATE);
		v.catalogue = good;
	}
	volume_catalogue(&v, bytes);
	assert_int_equal(volume_mount(&after, bytes, bytes), 0);
}

// Every byte of it counts; and what a right checksum covers is looked at all the same.
static void
torn_catalogues_are_refused(void **state)
{
	static const u8 key[SIPHASH_KEY_LEN] = { 0 };
	struct volume_catalogue c;
	u8 bytes[BLOCK_SIZE];

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 0, VOLUME_DATA, 10, false), 0);
	volume_catalogue(&v, bytes);
	for (u32 i = 0; i < sizeof(c); i++) {
		bytes[i] ^= 1;
		assert_int_equal(volume_mount(&after, bytes, bytes), -E_STATE);
		bytes[i] ^= 1;
	}
	for (u32 temporary = 0; temporary < 2; temporary++) {
		memcpy(&c, bytes, sizeof(c));
		c.root[0].temporary = (u8)temporary;
		c.checksum = 0;
		c.checksum = siphash64(key, &c, sizeof(c));
		memcpy(bytes, &c, sizeof(c));
		assert_int_equal(volume_mount(&after, bytes, bytes), temporary ? -E_STATE : 0);
	}
}

static void
types_are_checked(void **state)
{
	static const struct code_insn text[1] = { { .opcode = 0x95 } };
	static const struct {
		u32 type, shift, count, block;
		i64 error;
	} tries[] = {
		{ VOLUME_DATA, 6, 1, 10, -E_ARGUMENT },
		{ VOLUME_TYPES_MAX, 6, 1, 10, -E_ARGUMENT },
		{ NEW_TYPE, VOLUME_SHIFT_MIN - 1, 1, 10, -E_ARGUMENT },
		{ NEW_TYPE, VOLUME_SHIFT_MAX + 1, 1, 10, -E_ARGUMENT },
		{ NEW_TYPE, 6, 0, 10, -E_ARGUMENT },
		{ NEW_TYPE, 6, VOLUME_INSNS_MAX + 1, 10, -E_ARGUMENT },
		{ LIST, 6, 1, 10, -E_TAKEN },
		{ NEW_TYPE, 6, 1, 1, -E_RANGE },
		{ NEW_TYPE, 6, 1, BLOCKS, -E_RANGE },
		{ NEW_TYPE, 6, 1, 2, -E_TAKEN },
		{ VOLUME_TYPES_MAX - 1, VOLUME_SHIFT_MAX, VOLUME_INSNS_MAX, BLOCKS - 1, 0 },
		{ NEW_TYPE, VOLUME_SHIFT_MIN, 1, VOLUME_CATALOGUE_BLOCKS + 2, 0 },
	};

	(void)state;
	begin_history();
	for (u32 i = 0; i < ARRAY_SIZE(tries); i++)
		assert_int_equal(volume_type_check(&v, tries[i].type, tries[i].shift,
						   tries[i].count, tries[i].block),
				 tries[i].error);
	assert_int_equal(volume_type_add(&v, NEW_TYPE, 8, text, 1, 4), 0);
	assert_int_equal(volume_type_check(&v, NEW_TYPE, 6, 1, 5), -E_TAKEN);
	volume_check(&v, tally);
}

static void
owns_of_nothing(void *host, u32 type, struct volume_context *context, u64 *found)
{
	(void)host;
	*found = type == NEW_TYPE;
	context->out[0] = (struct volume_extent){ 40, 1, VOLUME_DATA };
}

// A type that says that zero owns something, or whose program finds no place, is none.
static void
unfit_types_are_undone(void **state)
{
	static const struct code_insn text[1] = { { .opcode = 0x95 } };
	void (*owns)(void *host, u32 type, struct volume_context *context, u64 *found);
	u32 slot;

	(void)state;
	begin_history();
	owns = v.owns;
	v.owns = owns_of_nothing;
	assert_int_equal(volume_type_add(&v, NEW_TYPE, 8, text, 1, 12), -E_OWNS);
	assert_int_equal(volume_type_check(&v, NEW_TYPE, 8, 1, 12), 0);
	v.owns = owns;
	v.cache_count = VOLUME_CACHE_MIN;
	for (u32 root = 0; root < VOLUME_CACHE_MIN; root++) {
		assert_int_equal(volume_root_add(&v, root, LIST, 20 + root, false), 0);
		assert_int_equal(volume_load(&v, root, 20 + root, &slot), 0);
	}
	assert_int_equal(volume_type_add(&v, NEW_TYPE, 8, text, 1, 12), -E_TABLE);
	assert_int_equal(volume_type_check(&v, NEW_TYPE, 8, 1, 12), 0);
	volume_check(&v, tally);
}

static void
roots_are_checked(void **state)
{
	u32 slot;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, VOLUME_ROOTS_MAX, LIST, 10, false), -E_ARGUMENT);
	assert_int_equal(volume_root_add(&v, 0, VOLUME_TYPES_MAX, 10, false), -E_ARGUMENT);
	assert_int_equal(volume_root_add(&v, 0, NEW_TYPE, 10, false), -E_ARGUMENT);
	assert_int_equal(volume_root_add(&v, 0, LIST, 1, false), -E_RANGE);
	assert_int_equal(volume_root_add(&v, 0, LIST, BLOCKS, false), -E_RANGE);
	assert_int_equal(volume_root_add(&v, 0, LIST, 2, false), -E_TAKEN);
	assert_int_equal(volume_root_drop(&v, 0), -E_RANGE);
	assert_int_equal(volume_root_drop(&v, VOLUME_ROOTS_MAX), -E_RANGE);
	assert_int_equal(volume_limit(&v, 0, 0), 0);
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), -E_QUOTA);
	assert_int_equal(volume_limit(&v, 0, 1), 0);
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_root_add(&v, 0, LIST, 11, false), -E_TAKEN);
	assert_int_equal(volume_root_add(&v, VOLUME_ROOTS_MAX - 1, VOLUME_DATA, 11, true), 0);
	assert_int_equal(volume_limit(&v, VOLUME_ROOTS_MAX, 1), -E_ARGUMENT);
	assert_int_equal(volume_limit(&v, 0, BLOCKS + 1), -E_ARGUMENT);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	volume_check(&v, tally);
}

// On its way to the disk the catalogue does not change; nor does what the device works on go.
static void
what_is_on_its_way_stays(void **state)
{
	u32 slot, target;

	(void)state;
	begin_history();
	assert_int_equal(volume_root_add(&v, 1, VOLUME_DATA, 11, true), 0);
	assert_int_equal(volume_begin(&v, 1, true, 11, 1), 0);
	assert_int_equal(volume_root_drop(&v, 1), -E_AGAIN);
	volume_done(&v, true, 11, 1, true);
	assert_int_equal(volume_root_add(&v, 0, LIST, 10, false), 0);
	assert_int_equal(volume_load(&v, 0, 10, &slot), 0);
	assert_int_equal(volume_store(&v, 0, 10, &slot, &target), 0);
	assert_int_equal(volume_root_drop(&v, 0), -E_AGAIN);
	volume_stored(&v, 10, true);
	assert_int_equal(volume_root_drop(&v, 0), -E_AGAIN);
	assert_int_equal(volume_flush(&v), 0);
	volume_flushed(&v, true);
	assert_int_equal(volume_store(&v, 0, 0, &slot, &target), 0);
	assert_int_equal(volume_root_add(&v, 2, LIST, 12, false), -E_AGAIN);
	assert_int_equal(volume_type_check(&v, NEW_TYPE, 6, 1, 12), -E_AGAIN);
	assert_int_equal(volume_limit(&v, 0, 5), -E_AGAIN);
	assert_int_equal(volume_root_drop(&v, 0), -E_AGAIN);
	volume_stored(&v, 0, true);
	assert_int_equal(volume_flush(&v), 0);
	volume_flushed(&v, true);
	assert_int_equal(volume_root_drop(&v, 0), 0);
	assert_int_equal(volume_root_drop(&v, 1), 0);
	volume_check(&v, tally);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_catalogues_are_refused),
		cmocka_unit_test(torn_catalogues_are_refused),
		cmocka_unit_test(types_are_checked),
		cmocka_unit_test(unfit_types_are_undone),
		cmocka_unit_test(roots_are_checked),
		cmocka_unit_test(what_is_on_its_way_stays),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
