// SPDX-License-Identifier: BSD-2-Clause
// The states of a connection, and who moves it:
//
//             input            input        sent
//   IDLE ---> HEAD ---> BODY ---------> SEND ---> IDLE      another request
//     |        |  \______________________^ |
//     |        |_ refusal, timeout ______^ +---> SHUTDOWN   the last response
//     |_ end, timeout ____________________________^  |
//                                                    v output
//   RELEASE <--- end of input, all acknowledged -- LINGER
//   ABORT   <--- timeout or too much input here, too slow a client anywhere
//
// A refusal, and a response with Connection: close, end in SHUTDOWN: our FIN
// goes out, and what the client still sends is dropped for a while, because a
// reset would destroy the response on its way (RFC 9112 section 9.6).
//
// Request content is read before the response leaves, so that bad framing is
// answered with 400. A client that waits for 100 (Continue) gets the final
// response at once and the connection closes, for nobody can tell whether its
// content will follow.
//
// Two clocks run. The state's deadline bounds heads, content, idleness and
// lingering. The other is the pace (pace.h), which bounds how slowly a client may
// take responses. Idleness and lingering begin when nothing is outstanding.
//
// Invariants:
//  N1  In BODY nothing of the response is sent; in SEND something is left.
//  N2  In IDLE the parser is fresh; in HEAD it has seen `shown` bytes.
//  N3  IDLE, HEAD, BODY and LINGER have a deadline, the others have none.
//  N4  pace.target_bytes <= pace.sent_bytes; in SEND the pace clock runs.
//  N5  requests <= limits.requests; the last one's response closes.
//  N6  After SHUTDOWN no response byte is sent, and no state but LINGER,
//      RELEASE and ABORT follows.

#include "libos/http/conn.h"
#include "kernel/base/assert.h"

const struct http_limits http_limits_default = {
	.head_timeout_ns = 10 * NS_PER_SECOND,
	.idle_timeout_ns = 60 * NS_PER_SECOND,
	.body_timeout_ns = 10 * NS_PER_SECOND,
	.linger_timeout_ns = 2 * NS_PER_SECOND,
	.pace_interval_ns = 20 * NS_PER_SECOND,
	.pace_bytes = 4 * KIB,
	.body_bytes = 64 * KIB,
	.linger_bytes = 1 * MIB,
	.requests = 10000,
};

static void
enter(struct http_conn *conn, enum http_conn_state state, u64 deadline_ns)
{
	ASSERT(conn->state < HTTP_CONN_RELEASE);
	conn->state = state;
	conn->state_deadline_ns = deadline_ns;
}

static void
enter_idle(struct http_conn *conn, u64 now_ns)
{
	http_parser_init(&conn->parser);
	conn->shown = 0;
	enter(conn, HTTP_CONN_IDLE, now_ns + conn->limits->idle_timeout_ns);
}

void
http_conn_init(struct http_conn *conn, const struct http_service *service,
	       const struct http_limits *limits, u64 now_ns)
{
	ASSERT(limits->requests >= 1);
	conn->service = service;
	conn->limits = limits;
	conn->state = HTTP_CONN_IDLE;
	conn->input_ended = false;
	conn->requests = 0;
	http_pace_init(&conn->pace);
	conn->linger_left_bytes = limits->linger_bytes;
	enter_idle(conn, now_ns);
	// A new connection has to say something as soon as a head has to come.
	conn->state_deadline_ns = now_ns + limits->head_timeout_ns;
}

// The response is there: sends it. Only its pace is bounded from here on.
static void
enter_send(struct http_conn *conn, u64 now_ns)
{
	enter(conn, HTTP_CONN_SEND, HTTP_NEVER);
	http_pace_start(&conn->pace, conn->limits, now_ns);
}

static void
refuse(struct http_conn *conn, u64 now_ns, enum http_status status)
{
	bool head_only = conn->parser.request.method == HTTP_METHOD_HEAD;

	http_respond_refusal(&conn->response, conn->service, status, head_only);
	enter_send(conn, now_ns);
}

// A whole head is there: builds the response and decides about content.
static void
take_request(struct http_conn *conn, u64 now_ns, const char *bytes)
{
	const struct http_request *r = &conn->parser.request;
	bool content = r->chunked || r->content_len > 0;
	bool last = ++conn->requests >= conn->limits->requests;

	if (r->content_len > conn->limits->body_bytes) {
		refuse(conn, now_ns, HTTP_CONTENT_TOO_LARGE);
		return;
	}
	last |= content && r->expects_continue;
	http_respond(&conn->response, conn->service, r, bytes, last);
	if (!content || r->expects_continue) {
		enter_send(conn, now_ns);
		return;
	}
	http_body_start(&conn->body, r->chunked, r->content_len,
			conn->limits->body_bytes);
	enter(conn, HTTP_CONN_BODY, now_ns + conn->limits->body_timeout_ns);
}

