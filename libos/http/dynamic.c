// SPDX-License-Identifier: BSD-2-Clause
// The states of a dynamic connection; conn.c has its static sibling.
//
//   IDLE -> HEAD -> CONTENT ----> WAIT -> SEND -> IDLE       another exchange
//            |  \-> DRAIN ------^   |      ^  \-> SHUTDOWN   the last one
//            |   \________________ /      /         |
//            |_ refusal, time-out _______/        LINGER -> RELEASE
//
// CONTENT goes to SEND as soon as the handler answers; then what still comes is
// dropped after our FIN. DRAIN keeps an answer that was begun back until the
// content is read, so that bad framing is answered with 400.
//
// Two clocks run, as in conn.c: the state's deadline, and the pace at which the
// client takes answers. In CONTENT the deadline is the client's pace of sending:
// at each one it must have sent pace_bytes more, unless it was the handler that
// had no room meanwhile. WAIT has none: how long an answer may take is the
// handler's business.
//
// Invariants:
//  D1  `open` from request() to over(), which is called once for each request().
//  D2  In IDLE the parser is fresh; in HEAD it has seen `shown` bytes.
//  D3  IDLE, HEAD, CONTENT, DRAIN and LINGER have a deadline, the others none.
//  D4  In WAIT the answer is not begun; in SEND it is.
//  D5  A piece is on its way only in SEND, and is the handler's.
//  D6  An answer with a length sends exactly as many bytes of content, or the
//      connection is reset.
//  D7  After SHUTDOWN no byte is sent, and nothing is open.

#include "libos/http/dynamic.h"
#include "kernel/base/assert.h"
#include "libos/http/dynamic_text.h"

static const struct http_limits *
limits_of(const struct http_dynamic *conn)
{
	return conn->service->limits;
}

static const struct http_handler *
handler_of(const struct http_dynamic *conn)
{
	return conn->service->handler;
}

static void
enter(struct http_dynamic *conn, enum http_dynamic_state state, u64 deadline_ns)
{
	ASSERT(conn->state < HTTP_DYNAMIC_RELEASE);
	conn->state = state;
	conn->state_deadline_ns = deadline_ns;
}

// The exchange ends, if there is one.
static void
close_exchange(struct http_dynamic *conn, bool whole)
{
	conn->piece = (struct http_piece){ 0 };
	if (!conn->open)
		return;
	conn->open = false;
	handler_of(conn)->over(conn->user, conn, whole);
}

static void
give_up(struct http_dynamic *conn, enum http_dynamic_state state)
{
	close_exchange(conn, false);
	enter(conn, state, HTTP_NEVER);
}

static void
enter_idle(struct http_dynamic *conn, u64 now_ns)
{
	http_parser_init(&conn->parser);
	conn->shown = 0;
	conn->text_len = conn->text_sent = 0;
	enter(conn, HTTP_DYNAMIC_IDLE, now_ns + limits_of(conn)->idle_timeout_ns);
}

void
http_dynamic_init(struct http_dynamic *conn,
		  const struct http_dynamic_service *service, void *user,
		  u64 now_ns)
{
	*conn = (struct http_dynamic){
		.service = service,
		.user = user,
		.state = HTTP_DYNAMIC_IDLE,
		.linger_left_bytes = service->limits->linger_bytes,
	};
	http_pace_init(&conn->pace);
	enter_idle(conn, now_ns);
	// A new connection has to say something as soon as a head has to come.
	conn->state_deadline_ns = now_ns + service->limits->head_timeout_ns;
}

static void
enter_send(struct http_dynamic *conn, u64 now_ns)
{
	enter(conn, HTTP_DYNAMIC_SEND, HTTP_NEVER);
	http_pace_start(&conn->pace, limits_of(conn), now_ns);
}

