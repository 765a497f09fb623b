// SPDX-License-Identifier: BSD-2-Clause
// The dynamic connection as its handler sees it: content handed on with back
// pressure, 100 (Continue), answers of a known length and in chunks, early and late
// ones, and the end of every exchange.
//
// links: libos/http/head.c libos/http/response.c libos/http/catalog.c
// links: libos/store/manifest.c libos/store/object.c
// links: libos/http/dynamic.c libos/http/dynamic_text.c
// links: libos/http/parse.c libos/http/target.c
// links: libos/http/date.c libos/http/body.c libos/http/status.c
// links: libos/http/text.c kernel/base/fmt.c kernel/base/string.c
// links: libos/http/conn.c libos/http/respond.c libos/http/path.c
// links: libos/http/range.c libos/http/condition.c libos/http/site.c
// links: libos/http/mime.c kernel/base/siphash.c libos/image/cpio.c libos/text/text.c
// links: harness/testing/host_assert.c libos/http/pace.c

#include "libos/http/test_dynamic.h"

static void
an_answer_byte_for_byte(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("GET", "/hello?a=b&c") "\r\n");
	assert_string_equal(output,
		"HTTP/1.1 200 OK\r\n"
		"Content-Type: text/plain\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Content-Length: 5\r\n"
		"Cache-Control: no-store\r\n"
		"Server: DEOS\r\n"
		"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		"\r\n"
		"12345");
	assert_string_equal(seen.path, "/hello");
	assert_string_equal(seen.query, "a=b&c");
	assert_int_equal(seen.wholes, 1);
	assert_int_equal(conn.state, HTTP_DYNAMIC_IDLE);
}

static void
methods_are_told_apart(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/hello") "Content-Length: 0\r\n\r\n");
	assert_int_equal(seen.method, HTTP_METHOD_PUT);
	feed(0, HEAD_OF("POST", "/hello") "\r\n");
	assert_int_equal(seen.method, HTTP_METHOD_POST);
	feed(0, HEAD_OF("DELETE", "/hello") "\r\n");
	assert_int_equal(seen.method, HTTP_METHOD_DELETE);
	feed(0, HEAD_OF("PATCH", "/hello") "\r\n");
	assert_int_equal(seen.method, HTTP_METHOD_OTHER);
	assert_int_equal(seen.wholes, 4);
}

static void
content_is_handed_on(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Content-Length: 11\r\n\r\nhello");
	assert_int_equal(seen.content_len, 5);
	assert_int_equal(seen.completes, 0);
	feed(0, " world" HEAD_OF("GET", "/hello") "\r\n");
	assert_int_equal(seen.completes, 1);
	assert_int_equal(seen.wholes, 2);
	assert_non_null(strstr(output, "\r\n\r\nhello worldHTTP/1.1 200 OK"));
}

static void
chunked_content_is_handed_on(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Transfer-Encoding: chunked\r\n\r\n"
	     "5;x=\"y\"\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: z\r\n\r\n");
	assert_int_equal(seen.wholes, 1);
	assert_non_null(strstr(output, "Content-Length: 11\r\n"));
	assert_non_null(strstr(output, "\r\n\r\nhello world"));
}

static void
what_the_handler_leaves_stays_with_the_transport(void **state)
{
	static const char bytes[] = HEAD_OF("PUT", "/echo")
		"Content-Length: 10\r\n\r\n0123456789";
	u32 used;

	(void)state;
	start();
	seen.room = 4;
	used = feed(0, bytes);
	assert_int_equal(used, sizeof(bytes) - 1 - 6);
	assert_int_equal(feed(0, bytes + used), 0);
	seen.room = 6;
	assert_int_equal(feed(0, bytes + used), 6);
	assert_non_null(strstr(output, "\r\n\r\n0123456789"));
}

