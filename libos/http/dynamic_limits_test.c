// SPDX-License-Identifier: BSD-2-Clause
// What a dynamic connection does not let a client do: time-outs, limits, and what
// the protocol refuses, which is what the static connection refuses; and that no
// split of the input changes an answer.
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

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/http/conformance_cases.h"
#include "libos/http/test_dynamic.h"

static void
content_beyond_the_limit_is_refused(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Content-Length: 100001\r\n\r\n");
	assert_non_null(strstr(output, "HTTP/1.1 413 "));
	assert_int_equal(seen.requests, 0);
	start();
	feed(0, HEAD_OF("PUT", "/echo") "Transfer-Encoding: chunked\r\n\r\n"
	     "186A1\r\n");
	assert_non_null(strstr(output, "HTTP/1.1 413 "));
	assert_int_equal(seen.overs, 1);
	assert_int_equal(seen.wholes, 0);
}

static void
slow_content_is_timed_out_but_not_for_the_handlers_sake(void **state)
{
	static const char head[] =
		HEAD_OF("PUT", "/echo") "Content-Length: 20000\r\n\r\n";
	static char bytes[20000];

	(void)state;
	start();
	feed(0, head);
	feed_bytes(SECOND, bytes, 4096);
	tick(10 * SECOND, 0);
	assert_int_equal(output_len, 0);
	feed_bytes(11 * SECOND, bytes, 4095);
	tick(20 * SECOND, 0);
	assert_non_null(strstr(output, "HTTP/1.1 408 Request Timeout\r\n"));
	assert_int_equal(seen.overs, 1);
	// Here it is the handler that has no room.
	start();
	seen.room = 100;
	feed(0, head);
	assert_int_equal(feed_bytes(SECOND, bytes, 200), 100);
	tick(10 * SECOND, 0);
	tick(20 * SECOND, 0);
	assert_int_equal(output_len, 0);
	seen.room = 100;
	assert_int_equal(feed_bytes(21 * SECOND, bytes, 100), 100);
	tick(30 * SECOND, 0);
	assert_int_equal(output_len, 0);
	tick(40 * SECOND, 0);
	assert_non_null(strstr(output, "HTTP/1.1 408 Request Timeout\r\n"));
}

static void
heads_and_idleness_are_timed_out(void **state)
{
	(void)state;
	start();
	tick(10 * SECOND, 0);
	assert_int_equal(ending, 'F');
	start();
	feed(0, "GET / HT");
	tick(10 * SECOND, 0);
	assert_non_null(strstr(output, "HTTP/1.1 408 "));
	start();
	feed(0, HEAD_OF("GET", "/hello") "\r\n");
	tick(59 * SECOND, 0);
	assert_int_equal(ending, 0);
	tick(60 * SECOND, 0);
	assert_int_equal(ending, 'F');
}

static void
a_client_that_takes_nothing_is_reset(void **state)
{
	(void)state;
	start();
	feed(0, HEAD_OF("GET", "/late") "\r\n");
	answer(&conn, HTTP_OK, 5);
	take(0, 10);
	tick(20 * SECOND, conn.pace.sent_bytes);
	assert_int_equal(ending, 0);
	tick(40 * SECOND, conn.pace.sent_bytes);
	assert_int_equal(ending, 'A');
	assert_int_equal(seen.overs, 1);
}

static void
the_last_request_of_a_connection_closes_it(void **state)
{
	struct http_limits limits = http_limits_default;

	(void)state;
	start();
	limits.requests = 2;
	service.limits = &limits;
	feed(0, HEAD_OF("GET", "/hello") "\r\n" HEAD_OF("GET", "/hello") "\r\n"
	     HEAD_OF("GET", "/hello") "\r\n");
	assert_int_equal(seen.requests, 2);
	assert_int_equal(ending, 'F');
	http_dynamic_input_end(&conn);
	tick(0, 0);
	assert_int_equal(ending, 'R');
}

// What no handler is asked about: the strict cases of the static server, whose
// first answer is a refusal of the protocol.
static void
refusals_are_those_of_the_static_connection(void **state)
{
	static const char *const refusals[] = {
		"400", "413", "414", "417", "421", "431", "501", "505",
	};
	u32 count = 0;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(conformance_cases); i++) {
		const struct conformance_case *c = &conformance_cases[i];

		for (u32 j = 0; j < ARRAY_SIZE(refusals); j++) {
			if (strncmp(c->expected, refusals[j], 3))
				continue;
			start();
			feed_bytes(0, c->raw, c->raw_len);
			// A path is the handler's business.
			if (conn.state == HTTP_DYNAMIC_WAIT)
				continue;
			if (strncmp(output + 9, refusals[j], 3) || ending != 'F')
				fail_msg("%s: %.20s", c->name, output);
			assert_int_equal(seen.overs, seen.requests);
			count++;
		}
	}
	assert_true(count >= 150);
}

static void
splits_change_nothing(void **state)
{
	static char whole[sizeof(output)];
	static const char bytes[] =
		HEAD_OF("PUT", "/echo") "Content-Length: 11\r\n\r\nhello world"
		HEAD_OF("GET", "/hello") "\r\n"
		HEAD_OF("PUT", "/echo") "Transfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
		HEAD_OF("PUT", "/early") "Content-Length: 5\r\n\r\nhello";
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	start();
	feed(0, bytes);
	memcpy(whole, output, sizeof(whole));
	for (u32 round = 0; round < 200; round++) {
		u32 at = 0, come = 0;

		start();
		while (ending != 'F') {
			come += (u32)prng_below(&prng, sizeof(bytes) - come);
			seen.room = (u32)prng_below(&prng, 5);
			at += http_dynamic_input(&conn, 0, bytes + at, come - at);
			http_dynamic_check(&conn);
			take(0, prng_below(&prng, 40));
		}
		assert_string_equal(output, whole);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_beyond_the_limit_is_refused),
		cmocka_unit_test(slow_content_is_timed_out_but_not_for_the_handlers_sake),
		cmocka_unit_test(heads_and_idleness_are_timed_out),
		cmocka_unit_test(a_client_that_takes_nothing_is_reset),
		cmocka_unit_test(the_last_request_of_a_connection_closes_it),
		cmocka_unit_test(refusals_are_those_of_the_static_connection),
		cmocka_unit_test(splits_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
