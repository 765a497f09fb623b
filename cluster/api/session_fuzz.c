// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the API from the bytes of a connection to what the host is asked: routes,
// parameters, uploads and operations that end in any way and at any time.
//
// The first eight bytes of an input seed what the host does, and whether a route's line
// comes first, up to its query or its headers; the rest is what a client sends, in
// pieces. The host checks the order in which it is called; every answer's content is JSON
// of the length that was said, and buffers are never lost.
//
// words: \sHTTP/1.1\r\nHost:\sa\r\n\r\n \r\n\r\n \r\n Content-Length:\s9\r\n\r\n ?count=2 &port=80
// words: &frames=64 &slices=1 &args=b ?node=1&since=1 ?lines=9 \r\n0\r\n\r\n
// words: Transfer-Encoding:\schunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n
//
// links: cluster/api/metrics.c cluster/api/reasons.c
// links: cluster/api/session.c cluster/api/json.c cluster/api/show.c
// links: cluster/api/show_far.c cluster/api/call.c cluster/record/record.c
// links: cluster/record/codec.c cluster/record/change.c libos/http/dynamic.c
// links: libos/http/dynamic_text.c libos/http/parse.c libos/http/target.c
// links: libos/http/date.c libos/http/body.c libos/http/status.c libos/http/text.c
// links: kernel/base/fmt.c kernel/base/string.c harness/testing/host_assert.c
// links: libos/http/pace.c

#include <stdio.h>
#include <string.h>

#include "cluster/api/session.h"
#include "kernel/base/assert.h"
#include "kernel/base/prng.h"

#define INPUT_MAX 16384u
#define TEXT_MAX (INPUT_MAX + 256u)

static struct prng prng;
static struct api_server server;
static struct api_session session;
static struct view view = { .member_count = 1, .holder = VIEW_NONE };
static struct sys_info sys;
static struct fabric_info fabric;
static struct api_tables tables = { .sys = &sys, .fabric = &fabric };
static struct api_state state = { .view = &view, .tables = &tables, .reason = "" };
static enum { IDLE, BEGUN, FINISHED } phase;

static bool
chance(u32 one_in)
{
	return prng_below(&prng, one_in) == 0;
}

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
	(void)bytes;
	ASSERT(phase == IDLE && s->call.route < API_ROUTE_COUNT);
	ASSERT(strlen(s->call.name) < API_NAME_SIZE);
	ASSERT(strlen(s->call.args) < RECORD_ARGUMENTS_SIZE);
	if (chance(4)) {
		api_say(error, HTTP_NOT_FOUND, "no `%s`", s->call.name);
		return false;
	}
	phase = BEGUN;
	return true;
}

static u32
host_feed(void *user, struct api_session *s, const void *bytes, u32 len)
{
	(void)user;
	(void)s;
	(void)bytes;
	ASSERT(phase == BEGUN);
	return (u32)prng_below(&prng, len + 1);
}

static void
host_finish(void *user, struct api_session *s)
{
	(void)user;
	(void)s;
	ASSERT(phase == BEGUN);
	phase = FINISHED;
}

static enum api_progress
host_poll(void *user, struct api_session *s, struct json *json, struct api_error *error)
{
	bool upload = s->call.route == API_SITE_PUT || s->call.route == API_JOB_PUT;

	(void)user;
	ASSERT(phase != IDLE);
	if (chance(3))
		return API_PENDING;
	if (chance(2) || (upload && phase == BEGUN)) {
		if (upload && phase == BEGUN && chance(2))
			return API_PENDING;
		phase = IDLE;
		api_say(error, HTTP_CONFLICT, "%s", s->call.name);
		return API_FAILED;
	}
	phase = IDLE;
	api_show_job_done(json, s->call.name, 1);
	return API_DONE;
}

static void
host_abort(void *user, struct api_session *s)
{
	(void)user;
	(void)s;
	ASSERT(phase != IDLE);
	phase = IDLE;
}

static const struct api_host host = {
	host_state, host_begin, host_feed, host_finish, host_poll, host_abort,
};

// Takes what there is. Returns false when the connection is over.
static bool
take(u64 now)
{
	struct http_output out;

	while (http_dynamic_output(&session.http, now, &out)) {
		u64 n = out.piece.len_bytes;

		if (out.kind == HTTP_OUTPUT_SHUTDOWN)
			continue;
		if (out.kind != HTTP_OUTPUT_SEND)
			return false;
		// Whole documents of JSON: they end in a line end, and hold no other.
		if (out.piece.bytes == session.answer.bytes && n > 1 &&
		    session.call.route != API_METRICS)
			ASSERT(memchr(out.piece.bytes, '\n', n - 1) == NULL);
		http_dynamic_sent(&session.http, now, prng_below(&prng, n) + 1);
		http_dynamic_check(&session.http);
		if (chance(4))
			break;
	}
	return true;
}

// What a client sends: the input, mostly behind the line of a route. Returns its length.
static u32
compose(u64 seed, const u8 *data, u32 len, u8 text[TEXT_MAX])
{
	const struct api_row *row = api_row((enum api_route)(seed / 4 % API_ROUTE_COUNT));
	int before = 0;

	if (seed & 3)
		before = snprintf((char *)text, TEXT_MAX - INPUT_MAX, "%s %s%s",
				  row->method_name, row->path,
				  (seed & 3) == 3 ? " HTTP/1.1\r\nHost: a\r\n" : "");
	memcpy(text + before, data, len);
	return (u32)before + len;
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 text[TEXT_MAX];
	u32 used = 0, come = 0, len;
	u64 seed, now = 0;

	if (size < 8 || size > INPUT_MAX)
		return 0;
	memcpy(&seed, data, 8);
	prng_seed(&prng, seed);
	len = compose(seed, data + 8, (u32)size - 8, text);
	phase = IDLE;
	api_server_init(&server, &host, NULL, 1700000000);
	api_session_init(&session, &server, now);
	for (u32 round = 0; round < 400; round++) {
		session.now_ns = now;
		come += (u32)prng_below(&prng, MIN(len - come, 400u) + 1);
		used += http_dynamic_input(&session.http, now, text + used, come - used);
		http_dynamic_check(&session.http);
		ASSERT(used <= come);
		api_session_poll(&session);
		if (!take(now))
			break;
		if (chance(50))
			http_dynamic_input_end(&session.http);
		now += prng_below(&prng, NS_PER_SECOND);
		http_dynamic_tick(&session.http, now, 0);
	}
	http_dynamic_gone(&session.http);
	ASSERT(phase == IDLE && server.buffers_used == 0);
	return 0;
}