// Answers for the protocol itself, and ends the connection.
static void
refuse(struct http_dynamic *conn, u64 now_ns, enum http_status status)
{
	close_exchange(conn, false);
	conn->head_only = conn->parser.request.method == HTTP_METHOD_HEAD;
	conn->close = true;
	conn->minor = 1;
	if (conn->state == HTTP_DYNAMIC_DRAIN)	// the answer that was kept back
		conn->text_len = conn->text_sent = 0;
	dynamic_write_refusal(conn, status);
	enter_send(conn, now_ns);
}

bool
http_dynamic_is_waiting(const struct http_dynamic *conn)
{
	return conn->open && !conn->answered;
}

void
http_dynamic_answer(struct http_dynamic *conn, u64 now_ns,
		    const struct http_answer *answer)
{
	ASSERT(http_dynamic_is_waiting(conn));
	conn->close |= conn->unread;
	dynamic_write_head(conn, answer);
	if (conn->state == HTTP_DYNAMIC_CONTENT ||
	    conn->state == HTTP_DYNAMIC_WAIT)
		enter_send(conn, now_ns);
}

// Everything that belongs to the request has come, or will not be read.
static void
enter_wait(struct http_dynamic *conn, u64 now_ns)
{
	if (conn->answered)
		enter_send(conn, now_ns);
	else
		enter(conn, HTTP_DYNAMIC_WAIT, HTTP_NEVER);
}

static void
renew_content_deadline(struct http_dynamic *conn, u64 now_ns)
{
	conn->body_seen = 0;
	conn->excused = conn->full;
	conn->state_deadline_ns = now_ns + limits_of(conn)->body_timeout_ns;
}

static void
complete(struct http_dynamic *conn)
{
	conn->unread = false;
	enter(conn, HTTP_DYNAMIC_WAIT, HTTP_NEVER);
	handler_of(conn)->complete(conn->user, conn);
	ASSERT(conn->answered == (conn->state == HTTP_DYNAMIC_SEND));
}

static void
begin_content(struct http_dynamic *conn, u64 now_ns)
{
	const struct http_request *r = &conn->parser.request;

	conn->unread = true;
	conn->full = false;
	http_body_start(&conn->body, r->chunked, r->content_len,
			conn->service->content_max);
	if (r->expects_continue)
		dynamic_write_continue(conn);
	enter(conn, HTTP_DYNAMIC_CONTENT, now_ns);
	renew_content_deadline(conn, now_ns);
}

// A whole head is there: asks the handler and decides about content.
static void
take_request(struct http_dynamic *conn, u64 now_ns, const char *bytes)
{
	const struct http_request *r = &conn->parser.request;
	bool content = r->chunked || r->content_len > 0;

	conn->minor = r->minor;
	conn->head_only = r->method == HTTP_METHOD_HEAD;
	conn->close = ++conn->requests >= limits_of(conn)->requests ||
		      !r->keep_alive || r->method == HTTP_METHOD_CONNECT;
	if (r->content_len > conn->service->content_max) {
		refuse(conn, now_ns, HTTP_CONTENT_TOO_LARGE);
		return;
	}
	conn->unread = content && (r->expects_continue ||
				   r->content_len > limits_of(conn)->body_bytes);
	conn->answered = false;
	conn->open = true;
	if (handler_of(conn)->request(conn->user, conn, r, bytes)) {
		ASSERT(!conn->answered);
		if (content)
			begin_content(conn, now_ns);
		else
			complete(conn);
	} else if (content && !conn->unread) {
		http_body_start(&conn->body, r->chunked, r->content_len,
				limits_of(conn)->body_bytes);
		enter(conn, HTTP_DYNAMIC_DRAIN,
		      now_ns + limits_of(conn)->body_timeout_ns);
	} else {
		enter_wait(conn, now_ns);
	}
}

