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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_numbers),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
