// SPDX-License-Identifier: BSD-2-Clause
// Sessions against a host that a test plays: who is asked what and when, uploads that
// fail early, clients that go, answers that wait for a buffer, errors of any bytes.
//
// links: cluster/api/metrics.c cluster/api/reasons.c
// links: cluster/api/session.c cluster/api/json.c cluster/api/show.c
// links: cluster/api/show_far.c cluster/api/call.c cluster/record/record.c
// links: cluster/record/codec.c cluster/record/change.c libos/http/dynamic.c
// links: libos/http/dynamic_text.c libos/http/parse.c libos/http/target.c
// links: libos/http/date.c libos/http/body.c libos/http/status.c libos/http/text.c
// links: kernel/base/fmt.c kernel/base/string.c harness/testing/host_assert.c
// links: libos/http/pace.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/api/session.h"

#define SESSIONS (API_BUFFERS + 1)
#define HEAD(line) line " HTTP/1.1\r\nHost: a\r\n"

static struct api_server server;
static struct api_session session[SESSIONS];
static char output[SESSIONS][API_ANSWER_MAX + 1024];
static u32 output_len[SESSIONS];
static struct view view = { .member_count = 1, .holder = VIEW_NONE };
static struct sys_info sys;
static struct fabric_info fabric;
static struct api_tables tables = { .sys = &sys, .fabric = &fabric };
static struct api_state state = {
	.view = &view, .tables = &tables, .reason = "", .coordinator = VIEW_NONE,
};

// What the host does, and was asked.
static struct {
	enum api_progress progress;
	const char *refusal;
	u32 room;
	u32 begun, fed, finished, polled, aborted;
	u64 bytes;
} host;

static const struct api_state *
host_state(void *user)
{
	(void)user;
	return &state;
}

static bool
host_begin(void *user, struct api_session *s, u64 bytes, struct api_error *error)
{
	(void)user;
	(void)s;
	host.begun++;
	host.bytes = bytes;
	if (host.refusal)
		api_say(error, HTTP_UNAVAILABLE, "%s", host.refusal);
	return !host.refusal;
}

static u32
host_feed(void *user, struct api_session *s, const void *bytes, u32 len)
{
	u32 n = MIN(len, host.room);

	(void)user;
	(void)s;
	(void)bytes;
	host.room -= n;
	host.fed += n;
	return n;
}

static void
host_finish(void *user, struct api_session *s)
{
	(void)user;
	(void)s;
	host.finished++;
}

static enum api_progress
host_poll(void *user, struct api_session *s, struct json *json, struct api_error *error)
{
	(void)user;
	(void)s;
	host.polled++;
	if (host.progress == API_DONE)
		api_show_site_done(json, 5, 6, 7);
	if (host.progress == API_FAILED)
		api_say(error, HTTP_CONFLICT, "it \"failed\"");
	return host.progress;
}

static void
host_abort(void *user, struct api_session *s)
{
	(void)user;
	(void)s;
	host.aborted++;
}

static const struct api_host ops = {
	host_state, host_begin, host_feed, host_finish, host_poll, host_abort,
};

static int
set_up(void **s)
{
	(void)s;
	memset(&host, 0, sizeof(host));
	host.room = ~0u;
	memset(output_len, 0, sizeof(output_len));
	api_server_init(&server, &ops, NULL, 1700000000);
	for (u32 i = 0; i < SESSIONS; i++)
		api_session_init(&session[i], &server, 0);
	return 0;
}

static void
take(u32 i, u32 room)
{
	struct http_output out;

	while (room && http_dynamic_output(&session[i].http, 0, &out) &&
	       out.kind == HTTP_OUTPUT_SEND) {
		u32 n = (u32)MIN(out.piece.len_bytes, room);

		assert_true(output_len[i] + n < sizeof(output[i]));
		memcpy(output[i] + output_len[i], out.piece.bytes, n);
		output_len[i] += n;
		output[i][output_len[i]] = 0;
		room -= n;
		http_dynamic_sent(&session[i].http, 0, n);
		http_dynamic_check(&session[i].http);
	}
}

// Shows text; returns how much of it was used.
static u32
feed(u32 i, const char *text, u32 room)
{
	u32 used = http_dynamic_input(&session[i].http, 0, text, (u32)strlen(text));

	http_dynamic_check(&session[i].http);
	take(i, room);
	return used;
}

static void
assert_says(u32 i, const char *status, const char *content)
{
	if (strncmp(output[i], status, strlen(status)) || !strstr(output[i], content))
		fail_msg("%s", output[i]);
}

static void
state_is_shown_at_once(void **s)
{
	(void)s;
	feed(0, HEAD("GET /api/status") "\r\n", ~0u);
	assert_says(0, "HTTP/1.1 200 OK", "\r\n\r\n{\"cluster\":null,\"formed\":false");
	assert_int_equal(host.begun + host.polled, 0);
	assert_int_equal(server.buffers_used, 0);
}

