// SPDX-License-Identifier: BSD-2-Clause
// strcmp and strncmp against the C library's, under other names, and not a byte behind
// the strings. Numbers from text by what printed them. SEED=n replays a run.
//
// links: libos/text/text.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int (*const libc_strcmp)(const char *, const char *) = strcmp;
static int (*const libc_strncmp)(const char *, const char *, size_t) = strncmp;

#define strcmp text_strcmp
#define strncmp text_strncmp

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/text/compare.c"

#define ROUNDS 100000

static struct prng prng;

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static int
sign(int v)
{
	return v < 0 ? -1 : v > 0;
}

// Exact heap blocks: a read past the end is an error.
static char *
made(const char *like, u32 len)
{
	char *text = malloc(len + 1);

	for (u32 i = 0; i < len; i++)
		text[i] = like ? like[i] : (char)(1 + below(255));
	text[len] = 0;
	return text;
}

static void
test_comparisons(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		u32 len = below(40), part = below(50);
		char *a = made(NULL, len), *b = made(a, len);

		if (len && below(2))
			b[below(len)] = (char)below(256);
		assert_int_equal(sign(strcmp(a, b)), sign(libc_strcmp(a, b)));
		assert_int_equal(sign(strncmp(a, b, part)), sign(libc_strncmp(a, b, part)));
		free(a);
		free(b);
	}
}

static void
test_numbers(void **state)
{
	static const char *const odd[] = { "", "0x", "x", "-1", "+1", " 1", "1 ",
		"0xg", "12a", "18446744073709551616", "0x10000000000000000" };
	char text[32];
	u64 v = 7;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(odd); i++)
		assert_false(text_to_u64(odd[i], &v));
	assert_int_equal(v, 7);
	for (int i = 0; i < ROUNDS; i++) {
		u64 want = prng_u64(&prng) >> below(64);

		snprintf(text, sizeof(text), below(2) ? "%llu" : "0x%llX",
			 (unsigned long long)want);
		assert_true(text_to_u64(text, &v));
		assert_int_equal(v, want);
	}
}

// From the front of a text: what is behind stays, and what is none moves nothing.
static void
test_numbers_in_front(void **state)
{
	static const char *const wrong[] = { "", "x1", "01", "256", "99999999999", "-1", " 1" };
	const char *text = "255/24";
	u32 value = 7;

	(void)state;
	assert_true(text_take_number(&text, 255, &value));
	assert_int_equal(value, 255);
	assert_string_equal(text, "/24");
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		text = wrong[i];
		assert_false(text_take_number(&text, 255, &value));
		assert_ptr_equal(text, wrong[i]);
	}
	text = "0";
	assert_true(text_take_number(&text, 0, &value));
	assert_int_equal(value, 0);
}

static void
test_addresses_in_front(void **state)
{
	static const char *const wrong[] = { "", "10.0.2", "10.0.2.", "10..2.1", "10.0.2.256",
					     "10.0.02.1", "a.b.c.d", "10,0,2,1" };
	const char *text = "10.0.2.15:80";
	u32 address = 7;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *at = wrong[i];

		assert_false(text_take_address(&at, &address));
		assert_int_equal(address, 7);
	}
	assert_true(text_take_address(&text, &address));
	assert_int_equal(address, 0x0a00020f);
	assert_string_equal(text, ":80");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_numbers_in_front),
		cmocka_unit_test(test_addresses_in_front),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
