// SPDX-License-Identifier: BSD-2-Clause
// The handler of the control API's connections.
//
// Invariants:
//  S1  `pending` from a request that was understood to its answer; `begun` only while
//      pending, from the host's begin() to its result or abort().
//  S2  a buffer is held only from an answer's writing to the end of its exchange.
//  S3  an answer leaves from this session's text or its buffer, whole; the metrics from
//      its buffer, which is written again when a piece has gone.

#include "cluster/api/session.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

const struct http_limits api_limits = {
	.head_timeout_ns = 10 * NS_PER_SECOND,
	.idle_timeout_ns = 60 * NS_PER_SECOND,
	.body_timeout_ns = 60 * NS_PER_SECOND,
	.linger_timeout_ns = 2 * NS_PER_SECOND,
	.pace_interval_ns = 20 * NS_PER_SECOND,
	.pace_bytes = 4 * KIB,
	.body_bytes = 64 * KIB,
	.linger_bytes = 1 * MIB,
	.requests = 10000,
};

static const struct api_host *
host_of(const struct api_session *session)
{
	return session->server->host;
}

static void
give_buffer(struct api_session *session)
{
	if (session->buffer == API_BUFFERS)
		return;
	ASSERT(session->server->buffers_used & 1u << session->buffer);
	session->server->buffers_used &= ~(1u << session->buffer);
	session->buffer = API_BUFFERS;
}

static bool
take_buffer(struct api_session *session)
{
	struct api_server *server = session->server;

	ASSERT(session->buffer == API_BUFFERS);
	for (u32 i = 0; i < API_BUFFERS; i++) {
		if (server->buffers_used & 1u << i)
			continue;
		server->buffers_used |= 1u << i;
		session->buffer = i;
		return true;
	}
	return false;
}

static void
answer(struct api_session *session, enum http_status status, const char *fields,
       const char *bytes, u32 len)
{
	bool metrics = session->call.route == API_METRICS && status == HTTP_OK;
	const struct http_answer head = {
		status, metrics ? "text/plain; version=0.0.4" : "application/json",
		fields, metrics ? HTTP_LEN_CHUNKED : len
	};

	session->pending = session->begun = false;
	session->answer = (struct http_piece){ bytes, len, false };
	http_dynamic_answer(&session->http, session->now_ns, &head);
}

// Answers with session->error.
static void
answer_error(struct api_session *session)
{
	const struct api_error *error = &session->error;
	struct json json;
	u32 len;

	json_begin(&json, session->text, sizeof(session->text));
	json_open_object(&json, NULL);
	json_string(&json, "error", error->sentence);
	json_close(&json);
	len = json_end(&json);
	ASSERT(len > 0);
	answer(session, error->status, error->allow, session->text, len);
}

static void
answer_json(struct api_session *session, struct json *json)
{
	u32 len = json_end(json);

	if (len) {
		answer(session, HTTP_OK, "", json->at, len);
		return;
	}
	give_buffer(session);
	api_say(&session->error, HTTP_INTERNAL_ERROR,
		"the answer is longer than %u bytes", (u32)API_ANSWER_MAX);
	answer_error(session);
}

// The routes that the host's state answers.
static bool
show(struct api_session *session, struct json *json)
{
	void *user = session->server->user;

	switch (session->call.route) {
	case API_INDEX:
		api_show_index(json);
		return true;
	case API_STATUS:
		api_show_status(json, host_of(session)->state(user));
		return true;
	case API_NODES:
		api_show_nodes(json, host_of(session)->state(user));
		return true;
	case API_JOBS:
		api_show_jobs(json, host_of(session)->state(user));
		return true;
	case API_VIEW:
		api_show_view(json, host_of(session)->state(user)->view);
		return true;
	default:
		return false;
	}
}

static bool
is_shown(enum api_route route)
{
	return route == API_INDEX || route == API_STATUS || route == API_NODES ||
	       route == API_JOBS || route == API_VIEW || route == API_METRICS;
}

static void
metrics_piece(struct api_session *session)
{
	const struct api_state *state =
		host_of(session)->state(session->server->user);
	char *buffer = session->server->buffer[session->buffer];
	u32 len = api_metrics(buffer, API_ANSWER_MAX, state->tables,
			      &session->metrics_next);

	session->answer = (struct http_piece){ buffer, len, false };
	session->streams = session->metrics_next != 0;
}

