// SPDX-License-Identifier: BSD-2-Clause
// Routing and parameters: every route is found by its method and path and by nothing
// else, wrong requests get their status and a sentence, and what is copied is whole.
//
// links: cluster/api/call.c libos/http/parse.c libos/http/target.c
// links: libos/http/text.c kernel/base/fmt.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/api/call.h"

static struct api_call call;
static struct api_error error;

// Reads a request by its first line; `fields` are further lines.
static bool
read_with(const char *method_and_target, const char *fields)
{
	struct http_parser parser;
	char head[8192];
	int len = snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: a\r\n%s\r\n",
			   method_and_target, fields);

	memset(&error, 0, sizeof(error));
	http_parser_init(&parser);
	assert_int_equal(http_parse(&parser, head, (u32)len), HTTP_PARSE_DONE);
	return api_call_read(&call, &error, &parser.request, head);
}

static bool
reads(const char *method_and_target)
{
	return read_with(method_and_target, "");
}

static void
assert_refused(const char *method_and_target, u32 status, const char *part)
{
	if (reads(method_and_target))
		fail_msg("%s was taken", method_and_target);
	assert_int_equal(error.status, status);
	if (!strstr(error.sentence, part))
		fail_msg("%s: %s", method_and_target, error.sentence);
}

// A name in place of the capitals of a row's path.
static void
example(const struct api_row *row, char target[128])
{
	u32 n = 0;

	for (const char *at = row->path; *at; at++) {
		if (*at < 'A' || *at > 'Z')
			target[n++] = *at;
		else if (at[-1] == '/')
			target[n++] = 'x';
	}
	snprintf(target + n, 128 - n, "%s",
		 strstr(row->parameters, "count") ? "?count=1" : "");
}

static void
every_route_is_found(void **state)
{
	(void)state;
	for (u32 i = 0; i < API_ROUTE_COUNT; i++) {
		char target[128], line[256];

		example(api_row(i), target);
		snprintf(line, sizeof(line), "%s %s", api_row(i)->method_name, target);
		if (!reads(line))
			fail_msg("%s: %s", line, error.sentence);
		assert_int_equal(call.route, i);
		assert_string_equal(call.name, strstr(api_row(i)->path, "N") ? "x" : "");
	}
}

static void
nothing_else_is(void **state)
{
	static const char *const paths[] = {
		"/", "/ap", "/apis", "/api/", "/api/status/", "/api//status",
		"/api/Status", "/api/jobs/", "/api/jobs/x/", "/api/jobs/x/scales",
		"/api/jobs/x/scale/y", "/api/logs", "/api/logs/", "/api/caps/a/b",
		"//api/status", "/api/%73tatus",
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		char line[64];

		snprintf(line, sizeof(line), "GET %s", paths[i]);
		assert_refused(line, 404, "no such route");
	}
	assert_false(reads("GET http://host"));
}

static void
wrong_methods_are_told_the_right_ones(void **state)
{
	(void)state;
	assert_refused("POST /api/status", 405, "method");
	assert_string_equal(error.allow, "Allow: GET, HEAD, OPTIONS\r\n");
	assert_refused("GET /api/jobs/x", 405, "method");
	assert_string_equal(error.allow, "Allow: PUT, DELETE, OPTIONS\r\n");
	assert_refused("TRACE /api/site", 405, "method");
	assert_string_equal(error.allow, "Allow: PUT, OPTIONS\r\n");
	assert_refused("OPTIONS /api/jobs/x/scale", 204, "");
	assert_string_equal(error.allow, "Allow: POST, OPTIONS\r\n");
	assert_refused("OPTIONS *", 204, "");
	assert_true(reads("HEAD /api/status"));
	assert_int_equal(call.route, API_STATUS);
}

static void
names_are_decoded_once(void **state)
{
	char line[256];

	(void)state;
	assert_true(reads("GET /api/logs/a%2Fb%25"));
	assert_string_equal(call.name, "a/b%");
	assert_refused("GET /api/logs/%zz", 400, "name");
	assert_refused("GET /api/logs/%2", 400, "name");
	assert_refused("GET /api/logs/a%00b", 400, "name");
	snprintf(line, sizeof(line), "GET /api/logs/%063d", 0);
	assert_true(reads(line));
	snprintf(line, sizeof(line), "GET /api/logs/%064d", 0);
	assert_refused(line, 400, "63 bytes");
}