static u32
input_head(struct http_conn *conn, u64 now_ns, const char *bytes, u32 len)
{
	if (conn->state == HTTP_CONN_IDLE)
		enter(conn, HTTP_CONN_HEAD, now_ns + conn->limits->head_timeout_ns);
	conn->shown = len;
	switch (http_parse(&conn->parser, bytes, len)) {
	case HTTP_PARSE_MORE:
		if (conn->input_ended)
			enter(conn, HTTP_CONN_SHUTDOWN, HTTP_NEVER);
		return 0;
	case HTTP_PARSE_REFUSED:
		refuse(conn, now_ns, conn->parser.refusal);
		return 0;
	case HTTP_PARSE_DONE:
		break;
	}
	take_request(conn, now_ns, bytes);
	return conn->parser.scan;
}

static u32
input_body(struct http_conn *conn, u64 now_ns, const char *bytes, u32 len)
{
	u32 used;

	switch (http_body_read(&conn->body, bytes, len, &used)) {
	case HTTP_BODY_MORE:
		// Incomplete for ever: the message must not be answered as whole.
		if (conn->input_ended)
			enter(conn, HTTP_CONN_SHUTDOWN, HTTP_NEVER);
		break;
	case HTTP_BODY_DONE:
		enter_send(conn, now_ns);
		break;
	case HTTP_BODY_BAD:
		refuse(conn, now_ns, HTTP_BAD_REQUEST);
		break;
	case HTTP_BODY_TOO_LARGE:
		refuse(conn, now_ns, HTTP_CONTENT_TOO_LARGE);
		break;
	}
	return used;
}

// Nothing that comes after our FIN is looked at, and not for ever.
static u32
input_linger(struct http_conn *conn, u32 len)
{
	if (len > conn->linger_left_bytes)
		enter(conn, HTTP_CONN_ABORT, HTTP_NEVER);
	else
		conn->linger_left_bytes -= len;
	return len;
}

u32
http_conn_input(struct http_conn *conn, u64 now_ns, const void *bytes, u32 len)
{
	const char *text = bytes;
	u32 used = 0;

	if (conn->state == HTTP_CONN_LINGER)
		return input_linger(conn, len);
	if (conn->state == HTTP_CONN_IDLE && len == 0) {
		if (conn->input_ended)
			enter(conn, HTTP_CONN_SHUTDOWN, HTTP_NEVER);
		return 0;
	}
	if (conn->state == HTTP_CONN_IDLE || conn->state == HTTP_CONN_HEAD)
		used = input_head(conn, now_ns, text, len);
	if (conn->state == HTTP_CONN_BODY)
		used += input_body(conn, now_ns, text + used, len - used);
	ASSERT(used <= len);
	return used;
}

void
http_conn_input_end(struct http_conn *conn)
{
	conn->input_ended = true;
}

static void
output_response(struct http_conn *conn, struct http_output *out)
{
	switch (http_response_peek(&conn->response, &out->piece)) {
	case HTTP_PEEK_PIECE:
		out->kind = HTTP_OUTPUT_SEND;
		break;
	case HTTP_PEEK_FETCH:
		out->kind = HTTP_OUTPUT_FETCH;
		out->fetch = conn->response.rest;
		break;
	case HTTP_PEEK_PAGE:
		out->kind = HTTP_OUTPUT_PAGE;
		out->page = conn->response.page;
		break;
	case HTTP_PEEK_END:
		ASSERT(!"a response that is complete is not in SEND");	// N1
	}
}

bool
http_conn_output(struct http_conn *conn, u64 now_ns, struct http_output *out)
{
	switch (conn->state) {
	case HTTP_CONN_SEND:
		output_response(conn, out);
		return true;
	case HTTP_CONN_SHUTDOWN:
		out->kind = HTTP_OUTPUT_SHUTDOWN;
		enter(conn, HTTP_CONN_LINGER,
		      now_ns + conn->limits->linger_timeout_ns);
		return true;
	case HTTP_CONN_RELEASE:
		out->kind = HTTP_OUTPUT_RELEASE;
		return true;
	case HTTP_CONN_ABORT:
		out->kind = HTTP_OUTPUT_ABORT;
		return true;
	default:
		return false;
	}
}

