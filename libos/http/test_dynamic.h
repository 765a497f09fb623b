// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// For the tests of this folder only: a dynamic connection, its host's loop with
// room for all or part of the output, and a handler that notes what it sees and
// whose answers depend on the path.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libos/http/dynamic.h"

#define SECOND NS_PER_SECOND
#define NOW_UNIX 1700000000ull
#define CONTENT_MAX 100000u
#define HEAD_OF(method, path) method " " path " HTTP/1.1\r\nHost: a\r\n"

// What the handler saw and is told to do. Paths: /echo answers with the content
// that it took, /early answers at its first byte, /late only when told to,
// /chunks in three chunks, /short and /long not what they promised.
static struct handler_state {
	char content[CONTENT_MAX + 1];
	u32 content_len;
	u32 room;		// content that it still takes
	u32 requests, completes, overs, wholes;
	u32 piece;
	char path[64], query[64];
	enum http_method method;
} seen;

static struct http_dynamic_service service;
static struct http_dynamic conn;
static char output[1 << 18];
static u32 output_len;
static char ending;	// 'F' after SHUTDOWN, 'R' RELEASE, 'A' ABORT, else 0

static inline void
answer(struct http_dynamic *c, enum http_status status, u64 len)
{
	const struct http_answer a = { status, "text/plain", "", len };

	http_dynamic_answer(c, 0, &a);
}

static bool
on_request(void *user, struct http_dynamic *c, const struct http_request *r,
	   const char *head)
{
	assert_ptr_equal(user, &seen);
	assert_int_equal(seen.requests, seen.overs);
	seen.requests++;
	seen.method = r->method;
	seen.content_len = seen.piece = 0;
	snprintf(seen.path, sizeof(seen.path), "%.*s", (int)r->path_len,
		 head + r->path_at);
	snprintf(seen.query, sizeof(seen.query), "%.*s", (int)r->query_len,
		 head + r->query_at);
	if (!strcmp(seen.path, "/hello"))
		answer(c, HTTP_OK, 5);
	return !strcmp(seen.path, "/echo") || !strcmp(seen.path, "/early");
}

static u32
on_content(void *user, struct http_dynamic *c, const char *bytes, u32 len)
{
	u32 n = MIN(len, seen.room);

	(void)user;
	assert_true(len > 0);
	if (!strcmp(seen.path, "/early")) {
		answer(c, HTTP_CONFLICT, 5);
		return 0;
	}
	assert_true(n <= CONTENT_MAX - seen.content_len);
	memcpy(seen.content + seen.content_len, bytes, n);
	seen.content_len += n;
	seen.room -= n;
	return n;
}

static void
on_complete(void *user, struct http_dynamic *c)
{
	(void)user;
	seen.completes++;
	if (!strcmp(seen.path, "/echo"))
		answer(c, HTTP_OK, seen.content_len);
}

static enum http_produced
on_produce(void *user, struct http_dynamic *c, struct http_piece *piece)
{
	static const char *const chunks[] = { "one", "two two", "three" };

	(void)user;
	(void)c;
	if (!strcmp(seen.path, "/chunks")) {
		if (seen.piece == 3)
			return HTTP_PRODUCED_END;
		*piece = (struct http_piece){ chunks[seen.piece],
					      strlen(chunks[seen.piece]), false };
		seen.piece++;
		return HTTP_PRODUCED_PIECE;
	}
	if (seen.piece++)
		return HTTP_PRODUCED_END;
	if (!strcmp(seen.path, "/failing"))
		return HTTP_PRODUCED_FAILED;
	if (!strcmp(seen.path, "/echo"))
		*piece = (struct http_piece){ seen.content, seen.content_len, false };
	else
		*piece = (struct http_piece){ "12345", 5, false };
	return HTTP_PRODUCED_PIECE;
}

static void
on_over(void *user, struct http_dynamic *c, bool whole)
{
	(void)user;
	(void)c;
	seen.overs++;
	seen.wholes += whole;
}

static const struct http_handler handler = {
	on_request, on_content, on_complete, on_produce, on_over,
};

static inline void
start(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.room = CONTENT_MAX;
	output_len = 0;
	output[0] = ending = 0;
	http_dynamic_service_init(&service, &handler, &http_limits_default,
				  CONTENT_MAX, NOW_UNIX);
	http_dynamic_init(&conn, &service, &seen, 0);
	http_dynamic_check(&conn);
}

// Takes output while there is room for it. Returns how much was taken.
static inline u32
take(u64 now, u64 room)
{
	struct http_output out;
	u32 before = output_len;

	while (http_dynamic_output(&conn, now, &out)) {
		http_dynamic_check(&conn);
		if (out.kind != HTTP_OUTPUT_SEND) {
			ending = out.kind == HTTP_OUTPUT_SHUTDOWN ? 'F' :
				 out.kind == HTTP_OUTPUT_RELEASE ? 'R' : 'A';
			if (ending != 'F')
				break;
			continue;
		}
		u32 n = (u32)MIN(out.piece.len_bytes, room);

		if (n == 0)
			break;
		assert_true(output_len + n < sizeof(output));
		memcpy(output + output_len, out.piece.bytes, n);
		output_len += n;
		output[output_len] = 0;
		room -= n;
		http_dynamic_sent(&conn, now, n);
		http_dynamic_check(&conn);
	}
	http_dynamic_check(&conn);
	return output_len - before;
}

// The host's loop over bytes that came, with room for all output. Returns how
// many were used.
static inline u32
feed_bytes(u64 now, const char *bytes, u32 len)
{
	u32 all = 0, used, sent;

	do {
		used = http_dynamic_input(&conn, now, bytes + all, len - all);
		http_dynamic_check(&conn);
		all += used;
		sent = take(now, UINT64_MAX);
	} while (used || sent);
	return all;
}

static inline u32
feed(u64 now, const char *text)
{
	return feed_bytes(now, text, (u32)strlen(text));
}

static inline void
tick(u64 now, u64 unacked)
{
	http_dynamic_tick(&conn, now, unacked);
	http_dynamic_check(&conn);
	take(now, UINT64_MAX);
}
