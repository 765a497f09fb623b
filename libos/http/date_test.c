// SPDX-License-Identifier: BSD-2-Clause
// Dates against the C library's calendar, and what must be refused.
//
// links: libos/http/date.c libos/http/text.c harness/testing/host_assert.c

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "libos/http/date.h"
#include "libos/http/test_site.h"

static bool
reads(const char *text, u64 now, i64 *seconds)
{
	return http_date_read(text, (u32)strlen(text), now, seconds);
}

// Writes with our code and with strftime, reads all three formats back.
static void
check_second(u64 seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char ours[HTTP_DATE_LEN + 1] = { 0 }, theirs[64];
	i64 back;

	gmtime_r(&t, &tm);
	http_date_write(seconds, ours);
	strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	assert_string_equal(ours, theirs);
	assert_true(reads(ours, TEST_NOW, &back));
	assert_int_equal(back, seconds);
	strftime(theirs, sizeof(theirs), "%a %b %e %H:%M:%S %Y", &tm);
	assert_true(reads(theirs, TEST_NOW, &back));
	assert_int_equal(back, seconds);
	strftime(theirs, sizeof(theirs), "%A, %d-%b-%y %H:%M:%S GMT", &tm);
	assert_true(reads(theirs, MIN(seconds + 10, HTTP_DATE_MAX), &back));
	assert_int_equal(back, seconds);
}

static void
every_day_agrees_with_the_calendar(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	setlocale(LC_ALL, "C");
	for (u64 day = 0; day < 200 * 366; day++)
		check_second(day * 86400 + prng_below(&prng, 86400));
	for (u32 i = 0; i < 20000; i++)
		check_second(prng_below(&prng, HTTP_DATE_MAX + 1));
	check_second(0);
	check_second(HTTP_DATE_MAX);
}

static void
rfc_examples_are_one_time(void **state)
{
	static const char *const texts[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++) {
		i64 seconds = 0;

		assert_true(reads(texts[i], TEST_NOW, &seconds));
		assert_int_equal(seconds, 784111777);
	}
}

static void
two_digit_years_are_at_most_50_years_ahead(void **state)
{
	i64 seconds;

	(void)state;		// TEST_NOW is 14 November 2023
	assert_true(reads("Tuesday, 14-Nov-73 00:00:00 GMT", TEST_NOW, &seconds));
	assert_int_equal(seconds, 3277843200);		// 2073
	assert_true(reads("Friday, 16-Nov-73 00:00:00 GMT", TEST_NOW, &seconds));
	assert_int_equal(seconds, 122256000);		// 1973
	assert_true(reads("Friday, 01-Jan-69 00:00:00 GMT", 0, &seconds));
	assert_int_equal(seconds, -31536000);		// 1969, asked in 1970
}

static void
odd_but_valid_dates_are_read(void **state)
{
	i64 seconds;

	(void)state;
	assert_true(reads("Sat, 31 Dec 2016 23:59:60 GMT", TEST_NOW, &seconds));
	assert_int_equal(seconds, 1483228800);
	assert_true(reads("Tue, 29 Feb 2000 00:00:00 GMT", TEST_NOW, &seconds));
	assert_true(reads("Mon, 01 Jan 0000 00:00:00 GMT", TEST_NOW, &seconds));
	assert_int_equal(seconds, -62167219200);
	assert_true(reads("Sun Nov 16 08:49:37 1994", TEST_NOW, &seconds));
}

static void
what_is_no_date_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "0", "Sun", "Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 +0000", "sun, 06 Nov 1994 08:49:37 GMT",
		"Xxx, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Xxx 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 29 Feb 1999 00:00:00 GMT",
		"Sun, 29 Feb 1900 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 1994 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
		"Sun, 06 Nov -994 08:49:37 GMT", "784111777",
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++) {
		i64 seconds = 42;

		assert_false(reads(texts[i], TEST_NOW, &seconds));
		assert_int_equal(seconds, 42);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_agrees_with_the_calendar),
		cmocka_unit_test(rfc_examples_are_one_time),
		cmocka_unit_test(two_digit_years_are_at_most_50_years_ahead),
		cmocka_unit_test(odd_but_valid_dates_are_read),
		cmocka_unit_test(what_is_no_date_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
