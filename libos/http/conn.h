// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One HTTP/1.1 connection: received bytes in, pieces of responses out.
//
// The connection owns no buffer. Bytes stay in the transport's receive buffer
// until a whole request head is there, and content is lent to the transport
// from the site, so a client that stalls costs one struct http_conn and what
// the transport holds for it anyway. One response is on its way at a time:
// while the transport cannot take it, no input is, and the receive window
// closes. Pipelined requests are thus answered in order, whatever their number.
//
// A host runs this after each event of the transport and at each deadline:
//
//	http_conn_input_end(conn) if the client's FIN has come;
//	http_conn_tick(conn, now, unacked);
//	do {
//		used = http_conn_input(conn, now, received, received_len);
//		drop `used` bytes from the receive buffer;
//		while (http_conn_output(conn, now, &out)) {
//			SEND:     sent = copy or lend to the transport;
//			          http_conn_sent(conn, now, sent);
//			          stop the inner loop if sent < the piece;
//			FETCH:    has the host the bytes, or the first of them:
//			          http_conn_fetched(conn, bytes, len, lent);
//			          can nobody have them: http_conn_failed(conn, now, status);
//			          else stop, and run the connection when they came;
//			PAGE:     the same with http_conn_page();
//			SHUTDOWN: send FIN after what is queued, go on reading;
//			RELEASE:  close in the ordinary way, forget conn;
//			ABORT:    reset the transport, forget conn;
//		}
//	} while (used or anything sent);
//
// `received` is all the transport holds, contiguous, at any address. A receive
// buffer that cannot show HTTP_REQUEST_HEAD_MAX bytes at once lets a request
// that is longer than it run into the header timeout. A reset of the transport
// ends everything: forget conn.

#include "libos/http/body.h"
#include "libos/http/pace.h"
#include "libos/http/respond.h"

// Every limit is on by default; 0 is not a way to switch one off.
struct http_limits {
	u64 head_timeout_ns;	// a whole head, from its first byte
	u64 idle_timeout_ns;	// between requests
	u64 body_timeout_ns;	// request content, all of it
	u64 linger_timeout_ns;	// for the client's FIN after ours
	u64 pace_interval_ns;	// in each interval the client has to take
	u64 pace_bytes;		// this much, or all that it was sent before it
	u64 body_bytes;		// request content that is read and dropped
	u64 linger_bytes;	// bytes dropped after our FIN
	u32 requests;		// on one connection
};

// 10 s heads, 60 s idle, 10 s and 64 KiB of content, 2 s and 1 MiB of
// lingering, 4 KiB each 20 s, 10,000 requests.
extern const struct http_limits http_limits_default;

enum http_conn_state {
	HTTP_CONN_IDLE,		// no byte of the next request has come
	HTTP_CONN_HEAD,
	HTTP_CONN_BODY,		// the response is ready, content is drained
	HTTP_CONN_SEND,
	HTTP_CONN_SHUTDOWN,	// the last response is sent: FIN is due
	HTTP_CONN_LINGER,	// FIN is sent, input is dropped
	HTTP_CONN_RELEASE,
	HTTP_CONN_ABORT,
};

struct http_conn {
	const struct http_service *service;
	const struct http_limits *limits;
	enum http_conn_state state;
	bool input_ended;
	u32 requests;		// whose head was complete
	u32 shown;		// bytes the parser has seen of this head
	u64 state_deadline_ns;
	struct http_pace pace;
	u64 linger_left_bytes;
	struct http_parser parser;
	struct http_body body;
	struct http_response response;
};

enum http_output_kind {
	HTTP_OUTPUT_SEND,
	HTTP_OUTPUT_FETCH,
	HTTP_OUTPUT_PAGE,
	HTTP_OUTPUT_SHUTDOWN,
	HTTP_OUTPUT_RELEASE,
	HTTP_OUTPUT_ABORT,
};

struct http_output {
	enum http_output_kind kind;
	struct http_piece piece;	// of SEND
	struct http_fetch fetch;	// of FETCH
	const struct http_page *page;	// of PAGE
};

// Begins a connection that the transport just accepted. Service and limits are
// lent for as long as it lives. Times are of one monotonic clock.
void
http_conn_init(struct http_conn *conn, const struct http_service *service,
	       const struct http_limits *limits, u64 now_ns);

// Shows all bytes received and not yet used. Returns how many are used now,
// from the front; the rest must be shown again, with more when more come. Uses
// none while a response is on its way.
must_check u32
http_conn_input(struct http_conn *conn, u64 now_ns, const void *bytes, u32 len);

// Notes that the client will send nothing more; saying so again is harmless.
// What it sent before is still to be shown, also when that is nothing, and is
// answered.
void
http_conn_input_end(struct http_conn *conn);

// Shows what is to be done next. Returns false when there is nothing until
// more input or a deadline. SHUTDOWN is shown once; RELEASE and ABORT are the
// last thing a connection says, and are shown for ever.
must_check bool
http_conn_output(struct http_conn *conn, u64 now_ns, struct http_output *out);

// Notes that the transport took `len_bytes` of the piece shown last.
void
http_conn_sent(struct http_conn *conn, u64 now_ns, u64 len_bytes);

// After FETCH: the first `len_bytes`, at least 1, of what it shows lie here until
// they are sent; if `lent`, until the client has acknowledged them.
void
http_conn_fetched(struct http_conn *conn, const void *bytes, u64 len_bytes,
		  bool lent);

// After PAGE: the page's content, which lies here until the next FETCH or PAGE, or
// until the connection is forgotten.
void
http_conn_page(struct http_conn *conn, const void *bytes, u64 len_bytes);

// After FETCH or PAGE: they cannot be had. The answer becomes `status`, one of the
// server's own (500 on), when nothing of it was sent, else the connection ends with
// ABORT.
void
http_conn_failed(struct http_conn *conn, u64 now_ns, enum http_status status);

// The catalogue that the response on its way is of, or NULL: it must stay.
const struct catalog *
http_conn_catalog(const struct http_conn *conn);

// When http_conn_tick() is due: a time, or UINT64_MAX for never.
u64
http_conn_deadline(const struct http_conn *conn);

// Lets time pass. `unacked_bytes` is what the transport took and the client
// has not acknowledged; counting the FIN as one more is allowed.
void
http_conn_tick(struct http_conn *conn, u64 now_ns, u64 unacked_bytes);

// Asserts the invariants of conn.c and of the parts.
void
http_conn_check(const struct http_conn *conn);
