// SPDX-License-Identifier: BSD-2-Clause
// When a processor looks for frames before it halts, and when it stops: after waits
// that were short, within the bound, until one was long. Times are chosen here, and
// compared to the nanosecond.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/fabric/look.h"

#define BOUND (200 * NS_PER_US)

// A wait from `now` on that a frame ends after `took`. Returns whether it was looked
// for at the beginning.
static bool
waits(struct look *look, u64 now, u64 took)
{
	u64 until = look_until(look, now);

	if (until)
		assert_int_equal(until, now + look->bound_ns);
	look_frame(look, now + took);
	return until != 0;
}

static void
test_it_halts_until_frames_come_soon(void **state)
{
	struct look look = { .bound_ns = BOUND };

	(void)state;
	for (u32 i = 0; i < LOOK_AFTER; i++)
		assert_false(waits(&look, (1 + i) * NS_PER_MS, BOUND));
	assert_true(waits(&look, NS_PER_SECOND, BOUND));
	assert_true(waits(&look, 2 * NS_PER_SECOND, 1));
}

static void
test_one_long_wait_ends_it(void **state)
{
	struct look look = { .bound_ns = BOUND, .soon = LOOK_AFTER };

	(void)state;
	assert_true(waits(&look, NS_PER_MS, BOUND + 1));
	for (u32 i = 0; i < LOOK_AFTER; i++)
		assert_false(waits(&look, (2 + i) * NS_PER_MS, 1));
	assert_true(waits(&look, NS_PER_SECOND, 1));
}

static void
test_it_looks_no_longer_than_its_bound(void **state)
{
	struct look look = { .bound_ns = BOUND, .soon = LOOK_AFTER };
	u64 began = NS_PER_MS;

	(void)state;
	// An interrupt that is no frame ends a look: the wait goes on.
	assert_int_equal(look_until(&look, began), began + BOUND);
	assert_int_equal(look_until(&look, began + BOUND / 2), began + BOUND);
	assert_int_equal(look_until(&look, began + BOUND), 0);
	// What comes now came late.
	look_frame(&look, began + BOUND + 1);
	assert_false(waits(&look, 2 * NS_PER_MS, 1));
}

static void
test_a_burst_is_one_wait(void **state)
{
	struct look look = { .bound_ns = BOUND };

	(void)state;
	assert_false(waits(&look, NS_PER_MS, BOUND + 1));
	look_frame(&look, 2 * NS_PER_MS);
	look_frame(&look, 2 * NS_PER_MS + 1);
	assert_false(waits(&look, 3 * NS_PER_MS, BOUND + 1));
}

static void
test_without_a_bound_it_always_halts(void **state)
{
	struct look look = { 0 };

	(void)state;
	for (u32 i = 0; i < 2 * LOOK_AFTER; i++)
		assert_false(waits(&look, (1 + i) * NS_PER_MS, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_halts_until_frames_come_soon),
		cmocka_unit_test(test_one_long_wait_ends_it),
		cmocka_unit_test(test_it_looks_no_longer_than_its_bound),
		cmocka_unit_test(test_a_burst_is_one_wait),
		cmocka_unit_test(test_without_a_bound_it_always_halts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