static void
a_client_is_told_to_continue_only_when_content_is_wanted(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/echo")
	     "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_string_equal(output, "HTTP/1.1 100 Continue\r\n\r\n");
	feed(0, "abc");
	assert_non_null(strstr(output, "\r\n\r\nHTTP/1.1 200 OK\r\n"));
	assert_int_equal(ending, 0);
	start();
	feed(0, HEAD_OF("PUT", "/hello")
	     "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_null(strstr(output, "100 Continue"));
	assert_non_null(strstr(output, "Connection: close\r\n"));
	assert_int_equal(ending, 'F');
}

static void
an_early_answer_ends_the_connection(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/early") "Content-Length: 50000\r\n\r\nab");
	assert_non_null(strstr(output, "HTTP/1.1 409 Conflict\r\n"));
	assert_non_null(strstr(output, "Connection: close\r\n"));
	assert_int_equal(ending, 'F');
	assert_int_equal(seen.completes, 0);
	assert_int_equal(seen.overs, 1);
	// What still comes is dropped, not read as a request.
	feed(0, HEAD_OF("GET", "/hello") "\r\n");
	assert_int_equal(seen.requests, 1);
}

static void
content_that_nobody_wants_is_read_before_the_answer(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("GET", "/hello") "Content-Length: 3\r\n\r\nab");
	assert_int_equal(output_len, 0);
	feed(0, "c" HEAD_OF("GET", "/hello") "\r\n");
	assert_int_equal(seen.wholes, 2);
	start();
	feed(0, HEAD_OF("GET", "/hello") "Transfer-Encoding: chunked\r\n\r\nx");
	assert_non_null(strstr(output, "HTTP/1.1 400 "));
	assert_null(strstr(output, "200 OK"));
	assert_int_equal(seen.overs, 1);
	assert_int_equal(seen.wholes, 0);
	// Too much of it is not read at all.
	start();
	feed(0, HEAD_OF("GET", "/hello") "Content-Length: 70000\r\n\r\n");
	assert_non_null(strstr(output, "200 OK"));
	assert_int_equal(ending, 'F');
}

static void
bad_framing_ends_the_exchange(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Transfer-Encoding: chunked\r\n\r\n"
	     "3\r\nabcd");
	assert_non_null(strstr(output, "HTTP/1.1 400 Bad Request\r\n"));
	assert_non_null(strstr(output,
		"\r\n\r\n{\"error\":\"The request is not valid HTTP.\"}\n"));
	assert_int_equal(seen.overs, 1);
	assert_int_equal(seen.completes, 0);
	assert_int_equal(ending, 'F');
}

static void
an_answer_may_come_late(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("GET", "/late") "\r\n");
	assert_int_equal(conn.state, HTTP_DYNAMIC_WAIT);
	assert_true(http_dynamic_is_waiting(&conn));
	assert_int_equal(http_dynamic_deadline(&conn), UINT64_MAX);
	// The next request waits for its turn.
	assert_int_equal(feed(0, HEAD_OF("GET", "/hello") "\r\n"), 0);
	answer(&conn, HTTP_OK, 5);
	take(0, UINT64_MAX);
	assert_non_null(strstr(output, "12345"));
	assert_int_equal(conn.state, HTTP_DYNAMIC_IDLE);
}

static void
answers_in_chunks(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("GET", "/chunks") "\r\n");
	answer(&conn, HTTP_OK, HTTP_LEN_CHUNKED);
	take(0, UINT64_MAX);
	assert_non_null(strstr(output, "Transfer-Encoding: chunked\r\n"));
	assert_null(strstr(output, "Content-Length"));
	assert_non_null(strstr(output, "\r\n\r\n3\r\none\r\n7\r\ntwo two\r\n"
			       "5\r\nthree\r\n0\r\n\r\n"));
	assert_int_equal(seen.wholes, 1);
	assert_int_equal(ending, 0);
}

