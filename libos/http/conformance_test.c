// SPDX-License-Identifier: BSD-2-Clause
// Conformance: every case of conformance_cases.h through a whole connection.
//
// A small strict client reads what comes out: each response must have a valid
// status line, Date, exactly the content its Content-Length says, and
// "Connection: close" on the last one of a connection that closes and on no
// other. For each case the same bytes are also fed one at a time and in random
// splits (same output, byte for byte), followed by another request (one more
// response if the connection is open, none if it is closed), and with every
// input in memory of exactly its size, so that a sanitizer sees a read beyond.
//
// links: libos/http/conn.c libos/http/respond.c libos/http/parse.c
// links: libos/http/target.c libos/http/path.c libos/http/range.c
// links: libos/http/condition.c libos/http/date.c libos/http/body.c
// links: libos/http/head.c libos/http/response.c libos/http/catalog.c
// links: libos/store/manifest.c libos/store/object.c
// links: libos/http/site.c libos/http/mime.c kernel/base/siphash.c
// links: libos/http/status.c libos/http/text.c libos/image/cpio.c libos/text/text.c
// links: kernel/base/fmt.c kernel/base/string.c harness/testing/host_assert.c
// links: libos/http/pace.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/prng.h"
#include "libos/http/conformance_cases.h"
#include "libos/http/conn.h"
#include "libos/http/test_site.h"

#define OUTPUT_MAX 65536

struct run {
	struct http_conn conn;
	char raw[65536];
	u32 raw_len, used;
	char output[OUTPUT_MAX + 1];	// terminated
	u32 output_len;
	bool shut;
};

struct fixture {
	struct test_archive archive;
	struct site site;
	void *memory;
	struct http_service service;
} fixture;

static void
run_start(struct run *run)
{
	run->raw_len = run->used = run->output_len = 0;
	run->output[0] = 0;
	run->shut = false;
	memset(&run->conn, 0xa5, sizeof(run->conn));
	http_conn_init(&run->conn, &fixture.service, &http_limits_default, 0);
}

static void
run_output(struct run *run)
{
	struct http_output out;

	while (http_conn_output(&run->conn, 0, &out)) {
		if (out.kind == HTTP_OUTPUT_SHUTDOWN) {
			run->shut = true;
			continue;
		}
		assert_int_equal(out.kind, HTTP_OUTPUT_SEND);
		assert_false(run->shut);
		assert_true(out.piece.len_bytes > 0);
		assert_true(out.piece.len_bytes <= OUTPUT_MAX - run->output_len);
		memcpy(run->output + run->output_len, out.piece.bytes,
		       out.piece.len_bytes);
		run->output_len += (u32)out.piece.len_bytes;
		run->output[run->output_len] = 0;
		http_conn_sent(&run->conn, 0, out.piece.len_bytes);
		http_conn_check(&run->conn);
	}
}

// Lets `len` more bytes arrive, which must fit, and runs the host's loop.
static void
run_feed(struct run *run, const char *bytes, u32 len)
{
	u32 used;

	assert_true(run->raw_len + len <= sizeof(run->raw));
	memcpy(run->raw + run->raw_len, bytes, len);
	run->raw_len += len;
	do {
		u32 shown = run->raw_len - run->used;
		char *exact = malloc(shown + 1);

		assert_non_null(exact);
		memcpy(exact + 1, run->raw + run->used, shown);
		used = http_conn_input(&run->conn, 0, exact + 1, shown);
		http_conn_check(&run->conn);
		free(exact);
		assert_true(used <= shown);
		run->used += used;
		run_output(run);
	} while (used);
}

static const char *
run_state(const struct run *run)
{
	if (run->shut)
		return "close";
	return run->conn.state == HTTP_CONN_IDLE ? "open" : "wait";
}

// The value of a header field, or NULL. `head` is terminated.
static const char *
header(const char *head, const char *name, char value[512])
{
	const char *at = strstr(head, name);

	if (!at)
		return NULL;
	sscanf(at + strlen(name), "%511[^\r]", value);
	return value;
}

static void
check_head(const char *head, u32 status, bool last)
{
	char value[512];
	i64 date;

	assert_non_null(header(head, "\r\nServer: ", value));
	assert_non_null(header(head, "\r\nDate: ", value));
	assert_true(http_date_read(value, (u32)strlen(value), TEST_NOW, &date));
	assert_int_equal(date, TEST_NOW);
	if (header(head, "\r\nConnection: ", value))
		assert_string_equal(value, last ? "close" : "keep-alive");
	else
		assert_false(last);
	if (status == 405)
		assert_non_null(header(head, "\r\nAllow: ", value));
	if (status == 416)
		assert_non_null(header(head, "\r\nContent-Range: bytes */", value));
	if (status == 200 || status == 206 || status == 304) {
		assert_non_null(header(head, "\r\nETag: \"", value));
		assert_non_null(header(head, "\r\nLast-Modified: ", value));
	}
	if (status != 204 && status != 304)
		assert_non_null(header(head, "\r\nX-Content-Type-Options: nosniff",
				       value));
}

