// SPDX-License-Identifier: BSD-2-Clause
// Ranges against a naive oracle: random sets over small objects, where the
// oracle marks single bytes and needs no arithmetic on intervals.
//
// links: libos/http/range.c libos/http/text.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "libos/http/range.h"
#include "libos/http/test_site.h"

#define OBJECT_MAX 24

struct oracle {
	bool wanted[OBJECT_MAX];	// bytes in some range
	u32 first_asked[16];		// first byte of each range that exists
	u32 asked;
	bool ignored;
};

static enum http_range_result
read_text(const char *text, u64 object_len, struct http_range *ranges, u32 *count)
{
	struct http_text value = { text, (u32)strlen(text) };

	return http_ranges_read(value, object_len, ranges, count);
}

// Appends one random range to the text and marks its bytes.
static void
ask(struct prng *prng, u32 object_len, char text[256], struct oracle *o)
{
	u32 a = (u32)prng_below(prng, object_len + 4);
	u32 b = (u32)prng_below(prng, object_len + 4);
	u32 from = a, to = b;

	switch (prng_below(prng, 3)) {
	case 0:
		test_append(text, 256, "%u-%u", a, b);
		o->ignored |= b < a;
		break;
	case 1:
		test_append(text, 256, "%u-", a);
		to = object_len;
		break;
	default:
		test_append(text, 256, "-%u", a);
		o->ignored |= object_len == 0 && a > 0;
		from = a > object_len ? 0 : object_len - a;
		to = object_len;
		break;
	}
	if (from < object_len && from <= to)
		o->first_asked[o->asked++] = from;
	for (u32 i = from; i <= to && i < object_len; i++)
		o->wanted[i] = true;
}

// The result names exactly the wanted bytes, each once; no two ranges touch;
// and the order is that of the first request for each.
static void
check_ranges(const struct oracle *o, u32 object_len,
	     const struct http_range *ranges, u32 count)
{
	bool got[OBJECT_MAX] = { false };
	u32 next = 0;

	assert_in_range(count, 1, HTTP_RANGES_MAX);
	for (u32 r = 0; r < count; r++) {
		u64 end = ranges[r].first + ranges[r].len_bytes;

		assert_true(ranges[r].len_bytes > 0 && end <= object_len);
		for (u64 i = ranges[r].first; i < end; i++) {
			assert_false(got[i]);
			got[i] = true;
		}
		assert_true(end == object_len || !o->wanted[end]);
		while (next < o->asked && got[o->first_asked[next]])
			next++;
		assert_true(r + 1 == count || next < o->asked);
		assert_true(r + 1 == count ||
			    (o->first_asked[next] >= ranges[r + 1].first &&
			     o->first_asked[next] < ranges[r + 1].first +
						    ranges[r + 1].len_bytes));
	}
	assert_memory_equal(got, o->wanted, sizeof(got));
}

static void
random_sets_agree_with_the_oracle(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 round = 0; round < 200000; round++) {
		u32 object_len = (u32)prng_below(&prng, OBJECT_MAX + 1);
		u32 members = 1 + (u32)prng_below(&prng, HTTP_RANGES_MAX + 1);
		struct oracle o = { .ignored = members > HTTP_RANGES_MAX };
		struct http_range ranges[HTTP_RANGES_MAX];
		char text[256] = "bytes=";
		enum http_range_result result;
		u32 count;

		for (u32 i = 0; i < members; i++) {
			if (i)
				test_append(text, sizeof(text),
					    prng_below(&prng, 2) ? "," : " ,\t");
			ask(&prng, object_len, text, &o);
		}
		result = read_text(text, object_len, ranges, &count);
		if (o.ignored) {
			assert_int_equal(result, HTTP_RANGE_IGNORED);
		} else if (o.asked == 0) {
			assert_int_equal(result, HTTP_RANGE_UNSATISFIABLE);
		} else {
			assert_int_equal(result, HTTP_RANGE_OK);
			check_ranges(&o, object_len, ranges, count);
		}
	}
}

static void
numbers_may_exceed_64_bits(void **state)
{
	struct http_range r[HTTP_RANGES_MAX];
	u32 count;

	(void)state;
	assert_int_equal(read_text("bytes=5-184467440737095516150", 10, r, &count),
			 HTTP_RANGE_OK);
	assert_int_equal(r[0].first, 5);
	assert_int_equal(r[0].len_bytes, 5);
	assert_int_equal(read_text("bytes=-184467440737095516150", 10, r, &count),
			 HTTP_RANGE_OK);
	assert_int_equal(r[0].len_bytes, 10);
	assert_int_equal(read_text("bytes=184467440737095516150-", 10, r, &count),
			 HTTP_RANGE_UNSATISFIABLE);
	assert_int_equal(read_text("bytes=0-18446744073709551615", UINT64_MAX, r,
				   &count), HTTP_RANGE_OK);
	assert_int_equal(r[0].len_bytes, UINT64_MAX);
}

static void
what_is_no_set_is_ignored(void **state)
{
	static const char *const texts[] = {
		"", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=--1",
		"bytes=1", "bytes=1-2-3", "bytes=1-a", "bytes=a-1",
		"bytes=1 -2", "bytes=1- 2", "bytes =1-2", "bytes= 1-2,x",
		"bytes=2-1", "bytes=0-1,2-1", "bytes=+1-2", "bytes=0x1-2",
		"lines=0-1", "byte=0-1", "bytes=1-2;3-4", "bytes=1-2 3-4",
	};
	struct http_range ranges[HTTP_RANGES_MAX];
	u32 count;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(read_text(texts[i], 10, ranges, &count),
				 HTTP_RANGE_IGNORED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sets_agree_with_the_oracle),
		cmocka_unit_test(numbers_may_exceed_64_bits),
		cmocka_unit_test(what_is_no_set_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
