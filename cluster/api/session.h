// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The control API on one connection: what stands between libos/http's dynamic
// connection and whoever knows and does things (struct api_host: the agent, or a test
// server with a state of its own). Sans-IO.
//
// What the host's state answers is written at once. Everything else is an operation
// of the host: begun with the request, fed with its content, asked for its result in
// each round of the loop, and aborted when the client is gone. The host may keep what
// it needs in session->operation.
//
// A host's loop is that of http_dynamic (session->http is the connection), with
// session->now_ns set before, and api_session_poll() in each round. Answers longer
// than an error are written into one of API_BUFFERS buffers; without a free one the
// answer waits. The metrics come through such a buffer piece by piece, however long they
// are.

#include "cluster/api/call.h"
#include "cluster/api/state.h"
#include "libos/http/dynamic.h"

#define API_PORT_NUMBER 7077u
#define API_ANSWER_MAX (64u * KIB)
#define API_BUFFERS 4u
// An error's sentence fits even if every byte of it has to be escaped.
#define API_TEXT_MAX (6 * API_SENTENCE_SIZE + 16 + JSON_TAIL)
#define API_CONTENT_MAX (1ull << 40)

struct api_session;

enum api_progress {
	API_PENDING,
	API_DONE,		// the answer was written as JSON
	API_FAILED,		// *error says why
};

struct api_host {
	// The state at this moment, valid until the host's next step.
	const struct api_state *(*state)(void *user);
	// Begins session->call. `bytes` is the length of its content, or
	// HTTP_LEN_CHUNKED when that is not known. False: *error says why not.
	bool (*begin)(void *user, struct api_session *session, u64 bytes,
		      struct api_error *error);
	// Content. Returns how much of it was taken.
	u32 (*feed)(void *user, struct api_session *session, const void *bytes,
		    u32 len);
	void (*finish)(void *user, struct api_session *session);
	// How far it is. Writes JSON only with DONE. After DONE and FAILED the host
	// has forgotten it.
	enum api_progress (*poll)(void *user, struct api_session *session,
				  struct json *json, struct api_error *error);
	// The client is gone.
	void (*abort)(void *user, struct api_session *session);
};

// What all sessions share.
struct api_server {
	struct http_dynamic_service service;
	const struct api_host *host;
	void *user;
	u32 buffers_used;			// a bit each
	char buffer[API_BUFFERS][API_ANSWER_MAX];
};

struct api_session {
	struct http_dynamic http;
	struct api_server *server;
	u64 now_ns;			// of this round: the host sets it
	void *operation;		// the host's
	bool pending;			// no answer is known yet
	bool begun;			// the host works on it
	u32 buffer;			// index, or API_BUFFERS: none
	struct http_piece answer;	// to be produced
	bool streams;			// pieces of the metrics are
	u64 metrics_next;		// of them, as api_metrics() says
	struct api_call call;
	struct api_error error;
	char text[API_TEXT_MAX];	// of an error
};

// 10 s for heads and 60 s for 4 KiB of content: whoever sends may be looking for
// it meanwhile.
extern const struct http_limits api_limits;

void
api_server_init(struct api_server *server, const struct api_host *host, void *user,
		u64 unix_seconds);

void
api_session_init(struct api_session *session, struct api_server *server, u64 now_ns);

// Answers if an answer is known by now.
void
api_session_poll(struct api_session *session);

// What operations of the host answer.
void
api_show_site_done(struct json *json, u64 generation, u32 files, u64 bytes);
void
api_show_job_done(struct json *json, const char *name, u32 id);
