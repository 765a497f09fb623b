// SPDX-License-Identifier: BSD-2-Clause
// The web server's arguments.
//
// links: cluster/programs/web/options.c libos/text/text.c kernel/base/string.c kernel/base/fmt.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "cluster/programs/web/options.h"

void
assert_failed(const char *expression, const char *file, int line)
{
	_assert_true(0, expression, file, line);
	abort();
}

static const char *
read_two(const char *a, const char *b, struct web_options *o)
{
	char first[64], second[64];
	char *argv[] = { "web", first, second };
	const char *sentence;

	string_copy(first, sizeof(first), a);
	string_copy(second, sizeof(second), b ? b : "");
	return options_read(b ? 3 : 2, argv, o, &sentence) ? sentence : NULL;
}

static void
test_good(void **state)
{
	struct web_options o;
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_null(read_two("ip=10.0.2.15/24", "gw=10.0.2.2", &o));
	assert_int_equal(o.address, 0x0a00020f);
	assert_int_equal(o.mask, 0xffffff00);
	assert_int_equal(o.gateway, 0x0a000202);
	address_text(o.address, text);
	assert_string_equal(text, "10.0.2.15");
	assert_null(read_two("ip=192.168.255.254/16", NULL, &o));
	assert_int_equal(o.gateway, 0);
	assert_null(read_two("time=1700000000", "conns=500", &o));
	assert_int_equal(o.unix_seconds, 1700000000);
	assert_int_equal(o.conn_max, 500);
	assert_null(read_two("instance=255", "job=4294967295", &o));
	assert_int_equal(o.instance, 255);
	assert_int_equal(o.job, 0xffffffff);
	assert_int_equal(o.address, 0);
	address_text(0xffffffff, text);
	assert_string_equal(text, "255.255.255.255");
}

static void
test_bad(void **state)
{
	static const char *const bad[] = {
		"ip=", "ip=10.0.2.15", "ip=10.0.2.15/", "ip=10.0.2.15/0",
		"ip=10.0.2.15/31", "ip=10.0.2.256/24", "ip=10.0.2/24",
		"ip=10.0.2.15.1/24", "ip=10.0.2.15/24x", "ip=10.0.2.015/24",
		"ip=10.0.2.0/24", "ip=10.0.2.255/24", "ip=0.0.0.1/8",
		"ip=127.0.0.1/8", "ip=224.0.0.1/8", "ip=4294967296.0.0.1/8",
		"gw=10.0.2", "gw=10.0.2.2/24", "time=", "time=x", "conns=0",
		"conns=65536", "port=80", "", "instance=256", "job=4294967296",
		"instance=", "job=x",
	};
	struct web_options o;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_non_null(read_two(bad[i], NULL, &o));
	assert_non_null(read_two("gw=10.0.2.2", NULL, &o));
	assert_non_null(read_two("ip=10.0.2.15/24", "gw=10.0.3.2", &o));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