void
http_conn_sent(struct http_conn *conn, u64 now_ns, u64 len)
{
	struct http_piece next;

	ASSERT(conn->state == HTTP_CONN_SEND);
	conn->pace.sent_bytes += len;
	http_response_sent(&conn->response, len);
	if (http_response_peek(&conn->response, &next) != HTTP_PEEK_END)
		return;
	if (conn->response.close)
		enter(conn, HTTP_CONN_SHUTDOWN, HTTP_NEVER);
	else
		enter_idle(conn, now_ns);
}

void
http_conn_fetched(struct http_conn *conn, const void *bytes, u64 len, bool lent)
{
	ASSERT(conn->state == HTTP_CONN_SEND);
	http_response_fetched(&conn->response, bytes, len, lent);
}

void
http_conn_page(struct http_conn *conn, const void *bytes, u64 len)
{
	ASSERT(conn->state == HTTP_CONN_SEND);
	http_response_page(&conn->response, conn->service,
			   conn->parser.request.minor, bytes, len);
}

void
http_conn_failed(struct http_conn *conn, u64 now_ns, enum http_status status)
{
	ASSERT(conn->state == HTTP_CONN_SEND);
	ASSERT(status >= HTTP_INTERNAL_ERROR);
	if (conn->response.begun)
		enter(conn, HTTP_CONN_ABORT, HTTP_NEVER);
	else
		refuse(conn, now_ns, status);
}

const struct catalog *
http_conn_catalog(const struct http_conn *conn)
{
	bool responds = conn->state == HTTP_CONN_BODY ||
			conn->state == HTTP_CONN_SEND;

	return responds ? conn->response.catalog : NULL;
}

u64
http_conn_deadline(const struct http_conn *conn)
{
	if (conn->state >= HTTP_CONN_RELEASE)
		return HTTP_NEVER;
	return MIN(conn->state_deadline_ns, conn->pace.deadline_ns);
}

// The state's time is over.
static void
expire(struct http_conn *conn, u64 now_ns)
{
	switch (conn->state) {
	case HTTP_CONN_IDLE:
		enter(conn, HTTP_CONN_SHUTDOWN, HTTP_NEVER);
		break;
	case HTTP_CONN_HEAD:
	case HTTP_CONN_BODY:
		refuse(conn, now_ns, HTTP_REQUEST_TIMEOUT);
		break;
	default:
		enter(conn, HTTP_CONN_ABORT, HTTP_NEVER);
		break;
	}
}

void
http_conn_tick(struct http_conn *conn, u64 now_ns, u64 unacked)
{
	if (conn->state >= HTTP_CONN_RELEASE)
		return;
	if (!http_pace_kept(&conn->pace, conn->limits, now_ns, unacked,
			    conn->state == HTTP_CONN_SEND)) {
		enter(conn, HTTP_CONN_ABORT, HTTP_NEVER);
		return;
	}
	if (unacked && conn->state == HTTP_CONN_IDLE)
		conn->state_deadline_ns = now_ns + conn->limits->idle_timeout_ns;
	if (unacked && conn->state == HTTP_CONN_LINGER)
		conn->state_deadline_ns = now_ns + conn->limits->linger_timeout_ns;
	if (!unacked && conn->state == HTTP_CONN_LINGER && conn->input_ended)
		enter(conn, HTTP_CONN_RELEASE, HTTP_NEVER);
	else if (now_ns >= conn->state_deadline_ns)
		expire(conn, now_ns);
}

void
http_conn_check(const struct http_conn *conn)
{
	const struct http_response *r = &conn->response;
	bool timed = conn->state <= HTTP_CONN_BODY ||
		     conn->state == HTTP_CONN_LINGER;

	if (conn->state == HTTP_CONN_BODY || conn->state == HTTP_CONN_SEND) {
		http_response_check(r);
		ASSERT(r->page || r->text_sent < r->text_len ||
		       r->content.len_bytes || r->rest.len_bytes);	// N1
		ASSERT(conn->requests < conn->limits->requests || r->close); // N5
	}
	if (conn->state == HTTP_CONN_BODY) {
		ASSERT(r->text_sent == 0);
		http_body_check(&conn->body);
	}
	if (conn->state == HTTP_CONN_IDLE)				// N2
		ASSERT(conn->shown == 0 && conn->parser.scan == 0);
	if (conn->state <= HTTP_CONN_HEAD)
		http_parser_check(&conn->parser, conn->shown);
	ASSERT((conn->state_deadline_ns != HTTP_NEVER) == timed);	// N3
	ASSERT(conn->pace.target_bytes <= conn->pace.sent_bytes);	// N4
	ASSERT(conn->state != HTTP_CONN_SEND ||
	       conn->pace.deadline_ns != HTTP_NEVER);
	ASSERT(conn->requests <= conn->limits->requests);		// N5
	ASSERT(conn->linger_left_bytes <= conn->limits->linger_bytes);
}
