// SPDX-License-Identifier: BSD-2-Clause
// Every combination of the four preconditions, against the RFC's table read
// aloud; and entity tags and dates that If-Range takes or not.
//
// links: libos/http/condition.c libos/http/parse.c libos/http/target.c
// links: libos/http/date.c libos/http/text.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libos/http/condition.h"
#include "libos/http/test_site.h"

static const struct http_validators object = { { "\"tag\"", 5 }, TEST_MTIME };

struct choice {
	const char *value;	// NULL: the field is not there
	bool says_yes;		// the object matches, or is not newer
};

static const struct choice match[] = {
	{ NULL, false }, { "\"tag\"", true }, { "\"x\", \"tag\"", true },
	{ "*", true }, { "\"x\"", false }, { "", false }, { "tag", false },
};
static const struct choice date[] = {
	{ NULL, false },
	{ "Sun, 06 Nov 1994 08:49:37 GMT", true },
	{ "Sun, 06 Nov 1994 08:49:38 GMT", true },
	{ "Sun, 06 Nov 1994 08:49:36 GMT", false },
};

static struct http_request
parse(const char *raw)
{
	struct http_parser parser;

	http_parser_init(&parser);
	assert_int_equal(http_parse(&parser, raw, (u32)strlen(raw)),
			 HTTP_PARSE_DONE);
	return parser.request;
}

static void
add_field(char raw[512], const char *name, const struct choice *choice)
{
	if (choice->value)
		test_append(raw, 512, "%s: %s\r\n", name, choice->value);
}

// RFC 9110 section 13.2.2, steps 1 to 4.
static enum http_condition
table(const struct choice *im, const struct choice *ius,
      const struct choice *inm, const struct choice *ims)
{
	if (im->value && !im->says_yes)
		return HTTP_CONDITION_FAILED;
	if (!im->value && ius->value && !ius->says_yes)
		return HTTP_CONDITION_FAILED;
	if (inm->value && inm->says_yes)
		return HTTP_CONDITION_NOT_MODIFIED;
	if (!inm->value && ims->value && ims->says_yes)
		return HTTP_CONDITION_NOT_MODIFIED;
	return HTTP_CONDITION_PASSED;
}

static void
check_combination(u32 im, u32 ius, u32 inm, u32 ims, const char *method)
{
	char raw[512] = "";
	struct http_request request;

	test_append(raw, sizeof(raw), "%s / HTTP/1.1\r\nHost: a\r\n", method);
	add_field(raw, "If-Modified-Since", &date[ims]);
	add_field(raw, "If-None-Match", &match[inm]);
	add_field(raw, "If-Unmodified-Since", &date[ius]);
	add_field(raw, "If-Match", &match[im]);
	test_append(raw, sizeof(raw), "\r\n");
	request = parse(raw);
	assert_int_equal(http_condition_check(&request, raw, &object, TEST_NOW),
			 table(&match[im], &date[ius], &match[inm], &date[ims]));
}

static void
every_combination_follows_the_table(void **state)
{
	const u32 matches = ARRAY_SIZE(match), dates = ARRAY_SIZE(date);

	(void)state;
	for (u32 i = 0; i < matches * matches * dates * dates; i++) {
		u32 im = i % matches, inm = i / matches % matches;
		u32 rest = i / (matches * matches);

		check_combination(im, rest % dates, inm, rest / dates, "GET");
		check_combination(im, rest % dates, inm, rest / dates, "HEAD");
	}
}

static const struct {
	const char *value;
	bool strong, weak;	// matches in that comparison
} tags[] = {
	{ "\"tag\"", true, true },
	{ "W/\"tag\"", false, true },
	{ "w/\"tag\"", false, false },
	{ "W/ \"tag\"", false, false },
	{ "\"x\",,\t,\"tag\"", true, true },
	{ ", \"tag\"", true, true },
	{ "\"x,\", \"tag\"", true, true },
	{ "\"x \", \"tag\"", false, false },
	{ "\"x\"\"tag\"", false, false },
	{ "\"tag", false, false },
	{ "\"", false, false },
	{ "W/", false, false },
	{ "\"\"", false, false },
	{ "\"tagg\"", false, false },
	{ "\"ta\"", false, false },
	{ "*, \"x\"", false, false },
	{ "'tag'", false, false },
	{ "\"x\", tag, \"tag\"", false, false },
};

static void
entity_tags_are_walked_exactly(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(tags); i++) {
		struct http_request request;
		char raw[256];

		snprintf(raw, sizeof(raw), "GET / HTTP/1.1\r\nHost: a\r\nIf-Match: %s\r\n\r\n",
			tags[i].value);
		request = parse(raw);
		assert_int_equal(http_condition_check(&request, raw, &object,
						      TEST_NOW),
				 tags[i].strong ? HTTP_CONDITION_PASSED :
						  HTTP_CONDITION_FAILED);
		snprintf(raw, sizeof(raw), "GET / HTTP/1.1\r\nHost: a\r\n"
			"If-None-Match: %s\r\n\r\n", tags[i].value);
		request = parse(raw);
		assert_int_equal(http_condition_check(&request, raw, &object,
						      TEST_NOW),
				 tags[i].weak ? HTTP_CONDITION_NOT_MODIFIED :
						HTTP_CONDITION_PASSED);
	}
}

static const struct {
	const char *fields;
	u64 now;
	bool applies;
} if_ranges[] = {
	{ "", TEST_NOW, true },
	{ "If-Range: \"tag\"\r\n", TEST_NOW, true },
	{ "If-Range: W/\"tag\"\r\n", TEST_NOW, false },
	{ "If-Range: \"x\"\r\n", TEST_NOW, false },
	{ "If-Range: \"tag\", \"x\"\r\n", TEST_NOW, false },
	{ "If-Range: *\r\n", TEST_NOW, false },
	{ "If-Range:\r\n", TEST_NOW, false },
	{ "If-Range: \"tag\"\r\nIf-Range: \"tag\"\r\n", TEST_NOW, false },
	{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", TEST_NOW, true },
	{ "If-Range: Sun Nov  6 08:49:37 1994\r\n", TEST_NOW, true },
	{ "If-Range: Sun, 06 Nov 1994 08:49:36 GMT\r\n", TEST_NOW, false },
	{ "If-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", TEST_NOW, false },
	// In the second of the change the time is no strong validator.
	{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", TEST_MTIME, false },
	{ "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", TEST_MTIME + 1, true },
};

static void
if_range_needs_a_strong_validator(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(if_ranges); i++) {
		struct http_request request;
		char raw[256];

		snprintf(raw, sizeof(raw), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n",
			if_ranges[i].fields);
		request = parse(raw);
		assert_int_equal(http_condition_if_range(&request, raw, &object,
							 if_ranges[i].now),
				 if_ranges[i].applies);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_follows_the_table),
		cmocka_unit_test(entity_tags_are_walked_exactly),
		cmocka_unit_test(if_range_needs_a_strong_validator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