// Reads one response at `at`. Returns its length.
static u32
check_response(const char *at, u32 len, u32 status, bool head_only, bool last)
{
	const char *end = strstr(at, "\r\n\r\n");
	char head[2048], value[512];
	u32 head_len, content_len = 0, seen;

	assert_non_null(end);
	head_len = (u32)(end - at) + 4;
	assert_true(head_len < sizeof(head));
	memcpy(head, at, head_len);
	head[head_len - 2] = 0;
	assert_int_equal(sscanf(head, "HTTP/1.1 %3u ", &seen), 1);
	assert_int_equal(seen, status);
	check_head(head, status, last);
	if (status == 204 || status == 304) {
		assert_null(header(head, "\r\nContent-Length: ", value));
		return head_len;
	}
	assert_non_null(header(head, "\r\nContent-Length: ", value));
	assert_non_null(strstr(head, "\r\nContent-Type: "));
	assert_int_equal(sscanf(value, "%u", &content_len), 1);
	if (head_only)
		return head_len;
	assert_true(content_len <= len - head_len);
	return head_len + content_len;
}

// Reads all responses against the expectation.
static void
check_run(const struct run *run, const char *expected)
{
	const char *state = strrchr(expected, ' ');
	u32 at = 0;

	state = state ? state + 1 : expected;
	assert_string_equal(run_state(run), state);
	while (expected < state) {
		char *rest;
		u32 status = (u32)strtoul(expected, &rest, 10);
		bool head_only = *rest == 'h';

		expected = rest + head_only + 1;
		at += check_response(run->output + at, run->output_len - at,
				     status, head_only, expected == state &&
				     !strcmp(state, "close"));
	}
	assert_int_equal(at, run->output_len);
}

static int
set_up(void **state)
{
	struct test_archive *a = &fixture.archive;

	(void)state;
	test_archive_text(a, "index.html", "<p>home</p>\n");
	test_archive_text(a, "digits.txt", "0123456789");
	test_archive_text(a, "empty", "");
	test_archive_text(a, "dir/index.html", "<p>dir</p>\n");
	test_archive_text(a, "bare/file.bin", "\001\002");
	test_archive_text(a, "a b.txt", "space");
	test_archive_text(a, "a[1].txt", "brackets");
	test_archive_text(a, "\xc3\xbc.txt", "umlaut");
	test_archive_text(a, "%64igits.html", "percent");
	test_archive_end(a);
	fixture.memory = test_site_build(&fixture.site, a);
	http_service_init(&fixture.service, &fixture.site, TEST_NOW);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(fixture.memory);
	free(fixture.archive.bytes);
	return 0;
}

#define FOR_EACH_CASE(c)                                                  \
	for (const struct conformance_case *c = next_case(NULL); c;       \
	     c = next_case(c))

static struct run whole, other;
static const struct conformance_case *running;

static const struct conformance_case *
next_case(const struct conformance_case *c)
{
	running = c ? c + 1 : conformance_cases;
	if (running == conformance_cases + ARRAY_SIZE(conformance_cases))
		running = NULL;
	return running;
}

// Names the case that ended a walk early.
static int
name_case(void **state)
{
	(void)state;
	if (running)
		print_message("in case: %s\n", running->name);
	return 0;
}

static void
every_case_gets_its_statuses(void **state)
{
	(void)state;
	FOR_EACH_CASE(c) {
		run_start(&whole);
		run_feed(&whole, c->raw, c->raw_len);
		check_run(&whole, c->expected);
	}
	assert_true(ARRAY_SIZE(conformance_cases) >= 200);
}

static void
assert_same_run(const struct run *a, const struct run *b)
{
	assert_string_equal(run_state(a), run_state(b));
	assert_int_equal(a->output_len, b->output_len);
	assert_memory_equal(a->output, b->output, a->output_len);
}

static void
splits_change_nothing(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	FOR_EACH_CASE(c) {
		run_start(&whole);
		run_feed(&whole, c->raw, c->raw_len);
		for (u32 round = 0; round < 8; round++) {
			u32 at = 0;

			run_start(&other);
			while (at < c->raw_len) {
				u32 n = round ? 1 + (u32)prng_below(&prng, 40) : 1;

				n = MIN(n, c->raw_len - at);
				run_feed(&other, c->raw + at, n);
				at += n;
			}
			assert_same_run(&whole, &other);
		}
	}
}

// The heart of request smuggling: does a request behind this one get answered,
// and only then?
static void
what_follows_is_answered_only_when_open(void **state)
{
	static const char next[] = "GET /dir/ HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	FOR_EACH_CASE(c) {
		bool open = strstr(c->expected, "open");
		char expected[64];

		if (strstr(c->expected, "wait"))
			continue;
		snprintf(expected, sizeof(expected), "%.*s%s",
			 (int)(strlen(c->expected) - (open ? 4 : 0)),
			 c->expected, open ? "200 open" : "");
		run_start(&whole);
		memcpy(other.raw, c->raw, c->raw_len);
		memcpy(other.raw + c->raw_len, next, sizeof(next) - 1);
		run_feed(&whole, other.raw, c->raw_len + (u32)sizeof(next) - 1);
		check_run(&whole, expected);
	}
}

