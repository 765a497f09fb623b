// SPDX-License-Identifier: BSD-2-Clause
// Paths: a corpus of traversal attempts and their kin, and random paths
// against a naive oracle that decodes first and then keeps a list of segments.
//
// links: libos/http/path.c libos/http/text.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "libos/http/path.h"
#include "libos/http/test_site.h"
#include "libos/http/text.h"

#define BAD "!bad"
#define NOWHERE "!nowhere"

static const struct {
	const char *raw, *expected;
} corpus[] = {
	{ "/", "/" },
	{ "/a", "/a" },
	{ "/a/", "/a/" },
	{ "/a//b", "/a//b" },
	{ "//", "//" },
	{ "/.", "/" },
	{ "/./", "/" },
	{ "/a/.", "/a/" },
	{ "/a/./b", "/a/b" },
	{ "/a/..", "/" },
	{ "/a/../", "/" },
	{ "/a/b/../c", "/a/c" },
	{ "/a/b/../../c", "/c" },
	{ "/a//../b", "/a/b" },
	{ "/a/.../b", "/a/.../b" },
	{ "/.a/..b/c..", "/.a/..b/c.." },
	{ "/..", BAD },
	{ "/../", BAD },
	{ "/../../../../etc/passwd", BAD },
	{ "/a/../../etc/passwd", BAD },
	{ "/./../etc/passwd", BAD },
	{ "/%2e%2e/etc/passwd", BAD },
	{ "/%2E%2e/etc/passwd", BAD },
	{ "/.%2e/etc/passwd", BAD },
	{ "/%2e./etc/passwd", BAD },
	{ "/a/%2e%2e/b", "/b" },
	{ "/%252e%252e/etc/passwd", "/%2e%2e/etc/passwd" },
	{ "/..%2fetc/passwd", NOWHERE },
	{ "/a%2fb", NOWHERE },
	{ "/..%5cetc", BAD },
	{ "/a%5Cb", BAD },
	{ "/..%c0%afetc", BAD },
	{ "/%c0%ae%c0%ae/etc", BAD },
	{ "/%e0%80%ae", BAD },
	{ "/%f0%80%80%ae", BAD },
	{ "/%c1%1c", BAD },
	{ "/%ff", BAD },
	{ "/%80", BAD },
	{ "/%ed%a0%80", BAD },
	{ "/%f4%90%80%80", BAD },
	{ "/%f5%80%80%80", BAD },
	{ "/%e2%82", BAD },
	{ "/%e2%82/%ac", BAD },
	{ "/%e2%82%ac", "/\xe2\x82\xac" },
	{ "/%F0%9F%98%80", "/\xf0\x9f\x98\x80" },
	{ "/%c3%bc/../x", "/x" },
	{ "/%c3/../x", BAD },
	{ "/%00", BAD },
	{ "/a%00.html", BAD },
	{ "/%0a", BAD },
	{ "/%0d%0aSet-Cookie:x", BAD },
	{ "/%1b", BAD },
	{ "/%7f", BAD },
	{ "/%20", "/ " },
	{ "/a%20b", "/a b" },
	{ "/a+b", "/a+b" },
	{ "/%41%7a", "/Az" },
	{ "/%", BAD },
	{ "/%4", BAD },
	{ "/%4g", BAD },
	{ "/%g4", BAD },
	{ "/%%41", BAD },
	{ "/a:b@c!d;e=f,g", "/a:b@c!d;e=f,g" },
};

static void
check(const char *raw, u32 len, const char *expected)
{
	char *exact = malloc(len), path[HTTP_PATH_MAX];
	u32 path_len = 0;
	enum http_path_result result;

	assert_non_null(exact);
	memcpy(exact, raw, len);
	result = http_path_normalise(exact, len, path, &path_len);
	free(exact);
	if (!strcmp(expected, BAD)) {
		assert_int_equal(result, HTTP_PATH_BAD);
	} else if (!strcmp(expected, NOWHERE)) {
		assert_int_equal(result, HTTP_PATH_NOWHERE);
	} else {
		assert_int_equal(result, HTTP_PATH_OK);
		assert_int_equal(path_len, strlen(expected));
		assert_memory_equal(path, expected, path_len);
	}
}

