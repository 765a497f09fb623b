// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One HTTP/1.1 connection whose answers a handler makes: the dynamic sibling of
// conn.h, with the same parser, limits and manners, for control interfaces. It
// too is sans-IO, and its host drives it exactly as conn.h says, with
// http_dynamic_ in the names; a host whose handler has news of its own (an answer
// is ready, there is room for content again) runs the same loop then.
//
// An exchange is one request and its answer:
//
//	request()    the head is there. True: the content is wanted;
//	content()    bytes of content, as they come; the handler takes what it has
//	             room for, and what it leaves stays in the receive buffer, whose
//	             window closes: that is the back pressure;
//	complete()   all content has come (at once, when there is none);
//	produce()    the next piece of an answer that was begun;
//	over()       the last word of each exchange: what was lent may go.
//
// http_dynamic_answer() begins the answer: in request(), content() or complete(),
// or later from outside. An answer before the content is complete ends the
// connection, for what follows on it is that content; so does one to a client
// that was not told to continue. Errors of the protocol are answered here, as
// JSON: {"error": sentence}.

#include "libos/http/body.h"
#include "libos/http/conn.h"

#define HTTP_LEN_CHUNKED UINT64_MAX
#define HTTP_DYNAMIC_TEXT_MAX 512u

struct http_dynamic;

// How an answer begins. `type` and `fields` (further lines, each with its CRLF, or
// "") are copied.
struct http_answer {
	enum http_status status;
	const char *type;
	const char *fields;
	u64 len_bytes;		// of the content, or HTTP_LEN_CHUNKED
};

enum http_produced {
	HTTP_PRODUCED_PIECE,	// *piece is set, not empty, and stays until the next
				// call of produce() or over()
	HTTP_PRODUCED_LATER,	// not now: run the loop again when there is news
	HTTP_PRODUCED_END,
	HTTP_PRODUCED_FAILED,	// the rest will not come: the connection is reset
};

struct http_handler {
	// `head` and what the request says of it are lent for the call. Only a
	// request whose answer was not begun may want its content.
	bool (*request)(void *user, struct http_dynamic *conn,
			const struct http_request *request, const char *head);
	// Returns how many bytes it took, at most `len`, which is not 0.
	u32 (*content)(void *user, struct http_dynamic *conn, const char *bytes,
		       u32 len);
	void (*complete)(void *user, struct http_dynamic *conn);
	enum http_produced (*produce)(void *user, struct http_dynamic *conn,
				      struct http_piece *piece);
	// `whole`: request, content and answer went through to the end.
	void (*over)(void *user, struct http_dynamic *conn, bool whole);
};

// What all connections of a server share.
struct http_dynamic_service {
	const struct http_handler *handler;
	const struct http_limits *limits;	// body_timeout_ns: for pace_bytes
						// of content; body_bytes: of
						// content that nobody wanted
	u64 content_max;			// content of one request
	char stamp[HTTP_STAMP_LEN];
};

enum http_dynamic_state {
	HTTP_DYNAMIC_IDLE,	// no byte of the next request has come
	HTTP_DYNAMIC_HEAD,
	HTTP_DYNAMIC_CONTENT,	// the handler takes it
	HTTP_DYNAMIC_DRAIN,	// content that nobody wanted is dropped
	HTTP_DYNAMIC_WAIT,	// everything has come, the answer is not begun
	HTTP_DYNAMIC_SEND,
	HTTP_DYNAMIC_SHUTDOWN,	// the last answer is sent: FIN is due
	HTTP_DYNAMIC_LINGER,	// FIN is sent, input is dropped
	HTTP_DYNAMIC_RELEASE,
	HTTP_DYNAMIC_ABORT,
};

struct http_dynamic {
	const struct http_dynamic_service *service;
	void *user;			// the handler's, for this connection
	enum http_dynamic_state state;
	u8 minor;			// of the request's version
	bool input_ended;
	bool open;			// over() is still due
	bool answered;			// the answer was begun
	bool close;			// the connection ends with it
	bool unread;			// there is content that will not be read
					// once it is answered
	bool head_only, chunked_answer;
	bool first_chunk;		// none was written
	bool ended;			// all content of the answer was shown
	bool full;			// the handler left content at the last try
	bool excused;			// it did since the deadline was set
	u32 requests;
	u32 shown;			// bytes the parser has seen of this head
	u64 state_deadline_ns;
	struct http_pace pace;
	u64 linger_left_bytes;
	u64 content_left;		// of an answer with a length, to be produced
	u64 body_seen;			// content bytes since the deadline was set
	struct http_parser parser;
	struct http_body body;
	struct http_piece piece;	// of content, on its way
	u32 text_len, text_sent;
	char text[HTTP_DYNAMIC_TEXT_MAX];
};

// Makes a service. Handler and limits are lent for as long as it lives.
void
http_dynamic_service_init(struct http_dynamic_service *service,
			  const struct http_handler *handler,
			  const struct http_limits *limits, u64 content_max,
			  u64 unix_seconds);

// Tells the service the time, at most HTTP_DATE_MAX: once a second.
void
http_dynamic_set_time(struct http_dynamic_service *service, u64 unix_seconds);

// Begins a connection that the transport just accepted.
void
http_dynamic_init(struct http_dynamic *conn,
		  const struct http_dynamic_service *service, void *user,
		  u64 now_ns);

// Begins the answer of the exchange. Once in an exchange.
void
http_dynamic_answer(struct http_dynamic *conn, u64 now_ns,
		    const struct http_answer *answer);

// True while an exchange waits for its answer: http_dynamic_answer() may be
// called.
bool
http_dynamic_is_waiting(const struct http_dynamic *conn);

// As their namesakes in conn.h.
must_check u32
http_dynamic_input(struct http_dynamic *conn, u64 now_ns, const void *bytes,
		   u32 len);

void
http_dynamic_input_end(struct http_dynamic *conn);

must_check bool
http_dynamic_output(struct http_dynamic *conn, u64 now_ns,
		    struct http_output *out);

void
http_dynamic_sent(struct http_dynamic *conn, u64 now_ns, u64 len_bytes);

u64
http_dynamic_deadline(const struct http_dynamic *conn);

void
http_dynamic_tick(struct http_dynamic *conn, u64 now_ns, u64 unacked_bytes);

// The transport was reset: ends the exchange. The connection is to be forgotten.
void
http_dynamic_gone(struct http_dynamic *conn);

// Asserts the invariants of dynamic.c.
void
http_dynamic_check(const struct http_dynamic *conn);
