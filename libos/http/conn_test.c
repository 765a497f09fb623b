// SPDX-License-Identifier: BSD-2-Clause
// The connection as its host sees it: exact bytes, what is lent and what is
// copied, back pressure, every timeout, the pace of slow clients, and how a
// connection ends.
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
#include "libos/http/conn.h"
#include "libos/http/test_site.h"

#define SECOND NS_PER_SECOND
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define BIG_LEN 100000

// A slow or stalling client costs this and nothing else.
STATIC_ASSERT(sizeof(struct http_conn) <= 1536);

static struct test_archive archive;
static struct site site;
static struct http_service service;
static struct http_conn conn;
static void *memory;
static char output[1 << 20];
static u64 output_len, lent_len;
static char ending;	// 'F' after SHUTDOWN, 'R' RELEASE, 'A' ABORT, else 0

static int
set_up(void **state)
{
	static u8 big[BIG_LEN];

	(void)state;
	for (u32 i = 0; i < BIG_LEN; i++)
		big[i] = (u8)(i * 7 + i / 256);
	test_archive_text(&archive, "index.html", "home");
	test_archive_text(&archive, "d.txt", "0123456789");
	test_archive_text(&archive, "dir/index.html", "dir");
	test_archive_file(&archive, "big.bin", big, BIG_LEN);
	test_archive_end(&archive);
	memory = test_site_build(&site, &archive);
	http_service_init(&service, &site, TEST_NOW);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(memory);
	free(archive.bytes);
	return 0;
}

static void
start(u64 now)
{
	output_len = lent_len = 0;
	ending = 0;
	http_conn_init(&conn, &service, &http_limits_default, now);
	http_conn_check(&conn);
}

// Takes output while there is room for it. Returns how much was taken.
static u64
take(u64 now, u64 room)
{
	struct http_output out;
	u64 before = output_len;

	while (http_conn_output(&conn, now, &out)) {
		if (out.kind != HTTP_OUTPUT_SEND) {
			ending = out.kind == HTTP_OUTPUT_SHUTDOWN ? 'F' :
				 out.kind == HTTP_OUTPUT_RELEASE ? 'R' : 'A';
			if (ending != 'F')
				break;
			continue;
		}
		u64 n = MIN(out.piece.len_bytes, room);

		if (n == 0)
			break;
		assert_true(output_len + n < sizeof(output));
		memcpy(output + output_len, out.piece.bytes, n);
		output_len += n;
		output[output_len] = 0;
		lent_len += out.piece.lent ? n : 0;
		room -= n;
		http_conn_sent(&conn, now, n);
		http_conn_check(&conn);
	}
	return output_len - before;
}

// Feeds text through the host's loop with room for everything.
static void
feed(u64 now, const char *text)
{
	u32 len = (u32)strlen(text), used;
	u64 sent;

	do {
		used = http_conn_input(&conn, now, text, len);
		http_conn_check(&conn);
		text += used;
		len -= used;
		sent = take(now, UINT64_MAX);
	} while (used || sent);
}

static void
tick(u64 now, u64 unacked)
{
	http_conn_tick(&conn, now, unacked);
	http_conn_check(&conn);
	take(now, UINT64_MAX);
}

static void
a_plain_get_byte_for_byte(void **state)
{
	(void)state;
	start(0);
	feed(0, GET("/d.txt"));
	assert_string_equal(output,
		"HTTP/1.1 200 OK\r\n"
		"Content-Length: 10\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Accept-Ranges: bytes\r\n"
		"ETag: \"9c574c1c784950fc137571cd7504988e\"\r\n"
		"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Server: DEOS\r\n"
		"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		"\r\n"
		"0123456789");
	assert_int_equal(lent_len, 10);
}

static void
the_time_is_told(void **state)
{
	(void)state;
	http_service_set_time(&service, TEST_NOW + 1);
	start(0);
	feed(0, GET("/"));
	assert_non_null(strstr(output, "\r\nDate: Tue, 14 Nov 2023 22:13:21 GMT\r\n"));
	http_service_set_time(&service, TEST_NOW);
}