static u32
input_head(struct http_dynamic *conn, u64 now_ns, const char *bytes, u32 len)
{
	if (conn->state == HTTP_DYNAMIC_IDLE)
		enter(conn, HTTP_DYNAMIC_HEAD,
		      now_ns + limits_of(conn)->head_timeout_ns);
	conn->shown = len;
	switch (http_parse(&conn->parser, bytes, len)) {
	case HTTP_PARSE_MORE:
		if (conn->input_ended)
			enter(conn, HTTP_DYNAMIC_SHUTDOWN, HTTP_NEVER);
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

// Content that came to an end, in one way or another.
static void
end_body(struct http_dynamic *conn, u64 now_ns, enum http_body_result result)
{
	switch (result) {
	case HTTP_BODY_MORE:
		// Incomplete for ever.
		give_up(conn, HTTP_DYNAMIC_SHUTDOWN);
		break;
	case HTTP_BODY_DONE:
		if (conn->state == HTTP_DYNAMIC_CONTENT)
			complete(conn);
		else
			enter_wait(conn, now_ns);
		break;
	case HTTP_BODY_BAD:
		refuse(conn, now_ns, HTTP_BAD_REQUEST);
		break;
	case HTTP_BODY_TOO_LARGE:
		refuse(conn, now_ns, HTTP_CONTENT_TOO_LARGE);
		break;
	}
}

// Hands content on. Returns how much of it is used.
static u32
hand_on(struct http_dynamic *conn, const char *bytes, u32 len)
{
	u32 n = handler_of(conn)->content(conn->user, conn, bytes, len);

	ASSERT(n <= len);
	http_body_take(&conn->body, n);
	conn->body_seen += n;
	conn->full = n < len;
	conn->excused |= conn->full;
	return n;
}

static u32
input_content(struct http_dynamic *conn, u64 now_ns, const char *bytes, u32 len)
{
	u32 at = 0;

	// Each turn takes a run of framing and one of content.
	while (conn->state == HTTP_DYNAMIC_CONTENT) {
		enum http_body_result result;
		u32 n;

		result = http_body_framing(&conn->body, bytes + at, len - at, &n);
		at += n;
		if (result != HTTP_BODY_MORE ||
		    (at == len && conn->input_ended)) {
			end_body(conn, now_ns, result);
			break;
		}
		n = http_body_content(&conn->body, len - at);
		if (n == 0)
			break;
		at += hand_on(conn, bytes + at, n);
		if (conn->full)
			break;
	}
	return at;
}

static u32
input_drain(struct http_dynamic *conn, u64 now_ns, const char *bytes, u32 len)
{
	enum http_body_result result;
	u32 used;

	result = http_body_read(&conn->body, bytes, len, &used);
	if (result != HTTP_BODY_MORE || conn->input_ended)
		end_body(conn, now_ns, result);
	return used;
}

// Nothing that comes after our FIN is looked at, and not for ever.
static u32
input_linger(struct http_dynamic *conn, u32 len)
{
	if (len > conn->linger_left_bytes)
		enter(conn, HTTP_DYNAMIC_ABORT, HTTP_NEVER);
	else
		conn->linger_left_bytes -= len;
	return len;
}

u32
http_dynamic_input(struct http_dynamic *conn, u64 now_ns, const void *bytes,
		   u32 len)
{
	const char *text = bytes;
	u32 used = 0;

	if (conn->state == HTTP_DYNAMIC_LINGER)
		return input_linger(conn, len);
	if (conn->state == HTTP_DYNAMIC_IDLE && len == 0) {
		if (conn->input_ended)
			enter(conn, HTTP_DYNAMIC_SHUTDOWN, HTTP_NEVER);
		return 0;
	}
	if (conn->state <= HTTP_DYNAMIC_HEAD)
		used = input_head(conn, now_ns, text, len);
	if (conn->state == HTTP_DYNAMIC_CONTENT)
		used += input_content(conn, now_ns, text + used, len - used);
	else if (conn->state == HTTP_DYNAMIC_DRAIN)
		used += input_drain(conn, now_ns, text + used, len - used);
	ASSERT(used <= len);
	return used;
}

void
http_dynamic_input_end(struct http_dynamic *conn)
{
	conn->input_ended = true;
}

static void
finish(struct http_dynamic *conn, u64 now_ns)
{
	close_exchange(conn, true);
	if (conn->close)
		enter(conn, HTTP_DYNAMIC_SHUTDOWN, HTTP_NEVER);
	else
		enter_idle(conn, now_ns);
}

// The handler's content is over: was it all?
static void
end_production(struct http_dynamic *conn)
{
	conn->ended = true;
	if (conn->chunked_answer)
		dynamic_write_chunk(conn, 0);
	else if (conn->content_left != 0 &&
		 conn->content_left != HTTP_LEN_CHUNKED)
		give_up(conn, HTTP_DYNAMIC_ABORT);		// D6
}

static void
accept_piece(struct http_dynamic *conn)
{
	u64 len = conn->piece.len_bytes;

	ASSERT(len > 0);
	if (conn->content_left == HTTP_LEN_CHUNKED) {
		if (conn->chunked_answer)
			dynamic_write_chunk(conn, len);
	} else if (len > conn->content_left) {
		give_up(conn, HTTP_DYNAMIC_ABORT);		// D6
	} else {
		conn->content_left -= len;
	}
}

// Everything shown was sent: asks for more. Returns false when there is
// nothing for now.
static bool
produce(struct http_dynamic *conn, u64 now_ns)
{
	if (conn->ended || conn->content_left == 0) {
		finish(conn, now_ns);
		return true;
	}
	switch (handler_of(conn)->produce(conn->user, conn, &conn->piece)) {
	case HTTP_PRODUCED_LATER:
		return false;
	case HTTP_PRODUCED_PIECE:
		accept_piece(conn);
		break;
	case HTTP_PRODUCED_END:
		end_production(conn);
		break;
	case HTTP_PRODUCED_FAILED:
		give_up(conn, HTTP_DYNAMIC_ABORT);
		break;
	}
	return true;
}

static bool
show_text(struct http_dynamic *conn, struct http_output *out)
{
	if (conn->text_sent == conn->text_len)
		return false;
	out->kind = HTTP_OUTPUT_SEND;
	out->piece = (struct http_piece){ conn->text + conn->text_sent,
					  conn->text_len - conn->text_sent, false };
	return true;
}

// Returns false when there is nothing to send.
static bool
show_answer(struct http_dynamic *conn, u64 now_ns, struct http_output *out)
{
	while (conn->state == HTTP_DYNAMIC_SEND) {
		if (show_text(conn, out))
			return true;
		if (conn->piece.len_bytes) {
			out->kind = HTTP_OUTPUT_SEND;
			out->piece = conn->piece;
			return true;
		}
		if (!produce(conn, now_ns))
			return false;
	}
	return false;
}

bool
http_dynamic_output(struct http_dynamic *conn, u64 now_ns,
		    struct http_output *out)
{
	if (conn->state == HTTP_DYNAMIC_SEND && show_answer(conn, now_ns, out))
		return true;
	switch (conn->state) {
	case HTTP_DYNAMIC_CONTENT:
		return show_text(conn, out);		// 100 (Continue)
	case HTTP_DYNAMIC_SHUTDOWN:
		out->kind = HTTP_OUTPUT_SHUTDOWN;
		enter(conn, HTTP_DYNAMIC_LINGER,
		      now_ns + limits_of(conn)->linger_timeout_ns);
		return true;
	case HTTP_DYNAMIC_RELEASE:
		out->kind = HTTP_OUTPUT_RELEASE;
		return true;
	case HTTP_DYNAMIC_ABORT:
		out->kind = HTTP_OUTPUT_ABORT;
		return true;
	default:
		return false;
	}
}

void
http_dynamic_sent(struct http_dynamic *conn, u64 now_ns, u64 len)
{
	(void)now_ns;
	conn->pace.sent_bytes += len;
	if (conn->text_sent < conn->text_len) {
		ASSERT(len <= conn->text_len - conn->text_sent);
		conn->text_sent += (u32)len;
		return;
	}
	ASSERT(conn->state == HTTP_DYNAMIC_SEND);
	ASSERT(len <= conn->piece.len_bytes);
	conn->piece.bytes = (const char *)conn->piece.bytes + len;
	conn->piece.len_bytes -= len;
}

u64
http_dynamic_deadline(const struct http_dynamic *conn)
{
	if (conn->state >= HTTP_DYNAMIC_RELEASE)
		return HTTP_NEVER;
	return MIN(conn->state_deadline_ns, conn->pace.deadline_ns);
}

// The state's time is over.
static void
expire(struct http_dynamic *conn, u64 now_ns)
{
	switch (conn->state) {
	case HTTP_DYNAMIC_IDLE:
		enter(conn, HTTP_DYNAMIC_SHUTDOWN, HTTP_NEVER);
		break;
	case HTTP_DYNAMIC_CONTENT:
		if (conn->excused ||
		    conn->body_seen >= limits_of(conn)->pace_bytes)
			renew_content_deadline(conn, now_ns);
		else
			refuse(conn, now_ns, HTTP_REQUEST_TIMEOUT);
		break;
	case HTTP_DYNAMIC_HEAD:
	case HTTP_DYNAMIC_DRAIN:
		refuse(conn, now_ns, HTTP_REQUEST_TIMEOUT);
		break;
	default:
		give_up(conn, HTTP_DYNAMIC_ABORT);
		break;
	}
}

void
http_dynamic_tick(struct http_dynamic *conn, u64 now_ns, u64 unacked)
{
	if (conn->state >= HTTP_DYNAMIC_RELEASE)
		return;
	if (!http_pace_kept(&conn->pace, limits_of(conn), now_ns, unacked,
			    conn->state == HTTP_DYNAMIC_SEND)) {
		give_up(conn, HTTP_DYNAMIC_ABORT);
		return;
	}
	if (unacked && conn->state == HTTP_DYNAMIC_IDLE)
		conn->state_deadline_ns = now_ns + limits_of(conn)->idle_timeout_ns;
	if (unacked && conn->state == HTTP_DYNAMIC_LINGER)
		conn->state_deadline_ns =
			now_ns + limits_of(conn)->linger_timeout_ns;
	if (!unacked && conn->state == HTTP_DYNAMIC_LINGER && conn->input_ended)
		enter(conn, HTTP_DYNAMIC_RELEASE, HTTP_NEVER);
	else if (now_ns >= conn->state_deadline_ns)
		expire(conn, now_ns);
}

void
http_dynamic_gone(struct http_dynamic *conn)
{
	close_exchange(conn, false);
}

void
http_dynamic_check(const struct http_dynamic *conn)
{
	bool timed = conn->state <= HTTP_DYNAMIC_DRAIN ||
		     conn->state == HTTP_DYNAMIC_LINGER;
	bool exchange = conn->state >= HTTP_DYNAMIC_CONTENT &&
			conn->state <= HTTP_DYNAMIC_SEND;

	ASSERT(!conn->open || exchange);				// D1, D7
	if (conn->state == HTTP_DYNAMIC_IDLE)				// D2
		ASSERT(conn->shown == 0 && conn->parser.scan == 0);
	if (conn->state <= HTTP_DYNAMIC_HEAD)
		http_parser_check(&conn->parser, conn->shown);
	if (conn->state == HTTP_DYNAMIC_CONTENT ||
	    conn->state == HTTP_DYNAMIC_DRAIN)
		http_body_check(&conn->body);
	ASSERT((conn->state_deadline_ns != HTTP_NEVER) == timed);	// D3
	if (conn->state == HTTP_DYNAMIC_WAIT)
		ASSERT(conn->open && !conn->answered);			// D4
	if (conn->state == HTTP_DYNAMIC_SEND)
		ASSERT(conn->answered && conn->pace.deadline_ns != HTTP_NEVER);
	else
		ASSERT(conn->piece.len_bytes == 0);			// D5
	ASSERT(conn->text_sent <= conn->text_len);
	ASSERT(conn->text_len <= HTTP_DYNAMIC_TEXT_MAX);
	ASSERT(conn->pace.target_bytes <= conn->pace.sent_bytes);
	ASSERT(conn->requests <= limits_of(conn)->requests);
	ASSERT(conn->linger_left_bytes <= limits_of(conn)->linger_bytes);
}
