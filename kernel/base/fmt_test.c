// SPDX-License-Identifier: BSD-2-Clause
// Formatting against the C library's snprintf: random conversions, flags,
// widths, precisions and values, into buffers of every size. SEED=n replays.
//
// links: kernel/base/fmt.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/fmt.h"
#include "kernel/base/prng.h"

#define ROUNDS 100000

static struct prng prng;

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static u64
random_value(void)
{
	switch (below(4)) {
	case 0:
		return below(20);
	case 1:
		return 0 - (u64)below(20);
	case 2:
		return 1ull << below(64);
	default:
		return prng_u64(&prng);
	}
}

// Formats with both and compares text, length and what lies behind the buffer.
#define COMPARE(format, ...)                                                    \
	do {                                                                    \
		char want[128], got[128];                                       \
		size_t size = below(sizeof(got));                               \
		memset(want, '#', sizeof(want));                                \
		memset(got, '#', sizeof(got));                                  \
		int length = snprintf(want, size, format, __VA_ARGS__);         \
		assert_int_equal(fmt_into(got, size, format, __VA_ARGS__),      \
				 (size_t)length);                               \
		assert_memory_equal(got, want, size);                           \
		for (; size < sizeof(got); size++)                              \
			assert_int_equal(got[size], '#');                       \
	} while (0)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void
test_numbers(void **state)
{
	static const char kinds[] = "dux";

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		char kind = kinds[below(3)], format[32];
		u64 v = random_value();
		const char *flag = (const char *[]){ "", "-", "0" }[below(3)];
		char width[4] = "";

		if (below(2))
			snprintf(width, sizeof(width), "%u", 1 + below(30));
		snprintf(format, sizeof(format), "a%%%s%s%c|", flag, width, kind);
		COMPARE(format, (int)v);
		snprintf(format, sizeof(format), "%%%s%sl%c", flag, width, kind);
		COMPARE(format, (long)v);
		snprintf(format, sizeof(format), "%%%s%sll%c", flag, width, kind);
		COMPARE(format, (long long)v);
	}
}

#pragma GCC diagnostic pop

static void
test_text(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		char text[16];
		u32 len = below(sizeof(text));
		int precision = (int)below(20) - 4;

		for (u32 j = 0; j < len; j++)
			text[j] = (char)('a' + below(26));
		text[len] = 0;
		COMPARE("%s%%", text);
		COMPARE("[%9s]", text);
		COMPARE("[%-12.*s]", precision, text);
		COMPARE("%.*s %c%5c%-4c", 3, text, 'x', 'y', 'z');
	}
}

static void
test_rest(void **state)
{
	const char *volatile nothing = NULL;
	char text[8];

	(void)state;
	assert_int_equal(fmt_into(text, sizeof(text), "%s", nothing), 6);
	assert_string_equal(text, "(null)");
	// Nothing is written into no buffer.
	assert_int_equal(fmt_into(NULL, 0, "%d", 12345), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_rest),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
