// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// From a request to the bytes that answer it (RFC 9110). A response is a few
// pieces: text that the transport must copy, and spans of the site that it may
// send from where they lie.
//
// Answers: 200, 204 (OPTIONS), 206, 301, 304, 404, 405, 412, 416; refusals of
// parser and connection with the status they name. HEAD gives the same header
// section without content. Nothing depends on Accept fields, so no Vary.

#include "libos/http/date.h"
#include "libos/http/parse.h"
#include "libos/http/range.h"
#include "libos/http/site.h"

// The text of one piece: a header section, or the header of a part.
#define HTTP_TEXT_MAX 512

// "Server: DEOS", "Date: ..." and their CRLFs.
#define HTTP_STAMP_LEN (14 + 6 + HTTP_DATE_LEN + 2)

// What all connections of a server share. Read only, but for the time.
struct http_service {
	const struct site *site;
	u64 unix_seconds;
	char stamp[HTTP_STAMP_LEN];
};

struct http_piece {
	const void *bytes;
	u64 len_bytes;
	bool lent;	// stays where it is as long as the site does; otherwise
			// it must be copied before the response changes
};

// A response on its way out. Fixed size; owns only its text.
struct http_response {
	enum http_status status;
	bool close;			// the connection ends with it
	bool head_only;
	u8 part_count, part_next;	// of a multipart response
	struct http_piece front;	// a redirect's head, before the text
	struct http_piece content;	// after the text
	const struct site_object *object;
	struct http_range parts[HTTP_RANGES_MAX];
	u32 text_len, text_sent;
	char text[HTTP_TEXT_MAX];
};

// Makes a service of a site, which is lent for as long as the service lives.
void
http_service_init(struct http_service *service, const struct site *site,
		  u64 unix_seconds);

// Tells the service the time, at most HTTP_DATE_MAX: to be called once a
// second. Responses that have begun keep theirs.
void
http_service_set_time(struct http_service *service, u64 unix_seconds);

// Builds the response to a request whose head is at `bytes`. `last` says that
// the connection will close whatever the client wants.
void
http_respond(struct http_response *response, const struct http_service *service,
	     const struct http_request *request, const char *bytes, bool last);

// Builds the response that refuses a request and ends the connection.
// `head_only`: the request was a HEAD.
void
http_respond_refusal(struct http_response *response,
		     const struct http_service *service,
		     enum http_status status, bool head_only);

// Shows the next piece that has not been sent. Returns false when the response
// is complete.
must_check bool
http_response_peek(struct http_response *response, struct http_piece *piece);

// Notes that `len_bytes` of the piece shown last, at most all, were sent.
void
http_response_sent(struct http_response *response, u64 len_bytes);

// Asserts the invariants of respond.c.
void
http_response_check(const struct http_response *response);
