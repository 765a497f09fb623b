// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/programs/front/options.c libos/text/text.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cluster/programs/front/options.h"

static void
networks_are_read(void **state)
{
	u32 address, mask;

	(void)state;
	assert_true(option_network("10.0.2.80/24", &address, &mask));
	assert_int_equal(address, 0x0a000250);
	assert_int_equal(mask, 0xffffff00);
	assert_true(option_network("223.255.255.1/30", &address, &mask));
	assert_int_equal(mask, 0xfffffffc);
	assert_true(option_network("1.0.0.1/1", &address, &mask));
	assert_int_equal(mask, 0x80000000);
}

static void
nothing_else_is(void **state)
{
	static const char *const wrong[] = {
		"", "10.0.2.80", "10.0.2.80/", "10.0.2.80/0", "10.0.2.80/31",
		"10.0.2.80/032", "10.0.2.80/24 ", "10.0.2.80/24/", "10.0.2/24",
		"10.0.2.256/24", "010.0.2.1/24", "10..2.1/24", "10.0.2.1.5/24",
		"-1.0.2.1/24", "99999999999.0.2.1/24", "127.0.0.1/8",
		"224.0.0.1/4", "0.0.0.1/8", "10.0.2.0/24", "10.0.2.255/24",
		"a.b.c.d/24", "10.0.2.80/24x",
	};
	u32 address = 7, mask = 7;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(option_network(wrong[i], &address, &mask));
	assert_int_equal(address, 7);
	assert_int_equal(mask, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_read),
		cmocka_unit_test(nothing_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
