// SPDX-License-Identifier: BSD-2-Clause
// links: libos/pager/clock.c harness/testing/host_assert.c
//
// The hand of the clock over random tables of bits, against its rule said again: of the
// pages that it passes, in order, those go that are mapped and were not used; it stops
// behind the last that it needed. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/pager/clock.h"

#define STEPS 20000

static void
hand_follows_the_rule(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 round = 0; round < STEPS; round++) {
		u32 pages = 1 + (u32)prng_below(&prng, 300);
		struct clock clock = { pages, (u32)prng_below(&prng, pages) };
		u32 first = clock.hand, step = clock_step(&clock);
		u32 want = 1 + (u32)prng_below(&prng, 20);
		u32 victims[20], count, expected = 0, i;
		u8 bits[CLOCK_STEP];

		assert_true(step >= 1 && step <= CLOCK_STEP && first + step <= pages);
		for (i = 0; i < step; i++)
			bits[i] = (u8)prng_below(&prng, 32);
		count = clock_pass(&clock, bits, want, victims);
		for (i = 0; i < step && expected < want; i++) {
			if (!bits[i] || bits[i] & PAGE_ACCESSED)
				continue;
			assert_true(expected < count);
			assert_int_equal(victims[expected++], first + i);
		}
		assert_int_equal(count, expected);
		assert_int_equal(clock.hand, (first + i) % pages);
	}
}

// Every mapped page goes within two rounds when nothing is used: none is missed.
static void
nobody_is_missed(void **state)
{
	struct clock clock = { .pages = 150 };
	u8 gone[150] = { 0 };
	u32 total = 0;

	(void)state;
	for (u32 steps = 0; total < 150 && steps < 200; steps++) {
		u32 first = clock.hand, step = clock_step(&clock), victims[7], count;
		u8 bits[CLOCK_STEP];

		for (u32 i = 0; i < step; i++)
			bits[i] = gone[first + i] ? 0 : PROT_READ;
		count = clock_pass(&clock, bits, 7, victims);
		for (u32 i = 0; i < count; i++)
			gone[victims[i]]++;
		total += count;
	}
	assert_int_equal(total, 150);
	for (u32 i = 0; i < 150; i++)
		assert_int_equal(gone[i], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hand_follows_the_rule),
		cmocka_unit_test(nobody_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