static void
corpus_is_normalised(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(corpus); i++)
		check(corpus[i].raw, (u32)strlen(corpus[i].raw),
		      corpus[i].expected);
}

// Decodes all of `raw` into `text`; returns what is wrong, or NULL.
static const char *
oracle_decode(const char *raw, char *text)
{
	const char *verdict = NULL;

	for (; *raw; raw++) {
		u32 byte = (u8)*raw;

		if (*raw == '%') {
			if (http_hex_value(raw[1]) < 0 || http_hex_value(raw[2]) < 0)
				return BAD;
			sscanf(raw + 1, "%2x", &byte);
			raw += 2;
			if (byte < 32 || byte == 127 || byte == '\\')
				return BAD;
			if (byte == '/')
				verdict = NOWHERE;
		}
		*text++ = (char)byte;
	}
	*text = 0;
	return verdict;
}

// The path as RFC 3986 section 5.2.4 leaves it, by a list of segments.
static const char *
oracle(const char *raw, char result[256])
{
	char text[256], *segments[64], *at = text;
	u32 count = 0;
	const char *wrong = oracle_decode(raw, text);
	bool slash = false;

	if (wrong)
		return wrong;
	do {
		char *segment = at + 1;

		at = strchr(segment, '/');
		if (at)
			*at = 0;
		slash = !strcmp(segment, ".") || !strcmp(segment, "..");
		if (!http_utf8_is_valid(segment, (u32)strlen(segment)))
			return BAD;
		if (!strcmp(segment, "..") && count-- == 0)
			return BAD;
		if (!slash)
			segments[count++] = segment;
	} while (at);
	*result = 0;
	for (u32 i = 0; i < count; i++)
		test_append(result, 256, "/%s", segments[i]);
	if (slash || !count)
		test_append(result, 256, "/");
	return result;
}

static void
random_paths_agree_with_the_oracle(void **state)
{
	static const char *const parts[] = {
		"/", "/", "/", ".", ".", "..", "a", "%2e", "%2E%2e", "%c3%bc",
		"%c3", "%20", "%41", "%2f",
	};
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 round = 0; round < 300000; round++) {
		char raw[256] = "/", result[256];
		u32 count = (u32)prng_below(&prng, 12);
		// Mostly parts that are not refused at once.
		u32 choice = prng_below(&prng, 4) ? 10 : ARRAY_SIZE(parts);

		for (u32 i = 0; i < count; i++)
			test_append(raw, sizeof(raw), "%s",
				    parts[prng_below(&prng, choice)]);

		const char *expected = oracle(raw, result);

		if (expected != result && !strcmp(expected, NOWHERE))
			continue;	// dots beside it are not judged
		check(raw, (u32)strlen(raw), expected);
	}
}

static void
length_is_bounded(void **state)
{
	char raw[HTTP_PATH_MAX + 2];

	(void)state;
	memset(raw, 'a', sizeof(raw));
	raw[0] = '/';
	raw[HTTP_PATH_MAX] = 0;
	check(raw, HTTP_PATH_MAX, raw);
	check(raw, HTTP_PATH_MAX + 1, NOWHERE);
}

static void
utf8_is_exact(void **state)
{
	(void)state;
	for (u32 c = 0; c < 0x120000; c++) {
		char text[4];
		u32 len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bool valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);

		for (u32 i = len - 1, rest = c; i > 0; i--, rest >>= 6)
			text[i] = (char)(0x80 | (rest & 0x3f));
		text[0] = (char)(len == 1 ? c : (0xf00u >> len & 0xff) | c >> 6 * (len - 1));
		assert_int_equal(http_utf8_is_valid(text, len), valid);
		if (len > 1)
			assert_false(http_utf8_is_valid(text, len - 1));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus_is_normalised),
		cmocka_unit_test(random_paths_agree_with_the_oracle),
		cmocka_unit_test(length_is_bounded),
		cmocka_unit_test(utf8_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
