// SPDX-License-Identifier: BSD-2-Clause
// The kernel's memcpy and its kin against the C library's, under other names:
// every length and alignment that a stride could get wrong, overlaps both ways,
// and not a byte beside the range. SEED=n replays a run.
//
// links: kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *(*const libc_memmove)(void *, const void *, size_t) = memmove;
static int (*const libc_memcmp)(const void *, const void *, size_t) = memcmp;
static size_t (*const libc_strlen)(const char *) = strlen;

#define memcpy base_memcpy
#define memmove base_memmove
#define memset base_memset
#define memcmp base_memcmp
#define strlen base_strlen

#include "harness/testing/seed.h"
#include "kernel/base/memory.c"
#include "kernel/base/prng.h"

#define SIZE 400u
#define ROUNDS 100000

static struct prng prng;

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static void
randomise(u8 *bytes, u32 len)
{
	for (u32 i = 0; i < len; i++)
		bytes[i] = (u8)prng_u64(&prng);
}

static int
sign(int v)
{
	return v < 0 ? -1 : v > 0;
}

static void
test_copies(void **state)
{
	u8 source[SIZE], got[SIZE], want[SIZE];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		u32 len = below(below(2) ? 20 : SIZE / 2);
		u32 from = below(SIZE - len + 1), to = below(SIZE - len + 1);

		randomise(source, SIZE);
		randomise(got, SIZE);
		libc_memmove(want, got, SIZE);
		assert_ptr_equal(memcpy(got + to, source + from, len), got + to);
		libc_memmove(want + to, source + from, len);
		assert_memory_equal(got, want, SIZE);
		assert_ptr_equal(memmove(got + to, got + from, len), got + to);
		libc_memmove(want + to, want + from, len);
		assert_memory_equal(got, want, SIZE);
		assert_ptr_equal(memset(got + to, (int)from, len), got + to);
		for (u32 j = 0; j < len; j++)
			want[to + j] = (u8)from;
		assert_memory_equal(got, want, SIZE);
	}
}

static void
test_comparisons(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		u32 len = below(40);
		// Exact heap blocks: a read past the end is an error.
		u8 *a = malloc(len + 1), *b = malloc(len + 1);

		for (u32 j = 0; j < len; j++)
			a[j] = b[j] = (u8)(1 + below(255));
		if (len && below(2))
			b[below(len)] = (u8)(1 + below(255));
		a[len] = b[len] = 0;
		assert_int_equal(sign(memcmp(a, b, len)),
				 sign(libc_memcmp(a, b, len)));
		assert_int_equal(strlen((char *)a), libc_strlen((char *)a));
		free(a);
		free(b);
	}
}

static void
test_bounded_copy(void **state)
{
	char target[8];

	(void)state;
	assert_true(string_copy(target, sizeof(target), "1234567"));
	assert_string_equal(target, "1234567");
	assert_false(string_copy(target, sizeof(target), "12345678"));
	assert_string_equal(target, "1234567");
	assert_false(string_copy(target, 1, "x"));
	assert_string_equal(target, "");
	assert_true(string_starts("abc", "ab"));
	assert_true(string_starts("abc", ""));
	assert_false(string_starts("ab", "abc"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_bounded_copy),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