static void
http_1_0_gets_no_chunks(void **state)
{
	(void)state;
	start();
	feed(0, "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	answer(&conn, HTTP_OK, HTTP_LEN_CHUNKED);
	take(0, UINT64_MAX);
	assert_null(strstr(output, "Transfer-Encoding"));
	assert_non_null(strstr(output, "\r\n\r\nonetwo twothree"));
	assert_int_equal(ending, 'F');
	start();
	feed(0, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_non_null(strstr(output, "Connection: keep-alive\r\n"));
	assert_int_equal(ending, 0);
}

static void
head_gets_no_content(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("HEAD", "/hello") "\r\n");
	assert_non_null(strstr(output, "Content-Length: 5\r\n"));
	assert_null(strstr(output, "12345"));
	assert_int_equal(seen.wholes, 1);
	assert_int_equal(conn.state, HTTP_DYNAMIC_IDLE);
}

static void
an_answer_of_the_wrong_length_resets(void **state)
{
	static const u64 lens[] = { 4, 6 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(lens); i++) {
		start();
		feed(0, HEAD_OF("GET", "/late") "\r\n");
		answer(&conn, HTTP_OK, lens[i]);
		take(0, UINT64_MAX);
		assert_int_equal(ending, 'A');
		assert_int_equal(seen.overs, 1);
		assert_int_equal(seen.wholes, 0);
	}
	start();
	feed(0, HEAD_OF("GET", "/failing") "\r\n");
	answer(&conn, HTTP_OK, HTTP_LEN_CHUNKED);
	take(0, UINT64_MAX);
	assert_int_equal(ending, 'A');
	assert_int_equal(seen.overs, 1);
}

static void
a_client_that_breaks_off_ends_the_exchange(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Content-Length: 10\r\n\r\n01234");
	http_dynamic_input_end(&conn);
	feed(0, "");
	assert_int_equal(seen.overs, 1);
	assert_int_equal(seen.completes, 0);
	assert_int_equal(output_len, 0);
	assert_int_equal(ending, 'F');
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Content-Length: 10\r\n\r\n01234");
	http_dynamic_gone(&conn);
	http_dynamic_gone(&conn);
	assert_int_equal(seen.overs, 1);
	assert_int_equal(seen.wholes, 0);
}

// With back pressure, what is still in the receive buffer counts.
static void
a_half_closed_client_gets_its_answer(void **state)
{
	static const char bytes[] = HEAD_OF("PUT", "/echo")
		"Content-Length: 10\r\n\r\n0123456789";
	u32 used;

	(void)state;
	start();
	seen.room = 4;
	http_dynamic_input_end(&conn);
	used = feed(0, bytes);
	assert_int_equal(seen.overs, 0);
	seen.room = 6;
	feed(0, bytes + used);
	assert_int_equal(seen.wholes, 1);
	assert_non_null(strstr(output, "\r\n\r\n0123456789"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_byte_for_byte),
		cmocka_unit_test(methods_are_told_apart),
		cmocka_unit_test(content_is_handed_on),
		cmocka_unit_test(chunked_content_is_handed_on),
		cmocka_unit_test(what_the_handler_leaves_stays_with_the_transport),
		cmocka_unit_test(a_client_is_told_to_continue_only_when_content_is_wanted),
		cmocka_unit_test(an_early_answer_ends_the_connection),
		cmocka_unit_test(content_that_nobody_wants_is_read_before_the_answer),
		cmocka_unit_test(bad_framing_ends_the_exchange),
		cmocka_unit_test(an_answer_may_come_late),
		cmocka_unit_test(answers_in_chunks),
		cmocka_unit_test(http_1_0_gets_no_chunks),
		cmocka_unit_test(head_gets_no_content),
		cmocka_unit_test(an_answer_of_the_wrong_length_resets),
		cmocka_unit_test(a_client_that_breaks_off_ends_the_exchange),
		cmocka_unit_test(a_half_closed_client_gets_its_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