void
api_session_poll(struct api_session *session)
{
	enum api_progress progress = API_DONE;
	struct json json;

	if (!session->pending || !take_buffer(session))
		return;
	if (session->call.route == API_METRICS) {
		session->streams = true;
		session->metrics_next = 0;
		answer(session, HTTP_OK, "", NULL, 0);
		return;
	}
	json_begin(&json, session->server->buffer[session->buffer], API_ANSWER_MAX);
	if (!show(session, &json))
		progress = host_of(session)->poll(session->server->user, session,
						  &json, &session->error);
	if (progress == API_DONE) {
		answer_json(session, &json);
		return;
	}
	give_buffer(session);
	if (progress == API_FAILED)
		answer_error(session);
}

static bool
on_request(void *user, struct http_dynamic *http, const struct http_request *request,
	   const char *head)
{
	struct api_session *session = user;
	u64 bytes = request->chunked ? HTTP_LEN_CHUNKED : request->content_len;

	ASSERT(http == &session->http && !session->pending);
	if (!api_call_read(&session->call, &session->error, request, head)) {
		answer_error(session);
		return false;
	}
	if (!is_shown(session->call.route) &&
	    !host_of(session)->begin(session->server->user, session, bytes,
				     &session->error)) {
		answer_error(session);
		return false;
	}
	session->pending = true;
	session->begun = !is_shown(session->call.route);
	if (session->call.route == API_SITE_PUT || session->call.route == API_JOB_PUT)
		return true;
	api_session_poll(session);
	return false;
}

static u32
on_content(void *user, struct http_dynamic *http, const char *bytes, u32 len)
{
	struct api_session *session = user;
	u32 taken;

	ASSERT(http_dynamic_is_waiting(http) && session->begun);
	taken = host_of(session)->feed(session->server->user, session, bytes, len);
	if (taken < len)		// full, or it failed
		api_session_poll(session);
	return taken;
}

static void
on_complete(void *user, struct http_dynamic *http)
{
	struct api_session *session = user;

	(void)http;
	host_of(session)->finish(session->server->user, session);
	api_session_poll(session);
}

static enum http_produced
on_produce(void *user, struct http_dynamic *http, struct http_piece *piece)
{
	struct api_session *session = user;

	(void)http;
	if (session->streams)
		metrics_piece(session);
	*piece = session->answer;
	session->answer.len_bytes = 0;
	return piece->len_bytes ? HTTP_PRODUCED_PIECE : HTTP_PRODUCED_END;
}

static void
on_over(void *user, struct http_dynamic *http, bool whole)
{
	struct api_session *session = user;

	(void)http;
	(void)whole;
	if (session->begun)
		host_of(session)->abort(session->server->user, session);
	session->pending = session->begun = session->streams = false;
	give_buffer(session);
}

static const struct http_handler handler = {
	.request = on_request,
	.content = on_content,
	.complete = on_complete,
	.produce = on_produce,
	.over = on_over,
};

void
api_server_init(struct api_server *server, const struct api_host *host, void *user,
		u64 unix_seconds)
{
	server->host = host;
	server->user = user;
	server->buffers_used = 0;
	http_dynamic_service_init(&server->service, &handler, &api_limits,
				  API_CONTENT_MAX, unix_seconds);
}

void
api_session_init(struct api_session *session, struct api_server *server, u64 now_ns)
{
	session->server = server;
	session->now_ns = now_ns;
	session->operation = NULL;
	session->pending = session->begun = session->streams = false;
	session->buffer = API_BUFFERS;
	http_dynamic_init(&session->http, &server->service, session, now_ns);
}

void
api_show_site_done(struct json *json, u64 generation, u32 files, u64 bytes)
{
	json_open_object(json, NULL);
	json_number(json, "generation", generation);
	json_number(json, "files", files);
	json_number(json, "bytes", bytes);
	json_close(json);
}

void
api_show_job_done(struct json *json, const char *name, u32 id)
{
	json_open_object(json, NULL);
	json_string(json, "name", name);
	json_number(json, "id", id);
	json_close(json);
}
