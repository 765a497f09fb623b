// SPDX-License-Identifier: BSD-2-Clause
// rank_u32 against the C library's qsort: random lengths and ranks, values with and
// without repetition, none lost, and the bounds of the array untouched. SEED=n replays.
//
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/crt/rank.h"

#define ROUNDS 2000
#define LENGTH_MAX 200
#define GUARD 0xdeadbeefu

static int
compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return (x > y) - (x < y);
}

static void
check_parts(const u32 *values, u32 count, u32 rank)
{
	for (u32 i = 0; i < count; i++)
		assert_true(i < rank ? values[i] <= values[rank]
				     : values[i] >= values[rank]);
}

static void
finds_as_the_library_sorts(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (int round = 0; round < ROUNDS; round++) {
		u32 values[LENGTH_MAX + 1], expected[LENGTH_MAX + 1];
		u32 count = 1 + (u32)prng_below(&prng, LENGTH_MAX);
		u32 rank = (u32)prng_below(&prng, count);
		u64 range = round % 2 ? 10 : 1ull << 32;

		for (u32 i = 0; i < count; i++)
			values[i] = (u32)prng_below(&prng, range);
		values[count] = GUARD;
		memcpy(expected, values, (count + 1) * sizeof(values[0]));
		qsort(expected, count, sizeof(expected[0]), compare);
		assert_int_equal(rank_u32(values, count, rank), expected[rank]);
		check_parts(values, count, rank);
		qsort(values, count, sizeof(values[0]), compare);
		assert_memory_equal(values, expected,
				    (count + 1) * sizeof(values[0]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_as_the_library_sorts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
