// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// From a request to the bytes that answer it (RFC 9110). A response is a few
// pieces: text that the transport must copy, and spans of the site that it may
// send from where they lie. Content of a catalogue is not here: the response names
// what it needs next (FETCH), and goes on when that has been brought. The first of
// it is needed before the head leaves, so that a head never promises what cannot
// be had.
//
// Answers: 200, 204 (OPTIONS), 206, 301, 304, 404, 405, 412, 416, 503 without a
// site; refusals of parser and connection with the status they name. HEAD gives the
// same header section without content. Nothing depends on Accept fields, so no Vary.

#include "libos/http/catalog.h"
#include "libos/http/date.h"
#include "libos/http/parse.h"
#include "libos/http/range.h"
#include "libos/http/site.h"

// The text of one piece: a header section, or the header of a part.
#define HTTP_TEXT_MAX 512

// "Server: DEOS", "Date: ..." and their CRLFs.
#define HTTP_STAMP_LEN (14 + 6 + HTTP_DATE_LEN + 2)

#define HTTP_TAG_LEN (SITE_ETAG_LEN - 2)	// an entity tag without its quotes

// A page whose content the host makes for each request (PAGE). It goes before a
// file of that path.
struct http_page {
	const char *path;	// normalised, terminated
	const char *type;
};

// What all connections of a server share. Read only, but for the time and the
// catalogue's slots. With neither site nor catalogue the answer is 503.
struct http_service {
	const struct site *site;
	struct catalog *catalog;	// goes before `site`
	const struct http_page *pages;
	u32 page_count;
	u64 unix_seconds;
	char stamp[HTTP_STAMP_LEN];
};

struct http_piece {
	const void *bytes;
	u64 len_bytes;
	bool lent;	// stays where it is as long as the site does; otherwise
			// it must be copied before the response changes
};

// Content of a file that is to be brought: at least one byte.
struct http_fetch {
	const struct manifest_entry *file;
	u64 offset, len_bytes;
};

enum http_peek {
	HTTP_PEEK_END,		// the response is complete
	HTTP_PEEK_PIECE,
	HTTP_PEEK_FETCH,	// response.rest is needed, or the beginning of it
	HTTP_PEEK_PAGE,		// the content of response.page is needed
};

// A response on its way out. Fixed size; owns only its text.
struct http_response {
	enum http_status status;
	bool close;			// the connection ends with it
	bool head_only;
	bool begun;			// something of it was sent
	u8 part_count, part_next;	// of a multipart response
	struct http_piece front;	// a redirect's head, before the text
	struct http_piece content;	// after the text
	struct http_fetch rest;		// after the content
	const struct catalog *catalog;	// that the rest or the location is of
	struct http_text location;	// of a redirect: path that is not yet text
	const struct http_page *page;	// whose content has not come
	const struct site_object *object;	// of a site in memory, or NULL
	// Of a multipart response:
	u64 object_len;
	const u8 *data;
	const char *type;
	char tag[HTTP_TAG_LEN];
	struct http_range parts[HTTP_RANGES_MAX];
	u32 text_len, text_sent;
	char text[HTTP_TEXT_MAX];
};

// Makes a service of a site (or NULL), which is lent for as long as the service
// lives. Catalogue and pages may be set and changed between calls; what a response
// began with it keeps: the old catalogue stays while http_response_check() or a
// connection still names it.
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

// Shows what comes next, and the piece when that is one that has not been sent.
must_check enum http_peek
http_response_peek(struct http_response *response, struct http_piece *piece);

// After FETCH: the first `len_bytes`, at least 1, of what is needed lie here until
// they are sent, or longer if `lent`.
void
http_response_fetched(struct http_response *response, const void *bytes,
		      u64 len_bytes, bool lent);

// After PAGE: its content, which lies here until the response is over. `minor` is
// the version of the request.
void
http_response_page(struct http_response *response,
		   const struct http_service *service, u8 minor,
		   const void *bytes, u64 len_bytes);

// Notes that `len_bytes` of the piece shown last, at most all, were sent.
void
http_response_sent(struct http_response *response, u64 len_bytes);

// Asserts the invariants of respond.c.
void
http_response_check(const struct http_response *response);
