// SPDX-License-Identifier: BSD-2-Clause
// The plan of `floor=ping`: what is one, and every way not to be one.
//
// links: harness/floor/ping_plan.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/floor/ping.h"

#define FRAME_MAX 1514u
#define MAC "52:54:00:09:00:0a,"

static void
test_a_plan_is_read(void **state)
{
	struct ping_plan p;

	(void)state;
	assert_true(ping_plan_read(MAC "2x102,3x1514,32,4096", FRAME_MAX, &p));
	assert_memory_equal(p.mac, "\x52\x54\x00\x09\x00\x0a", 6);
	assert_int_equal(p.asks, 2);
	assert_int_equal(p.ask_len, 102);
	assert_int_equal(p.answers, 3);
	assert_int_equal(p.answer_len, 1514);
	assert_int_equal(p.flights, 32);
	assert_int_equal(p.operations, 4096);
	assert_true(ping_plan_read(MAC "1x60,1x60,1,1 quiet", FRAME_MAX, &p));
	assert_int_equal(p.operations, 1);
	assert_false(p.spin);
	assert_true(ping_plan_read(MAC "1x60,1x60,1,1,spin", FRAME_MAX, &p));
	assert_true(p.spin);
}

static void
test_anything_else_is_refused(void **state)
{
	static const char *const wrong[] = {
		"", "5", "52:54:00:09:00,1x60,1x60,1,1",
		"53:54:00:09:00:0a,1x60,1x60,1,1",	// a group address
		"52:54:00:09:00:0G,1x60,1x60,1,1",
		MAC, MAC "1x60", MAC "1x60,1x60,1", MAC "1x60,1x60,1,1,",
		MAC "1x60,1x60,1,1x", MAC "1x60,1x60,1,1,spi",
		MAC "1x60,1x60,1,1,spins", MAC "0x60,1x60,1,1", MAC "5x60,1x60,1,1",
		MAC "1x59,1x60,1,1", MAC "1x60,1x1515,1,1",
		MAC "1x60,5x60,1,1", MAC "1x60,0x60,1,1", MAC "1x60,1x60,0,1",
		MAC "1x60,1x60,33,99", MAC "1x60,1x60,1,0",
		MAC "1x60,1x60,1,4097", MAC "1x60,1x60,1,99999999999999999999",
		MAC "1x60,1x60,2,1",			// more flights than operations
		MAC "1x60,4x60,25,100",			// 100 frames at once
		MAC "4x60,1x60,25,100",
		MAC "1 x60,1x60,1,1", MAC "-1x60,1x60,1,1",
	};
	struct ping_plan p = { .operations = 7 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (ping_plan_read(wrong[i], FRAME_MAX, &p))
			fail_msg("'%s' was taken for a plan", wrong[i]);
		assert_int_equal(p.operations, 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_is_read),
		cmocka_unit_test(test_anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