static void
content_is_lent_in_place(void **state)
{
	const struct site_object *big = site_find(&site, "/big.bin", 8);
	struct http_output out;

	(void)state;
	start(0);
	assert_int_equal(http_conn_input(&conn, 0, GET("/big.bin"), 34), 34);
	assert_true(http_conn_output(&conn, 0, &out));
	assert_false(out.piece.lent);
	http_conn_sent(&conn, 0, out.piece.len_bytes);
	assert_true(http_conn_output(&conn, 0, &out));
	assert_true(out.piece.lent);
	assert_ptr_equal(out.piece.bytes, big->data);
	assert_int_equal(out.piece.len_bytes, BIG_LEN);
}

static void
head_is_get_without_content(void **state)
{
	static const char *const paths[] = { "/", "/d.txt", "/dir", "/none" };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		char request[64], head[1024];

		snprintf(request, sizeof(request),
			 "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
		start(0);
		feed(0, request);
		assert_true(output_len < sizeof(head));
		memcpy(head, output, output_len + 1);
		snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
		start(0);
		feed(0, request);
		assert_memory_equal(output, head, strlen(head));
		assert_true(output_len > strlen(head));
		assert_ptr_equal(strstr(output, "\r\n\r\n") + 4,
				 output + strlen(head));
	}
}

static void
redirects_keep_the_directory(void **state)
{
	(void)state;
	start(0);
	feed(0, GET("/dir?a=b"));
	assert_int_equal(conn.response.status, HTTP_MOVED_PERMANENTLY);
	assert_string_equal(output,
		"HTTP/1.1 301 Moved Permanently\r\n"
		"Content-Length: 180\r\n"
		"Content-Type: text/html; charset=utf-8\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Location: /dir/\r\n"
		"Server: DEOS\r\n"
		"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		"\r\n"
		"<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
		"<title>301 Moved Permanently</title>\n"
		"<h1>301 Moved Permanently</h1>\n"
		"<p>This is a directory: its address ends in a slash.</p>\n");
}

static void
several_ranges_are_parts(void **state)
{
	(void)state;
	start(0);
	feed(0, "GET /d.txt HTTP/1.1\r\nHost: a\r\n"
	     "Range: bytes=8-, 0-1, 1-2\r\n\r\n");
	assert_string_equal(output,
		"HTTP/1.1 206 Partial Content\r\n"
		"Content-Length: 265\r\n"
		"Content-Type: multipart/byteranges; "
		"boundary=9c574c1c784950fc137571cd7504988e\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Accept-Ranges: bytes\r\n"
		"ETag: \"9c574c1c784950fc137571cd7504988e\"\r\n"
		"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Server: DEOS\r\n"
		"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		"\r\n"
		"\r\n--9c574c1c784950fc137571cd7504988e\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Range: bytes 8-9/10\r\n"
		"\r\n"
		"89"
		"\r\n--9c574c1c784950fc137571cd7504988e\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Range: bytes 0-2/10\r\n"
		"\r\n"
		"012"
		"\r\n--9c574c1c784950fc137571cd7504988e--\r\n");
	assert_int_equal(lent_len, 5);
}

static void
random_ranges_carry_the_right_bytes(void **state)
{
	const u8 *big = site_find(&site, "/big.bin", 8)->data;
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 i = 0; i < 2000; i++) {
		u64 first = prng_below(&prng, BIG_LEN);
		u64 len = 1 + prng_below(&prng, BIG_LEN - first);
		char request[128], line[128];

		snprintf(request, sizeof(request), "GET /big.bin HTTP/1.1\r\n"
			 "Host: a\r\nRange: bytes=%u-%u\r\n\r\n", (u32)first,
			 (u32)(first + len - 1));
		snprintf(line, sizeof(line),
			 "\r\nContent-Range: bytes %u-%u/%u\r\n", (u32)first,
			 (u32)(first + len - 1), BIG_LEN);
		start(0);
		feed(0, request);
		assert_non_null(strstr(output, line));
		assert_int_equal(lent_len, len);
		assert_memory_equal(output + output_len - len, big + first, len);
	}
}