static void
parameters_are_read(void **state)
{
	(void)state;
	assert_true(reads("PUT /api/jobs/x?count=every&port=8080&frames=100&slices=2"
			  "&args=a+b%20c%3Dd"));
	assert_int_equal(call.count, RECORD_EVERY);
	assert_int_equal(call.port, 8080);
	assert_int_equal(call.frames, 100);
	assert_int_equal(call.slices, 2);
	assert_string_equal(call.args, "a b c=d");
	assert_true(reads("PUT /api/jobs/x?count=64"));
	assert_int_equal(call.count, 64);
	assert_int_equal(call.port, 0);
	assert_int_equal(call.frames, API_FRAMES_DEFAULT);
	assert_int_equal(call.slices, 1);
	assert_true(reads("GET /api/events?since=18446744073709551609&node=10.0.0.1"));
	assert_true(call.since == 18446744073709551609ull);
	assert_string_equal(call.node, "10.0.0.1");
	assert_true(reads("GET /api/logs/x?&lines=7&"));
	assert_int_equal(call.lines, 7);
	assert_true(reads("GET /api/logs/x?"));
	assert_int_equal(call.lines, API_LINES_DEFAULT);
}

static void
wrong_parameters_are_named(void **state)
{
	char line[1024];

	(void)state;
	assert_refused("GET /api/status?x=1", 400, "no parameters");
	assert_refused("GET /api/logs/x?count=1", 400, "lines");
	assert_refused("GET /api/logs/x?lines", 400, "lines is given once");
	assert_refused("GET /api/logs/x?lines=0", 400, "lines");
	assert_refused("GET /api/logs/x?lines=10001", 400, "lines");
	assert_refused("GET /api/logs/x?lines=1&lines=1", 400, "lines");
	assert_refused("GET /api/logs/x?line=1", 400, "`line`");
	assert_refused("PUT /api/jobs/x", 400, "count is missing");
	assert_refused("PUT /api/jobs/x?count=0", 400, "count");
	assert_refused("PUT /api/jobs/x?count=65", 400, "count");
	assert_refused("PUT /api/jobs/x?count=-1", 400, "count");
	assert_refused("PUT /api/jobs/x?count=1x", 400, "count");
	assert_refused("PUT /api/jobs/x?count=", 400, "count");
	assert_refused("PUT /api/jobs/x?count=1&port=65536", 400, "port");
	assert_refused("PUT /api/jobs/x?count=1&frames=0", 400, "frames");
	assert_refused("PUT /api/jobs/x?count=1&frames=4294967296", 400, "frames");
	assert_refused("PUT /api/jobs/x?count=1&slices=65536", 400, "slices");
	assert_refused("PUT /api/jobs/x?count=1&args=%0", 400, "args");
	assert_refused("GET /api/events?node=", 400, "node");
	assert_refused("GET /api/events?since=1a", 400, "since");
	snprintf(line, sizeof(line), "PUT /api/jobs/x?count=1&args=%0128d", 0);
	assert_true(reads(line));
	assert_int_equal(strlen(call.args), 128);
	snprintf(line, sizeof(line), "PUT /api/jobs/x?count=1&args=%0129d", 0);
	assert_refused(line, 400, "128 bytes");
	snprintf(line, sizeof(line), "GET /api/logs/x?%0900d=1", 0);
	assert_refused(line, 400, "none of this route's");
}

static void
web_pages_change_nothing(void **state)
{
	(void)state;
	assert_true(read_with("GET /api/status", "Origin: http://evil\r\n"));
	assert_false(read_with("POST /api/jobs/x/scale?count=1",
			       "Origin: http://evil\r\n"));
	assert_int_equal(error.status, 403);
	assert_false(read_with("DELETE /api/jobs/x", "origin: null\r\n"));
	assert_int_equal(error.status, 403);
	assert_true(reads("DELETE /api/jobs/x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_found),
		cmocka_unit_test(nothing_else_is),
		cmocka_unit_test(wrong_methods_are_told_the_right_ones),
		cmocka_unit_test(names_are_decoded_once),
		cmocka_unit_test(parameters_are_read),
		cmocka_unit_test(wrong_parameters_are_named),
		cmocka_unit_test(web_pages_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
