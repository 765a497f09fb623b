// SPDX-License-Identifier: BSD-2-Clause
// links: libos/store/space.c harness/testing/host_assert.c
// The map of blocks against a plain array of bytes, in random uses, with the seed
// printed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/store/space.h"

#define BLOCKS_MAX 1000u

static u64 bits[(BLOCKS_MAX + 63) / 64];
static bool model[BLOCKS_MAX];
static struct space space;

static void
begin(u64 blocks)
{
	space_begin(&space, bits, blocks);
	memset(model, 0, sizeof(model));
	memset(model, 1, STORE_FIRST_BLOCK);
}

static void
set(u64 first, u64 count, bool used)
{
	for (u64 i = first; i < first + count; i++)
		model[i] = used;
}

static u64
longest_free_run(void)
{
	u64 run = 0, longest = 0;

	for (u64 i = 0; i < space.blocks; i++) {
		run = model[i] ? 0 : run + 1;
		longest = MAX(longest, run);
	}
	return longest;
}

static void
compare(void)
{
	u64 used = 0;

	for (u64 i = 0; i < space.blocks; i++) {
		used += model[i];
		assert_int_equal(space.bits[i / 64] >> i % 64 & 1, model[i]);
	}
	assert_int_equal(space.used_count, used);
	assert_int_equal(space_count(&space), used);
	assert_int_equal(space_left(&space), space.blocks - used);
}

// A find succeeds exactly when there is such a run, and takes a free one.
static void
try_find(u64 count)
{
	bool there_is = longest_free_run() >= count;
	u64 first = 0;

	assert_int_equal(space_find(&space, count, &first), there_is);
	if (!there_is)
		return;
	assert_true(space_contains(&space, first, count));
	for (u64 i = first; i < first + count; i++)
		assert_false(model[i]);
	set(first, count, true);
}

static void
step(struct prng *prng)
{
	u64 first = STORE_FIRST_BLOCK +
		    prng_below(prng, space.blocks - STORE_FIRST_BLOCK);
	u64 count = 1 + prng_below(prng, MIN(space.blocks - first, 150));
	bool all_free = true;

	for (u64 i = first; i < first + count; i++)
		all_free &= !model[i];
	assert_int_equal(space_is_free(&space, first, count), all_free);
	switch (prng_below(prng, 4)) {
	case 0:
		space_use(&space, first, count);
		set(first, count, true);
		break;
	case 1:
		space_free(&space, first, count);
		set(first, count, false);
		break;
	default:
		try_find(1 + prng_below(prng, 90));
		break;
	}
}

static void
random_uses(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 round = 0; round < 60; round++) {
		begin(STORE_BLOCKS_MIN + prng_below(&prng, BLOCKS_MAX + 1 -
						    STORE_BLOCKS_MIN));
		for (u32 i = 0; i < 120; i++) {
			step(&prng);
			compare();
		}
	}
}

static void
the_area_has_bounds(void **state)
{
	u64 first;

	(void)state;
	begin(100);
	assert_false(space_contains(&space, 7, 1));
	assert_true(space_contains(&space, 8, 92));
	assert_false(space_contains(&space, 8, 93));
	assert_false(space_contains(&space, ~0ull, 2));
	assert_false(space_contains(&space, 8, ~0ull));
	assert_true(space_find(&space, 92, &first));
	assert_int_equal(first, 8);
	assert_false(space_find(&space, 1, &first));
	// What is used twice is freed once.
	assert_int_equal(space_use(&space, 10, 5), 0);
	assert_int_equal(space_free(&space, 10, 5), 5);
	assert_int_equal(space_free(&space, 10, 5), 0);
	assert_int_equal(space_left(&space), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_uses),
		cmocka_unit_test(the_area_has_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