// Whatever the transport takes at a time, the bytes are the same, and no
// input is used while a response is on its way.
static void
back_pressure_changes_no_byte(void **state)
{
	static const char requests[] =
		GET("/d.txt") GET("/dir") GET("/none")
		"GET /big.bin HTTP/1.1\r\nHost: a\r\n"
		"Range: bytes=0-9,100-199,500-\r\n\r\n" GET("/");
	static char whole[sizeof(output)];
	u64 whole_len;
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	start(0);
	feed(0, requests);
	whole_len = output_len;
	memcpy(whole, output, whole_len);
	for (u32 round = 0; round < 20; round++) {
		u32 at = 0, len = sizeof(requests) - 1;

		start(0);
		while (at < len || conn.state == HTTP_CONN_SEND) {
			bool busy = conn.state == HTTP_CONN_SEND;
			u32 used = http_conn_input(&conn, 0, requests + at,
						   len - at);

			http_conn_check(&conn);
			assert_true(!busy || used == 0);
			at += used;
			take(0, 1 + prng_below(&prng, 1 << round % 16));
		}
		assert_int_equal(output_len, whole_len);
		assert_memory_equal(output, whole, whole_len);
	}
}

static void
a_head_has_ten_seconds(void **state)
{
	(void)state;
	start(5 * SECOND);
	assert_int_equal(http_conn_deadline(&conn), 15 * SECOND);
	feed(6 * SECOND, "GET");
	assert_int_equal(http_conn_deadline(&conn), 16 * SECOND);
	assert_int_equal(http_conn_input(&conn, 15 * SECOND, "GET /", 5), 0);
	assert_int_equal(http_conn_deadline(&conn), 16 * SECOND);
	tick(16 * SECOND - 1, 0);
	assert_int_equal(output_len, 0);
	tick(16 * SECOND, 0);
	assert_memory_equal(output, "HTTP/1.1 408 ", 13);
	assert_non_null(strstr(output, "\r\nConnection: close\r\n"));
	assert_int_equal(ending, 'F');
}

static void
a_silent_client_is_left_silently(void **state)
{
	(void)state;
	start(0);
	tick(10 * SECOND, 0);
	assert_int_equal(output_len, 0);
	assert_int_equal(ending, 'F');
}

static void
idle_connections_last_a_minute(void **state)
{
	u64 sent;

	(void)state;
	start(0);
	feed(SECOND, GET("/"));
	sent = output_len;
	tick(2 * SECOND, 0);
	tick(61 * SECOND - 1, 0);
	assert_int_equal(ending, 0);
	tick(61 * SECOND, 0);
	assert_int_equal(ending, 'F');
	assert_int_equal(output_len, sent);
}