static void
fill(char *at, u32 len)
{
	memset(at, 'a', len);
}

// A GET whose request line is `len` bytes long without its CRLF.
static u32
long_request_line(char *raw, u32 len)
{
	fill(raw, len);
	memcpy(raw, "GET /", 5);
	memcpy(raw + len - 9, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
	return len - 9 + 22;
}

// A GET whose header section is `len` bytes long with its empty line.
static u32
long_fields(char *raw, u32 len)
{
	static const char start[] = "GET / HTTP/1.1\r\n";
	u32 head = sizeof(start) - 1;

	fill(raw, head + len);
	memcpy(raw, start, head);
	memcpy(raw + head, "Host: a\r\nX: ", 12);
	memcpy(raw + head + len - 4, "\r\n\r\n", 4);
	return head + len;
}

static void
limits_are_exact(void **state)
{
	static char raw[32768];
	u32 len;

	(void)state;
	len = long_request_line(raw, HTTP_REQUEST_LINE_MAX);
	run_start(&whole);
	run_feed(&whole, raw, len);
	check_run(&whole, "404 open");
	len = long_request_line(raw, HTTP_REQUEST_LINE_MAX + 1);
	run_start(&whole);
	run_feed(&whole, raw, len);
	check_run(&whole, "414 close");
	len = long_fields(raw, HTTP_FIELDS_LEN_MAX);
	run_start(&whole);
	run_feed(&whole, raw, len);
	check_run(&whole, "200 open");
	len = long_fields(raw, HTTP_FIELDS_LEN_MAX + 1);
	run_start(&whole);
	run_feed(&whole, raw, len);
	check_run(&whole, "431 close");
}

// Lines without an end are refused as soon as they are too long.
static void
endless_lines_are_refused(void **state)
{
	static char raw[32768];

	(void)state;
	fill(raw, sizeof(raw));
	run_start(&whole);
	run_feed(&whole, raw, HTTP_REQUEST_LINE_MAX);
	check_run(&whole, "wait");
	run_feed(&whole, raw, 1);
	check_run(&whole, "501 close");
	memcpy(raw, "GET /", 5);
	run_start(&whole);
	run_feed(&whole, raw, HTTP_REQUEST_LINE_MAX + 1);
	check_run(&whole, "414 close");
	memcpy(raw, "HEAD / HTTP/1.1\r\nHost: a\r\nX: ", 29);
	run_start(&whole);
	run_feed(&whole, raw, sizeof(raw));
	check_run(&whole, "431h close");
}

static void
a_hundred_fields_and_no_more(void **state)
{
	char raw[2048];
	int len = snprintf(raw, sizeof(raw), "GET / HTTP/1.1\r\nHost: a\r\n");

	(void)state;
	for (u32 i = 0; i < HTTP_FIELDS_MAX - 1; i++)
		len += snprintf(raw + len, sizeof(raw) - (u32)len, "X: %u\r\n", i);
	memcpy(raw + len, "\r\n", 2);
	run_start(&whole);
	run_feed(&whole, raw, (u32)len + 2);
	check_run(&whole, "200 open");
	memcpy(raw + len, "Y: z\r\n\r\n", 8);
	run_start(&whole);
	run_feed(&whole, raw, (u32)len + 8);
	check_run(&whole, "431 close");
}

static void
content_beyond_the_limit_is_refused(void **state)
{
	static char raw[65536];
	static const char head[] =
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	u32 len = sizeof(head) - 1;

	(void)state;
	memcpy(raw, head, len);
	run_start(&whole);
	run_feed(&whole, raw, len);
	for (u32 i = 0; i < 65536 / 6 && !whole.shut; i++) {
		whole.raw_len = whole.used = 0;
		run_feed(&whole, "1\r\na\r\n", 6);
	}
	run_feed(&whole, "1\r\na\r\n", 6);
	check_run(&whole, "413 close");
	memset(raw, 'e', sizeof(raw));
	memcpy(raw, head, len);
	memcpy(raw + len, "3;", 2);
	run_start(&whole);
	run_feed(&whole, raw, sizeof(raw));
	whole.raw_len = whole.used = 0;
	run_feed(&whole, raw + 100, 1000);
	check_run(&whole, "413 close");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_case_gets_its_statuses,
					  name_case),
		cmocka_unit_test_teardown(splits_change_nothing,
					  name_case),
		cmocka_unit_test_teardown(what_follows_is_answered_only_when_open,
					  name_case),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(endless_lines_are_refused),
		cmocka_unit_test(a_hundred_fields_and_no_more),
		cmocka_unit_test(content_beyond_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