static void
an_upload_is_fed_finished_and_polled(void **s)
{
	(void)s;
	feed(0, HEAD("PUT /api/site") "Content-Length: 6\r\n\r\nabc", ~0u);
	assert_int_equal(host.fed, 3);
	assert_true(host.bytes == 6);
	assert_int_equal(host.finished, 0);
	host.progress = API_PENDING;
	feed(0, "def", ~0u);
	assert_int_equal(host.finished, 1);
	assert_int_equal(output_len[0], 0);
	host.progress = API_DONE;
	api_session_poll(&session[0]);
	take(0, ~0u);
	assert_says(0, "HTTP/1.1 200 OK",
		    "\r\n\r\n{\"generation\":5,\"files\":6,\"bytes\":7}\n");
	assert_int_equal(host.aborted, 0);
}

static void
an_upload_that_fails_is_answered_before_its_end(void **s)
{
	(void)s;
	host.room = 2;
	host.progress = API_PENDING;
	assert_int_equal(feed(0, HEAD("PUT /api/site") "Content-Length: 100000\r\n\r\nabc",
			      ~0u), strlen(HEAD("PUT /api/site")) + 26 + 2);
	assert_int_equal(output_len[0], 0);
	host.progress = API_FAILED;
	api_session_poll(&session[0]);
	take(0, ~0u);
	assert_says(0, "HTTP/1.1 409 Conflict",
		    "\r\n\r\n{\"error\":\"it \\\"failed\\\"\"}\n");
	assert_non_null(strstr(output[0], "Connection: close"));
	assert_int_equal(host.aborted, 0);
}

static void
what_cannot_begin_is_refused_without_its_content(void **s)
{
	(void)s;
	host.refusal = "not now";
	feed(0, HEAD("PUT /api/site") "Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
	     ~0u);
	assert_says(0, "HTTP/1.1 503 Service Unavailable", "{\"error\":\"not now\"}\n");
	assert_int_equal(host.fed + host.polled + host.aborted, 0);
}

static void
a_client_that_goes_is_told_once(void **s)
{
	(void)s;
	feed(0, HEAD("PUT /api/site") "Content-Length: 6\r\n\r\nabc", ~0u);
	http_dynamic_gone(&session[0].http);
	http_dynamic_gone(&session[0].http);
	assert_int_equal(host.aborted, 1);
	feed(1, HEAD("GET /api/events") "\r\n", ~0u);	// pending
	http_dynamic_gone(&session[1].http);
	assert_int_equal(host.aborted, 2);
	feed(2, HEAD("GET /api/status") "\r\n", 10);	// nothing of the host's
	http_dynamic_gone(&session[2].http);
	assert_int_equal(host.aborted, 2);
	assert_int_equal(server.buffers_used, 0);
}

static void
answers_wait_for_a_buffer(void **s)
{
	u32 last = SESSIONS - 1;

	(void)s;
	for (u32 i = 0; i < last; i++)
		feed(i, HEAD("GET /api/status") "\r\n", 10);
	assert_int_equal(server.buffers_used, (1u << API_BUFFERS) - 1);
	feed(last, HEAD("GET /api/status") "\r\n", ~0u);
	assert_int_equal(output_len[last], 0);
	api_session_poll(&session[last]);
	assert_int_equal(output_len[last], 0);
	take(1, ~0u);
	api_session_poll(&session[last]);
	take(last, ~0u);
	assert_says(last, "HTTP/1.1 200 OK", "{\"cluster\":null");
	// An error needs none.
	take(0, ~0u);
	take(2, ~0u);
	take(3, ~0u);
	assert_int_equal(server.buffers_used, 0);
}

static void
an_error_of_any_bytes_fits(void **s)
{
	static char refusal[API_SENTENCE_SIZE];

	(void)s;
	memset(refusal, 1, sizeof(refusal) - 1);
	host.refusal = refusal;
	feed(0, HEAD("DELETE /api/jobs/x") "\r\n", ~0u);
	assert_says(0, "HTTP/1.1 503", "\\u0001\\u0001\"}\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(state_is_shown_at_once, set_up),
		cmocka_unit_test_setup(an_upload_is_fed_finished_and_polled, set_up),
		cmocka_unit_test_setup(an_upload_that_fails_is_answered_before_its_end,
				       set_up),
		cmocka_unit_test_setup(what_cannot_begin_is_refused_without_its_content,
				       set_up),
		cmocka_unit_test_setup(a_client_that_goes_is_told_once, set_up),
		cmocka_unit_test_setup(answers_wait_for_a_buffer, set_up),
		cmocka_unit_test_setup(an_error_of_any_bytes_fits, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
