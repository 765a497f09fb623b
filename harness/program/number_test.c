// SPDX-License-Identifier: BSD-2-Clause
// links: harness/program/number.c harness/testing/host_assert.c
//
// Tests of numbers and addresses as people type them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/program/number.h"

static void
decimals_are_scaled(void **state)
{
	static const struct {
		const char *text;
		u64 value;
	} good[] = { { "0", 0 }, { "5", 50000 }, { "0.5", 5000 },
		     { "12.3456", 123456 }, { "100", 1000000 },
		     { "099.9", 999000 }, { "100.0000", 1000000 } };
	u64 value;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(number_parse_decimal(good[i].text, 4, 1000000,
						 &value));
		assert_int_equal(value, good[i].value);
	}
}

static void
nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "5.", ".5", "-1", "+1", " 1", "1 ", "1e3", "0x10",
		"1.2.3", "100.0001", "0.00001", "101", "nan", "5%",
		"18446744073709551616", "99999999999999999999999" };
	u64 value = 42;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(number_parse_decimal(bad[i], 4, 1000000, &value));
	assert_int_equal(value, 42);
}

static void
whole_numbers_reach_their_limit(void **state)
{
	u64 value;

	(void)state;
	assert_true(number_parse("18446744073709551615", UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_false(number_parse("18446744073709551616", UINT64_MAX, &value));
	assert_false(number_parse("1.0", UINT64_MAX, &value));
	assert_false(number_parse("65536", 65535, &value));
}

static void
ranges(void **state)
{
	static const char *const bad[] = {
		"", "..", "3..", "..7", "7..3", "3...7", "3..7..9", "3..x", "-1..7", "3.0..7",
		"3.7", "3..1001", "1001", "00000000000000000000000000000003..7" };
	u64 first = 42, last = 42;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(number_parse_range(bad[i], 1000, &first, &last));
	assert_int_equal(first, 42);
	assert_int_equal(last, 42);
	assert_true(number_parse_range("3..1000", 1000, &first, &last));
	assert_int_equal(first, 3);
	assert_int_equal(last, 1000);
	assert_true(number_parse_range("7", 1000, &first, &last));
	assert_int_equal(first, 7);
	assert_int_equal(last, 7);
	assert_true(number_parse_range("5..5", 1000, &first, &last));
}

static void
endpoints(void **state)
{
	static const char *const bad[] = {
		"", "1.2.3.4", ":80", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536",
		"1.2.3:80", "localhost:80", "1.2.3.4:8o", "1.2.3.4:80:1",
		"256.1.1.1:80", "111.111.111.1111:80", "::1:80" };
	u32 ip;
	u16 port;

	(void)state;
	assert_true(number_parse_endpoint("127.0.0.1:8080", &ip, &port));
	assert_int_equal(ip, 0x7f000001);
	assert_int_equal(port, 8080);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(number_parse_endpoint(bad[i], &ip, &port));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_are_scaled),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(whole_numbers_reach_their_limit),
		cmocka_unit_test(ranges),
		cmocka_unit_test(endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