static void
content_has_ten_seconds(void **state)
{
	(void)state;
	start(0);
	feed(0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
	for (u32 i = 1; i < 10; i++)
		feed(i * SECOND, "x");
	assert_int_equal(output_len, 0);
	tick(10 * SECOND, 0);
	assert_memory_equal(output, "HTTP/1.1 408 ", 13);
	assert_int_equal(ending, 'F');
}

static void
lingering_ends(void **state)
{
	static char junk[65536];

	(void)state;
	start(0);
	feed(0, "GET / HTTP/1.0\r\n\r\n");
	assert_int_equal(ending, 'F');
	tick(SECOND, 100);		// the FIN waits behind data: time starts anew
	assert_int_equal(http_conn_deadline(&conn), 3 * SECOND);
	tick(3 * SECOND, 0);
	assert_int_equal(ending, 'A');

	start(0);
	feed(0, "GET / HTTP/1.0\r\n\r\n");
	http_conn_input_end(&conn);
	tick(SECOND, 100);
	assert_int_equal(ending, 'F');
	tick(SECOND, 0);
	assert_int_equal(ending, 'R');

	start(0);
	feed(0, "GET / HTTP/1.0\r\n\r\n");
	for (u32 i = 0; i <= 16; i++) {
		assert_int_equal(ending, 'F');
		assert_int_equal(http_conn_input(&conn, 0, junk, sizeof(junk)),
				 sizeof(junk));
		take(0, UINT64_MAX);
	}
	assert_int_equal(ending, 'A');
}

static void
what_came_before_the_end_is_answered(void **state)
{
	(void)state;
	start(0);
	http_conn_input_end(&conn);
	feed(0, GET("/d.txt") GET("/d.txt"));
	assert_int_equal(lent_len, 20);
	assert_int_equal(ending, 'F');
	tick(0, 0);
	assert_int_equal(ending, 'R');

	start(0);
	feed(0, "GET / HTTP");
	http_conn_input_end(&conn);
	feed(0, "GET / HTTP");
	assert_int_equal(output_len, 0);
	assert_int_equal(ending, 'F');

	start(0);
	feed(0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
	http_conn_input_end(&conn);
	feed(0, "");
	assert_int_equal(output_len, 0);
	assert_int_equal(ending, 'F');
}

// The transport took all of a big object at once; the client acknowledges.
static void
a_client_must_keep_pace(void **state)
{
	u64 now = 0;

	(void)state;
	start(0);
	feed(0, GET("/big.bin"));
	for (u32 i = 1; i <= 10; i++) {		// 5 KiB each 20 s: slow but fine
		now = i * 20 * SECOND;
		assert_true(http_conn_deadline(&conn) <= now);
		tick(now, output_len - i * 5 * KIB);
		assert_int_equal(ending, 0);
	}
	tick(now + 20 * SECOND, output_len - 10 * 5 * KIB - 4095);
	assert_int_equal(ending, 'A');

	start(0);
	feed(0, GET("/big.bin"));
	tick(20 * SECOND, output_len);		// nothing yet: a first warning
	assert_int_equal(ending, 0);
	tick(40 * SECOND, output_len);
	assert_int_equal(ending, 'A');
}

// Small responses now and then never look slow, however often they come.
static void
small_responses_are_no_slow_client(void **state)
{
	(void)state;
	start(0);
	for (u64 s = 0; s < 200; s += 2) {
		u64 before = output_len;

		feed(s * SECOND, GET("/d.txt"));
		tick(s * SECOND, output_len - before);
		assert_int_equal(ending, 0);
	}
}

// A transport that is full because its client reads nothing.
static void
a_full_transport_is_watched_too(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(http_conn_input(&conn, 0, GET("/big.bin"), 34), 34);
	assert_int_equal(take(0, 5000), 5000);
	http_conn_tick(&conn, 20 * SECOND, 5000);
	assert_int_equal(http_conn_deadline(&conn), 40 * SECOND);
	http_conn_tick(&conn, 40 * SECOND, 5000);
	take(40 * SECOND, 0);
	assert_int_equal(ending, 'A');
}

static void
requests_on_a_connection_are_counted(void **state)
{
	struct http_limits limits = http_limits_default;

	(void)state;
	limits.requests = 3;
	start(0);
	http_conn_init(&conn, &service, &limits, 0);
	feed(0, GET("/d.txt") GET("/d.txt"));
	assert_null(strstr(output, "\r\nConnection: close\r\n"));
	feed(0, GET("/d.txt") GET("/d.txt"));
	assert_non_null(strstr(output, "\r\nConnection: close\r\n"));
	assert_int_equal(lent_len, 30);
	assert_int_equal(ending, 'F');
}

static void
http_1_0_is_told_that_the_connection_stays(void **state)
{
	(void)state;
	start(0);
	feed(0, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_non_null(strstr(output, "\r\nConnection: keep-alive\r\n"));
	assert_int_equal(ending, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_get_byte_for_byte),
		cmocka_unit_test(the_time_is_told),
		cmocka_unit_test(content_is_lent_in_place),
		cmocka_unit_test(head_is_get_without_content),
		cmocka_unit_test(redirects_keep_the_directory),
		cmocka_unit_test(several_ranges_are_parts),
		cmocka_unit_test(random_ranges_carry_the_right_bytes),
		cmocka_unit_test(back_pressure_changes_no_byte),
		cmocka_unit_test(a_head_has_ten_seconds),
		cmocka_unit_test(a_silent_client_is_left_silently),
		cmocka_unit_test(idle_connections_last_a_minute),
		cmocka_unit_test(content_has_ten_seconds),
		cmocka_unit_test(lingering_ends),
		cmocka_unit_test(what_came_before_the_end_is_answered),
		cmocka_unit_test(a_client_must_keep_pace),
		cmocka_unit_test(small_responses_are_no_slow_client),
		cmocka_unit_test(a_full_transport_is_watched_too),
		cmocka_unit_test(requests_on_a_connection_are_counted),
		cmocka_unit_test(http_1_0_is_told_that_the_connection_stays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
