// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The request parser (RFC 9112 sections 2 to 6): from the bytes of a receive
// buffer to a request whose framing is beyond doubt, or a refusal.
//
// The parser copies nothing and keeps offsets only. The caller shows it all
// bytes of the request so far, contiguous, wherever they now stand; when more
// have come it shows them again with the new ones, and no byte is read twice.
// The result is a function of the bytes alone, not of how they were split.
//
// Policy where the RFCs leave a choice: a line ends in CRLF and nothing else;
// one empty line before the request line is skipped; folded fields, blanks
// before a colon and control characters are refused; a second Content-Length,
// even an equal one, a leading zero in it, and Content-Length beside
// Transfer-Encoding are refused. HTTP/1.2 to 1.9 are read as 1.1.

#include "libos/http/target.h"

#define HTTP_REQUEST_LINE_MAX 8192	// without its CRLF
#define HTTP_FIELDS_LEN_MAX 16384	// all field lines and the empty line
#define HTTP_FIELDS_MAX 100
// What a caller must be able to show at once.
#define HTTP_REQUEST_HEAD_MAX (2 + HTTP_REQUEST_LINE_MAX + 2 + HTTP_FIELDS_LEN_MAX)

enum http_method {
	HTTP_METHOD_UNKNOWN,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_OTHER,	// known, and never allowed here
};

// The fields that have a meaning here, as bits of http_request.present.
enum http_field {
	HTTP_FIELD_HOST = 1 << 0,
	HTTP_FIELD_RANGE = 1 << 1,
	HTTP_FIELD_EXPECT = 1 << 2,
	HTTP_FIELD_IF_MATCH = 1 << 3,
	HTTP_FIELD_IF_RANGE = 1 << 4,
	HTTP_FIELD_CONNECTION = 1 << 5,
	HTTP_FIELD_IF_NONE_MATCH = 1 << 6,
	HTTP_FIELD_CONTENT_LENGTH = 1 << 7,
	HTTP_FIELD_IF_MODIFIED_SINCE = 1 << 8,
	HTTP_FIELD_TRANSFER_ENCODING = 1 << 9,
	HTTP_FIELD_IF_UNMODIFIED_SINCE = 1 << 10,
	HTTP_FIELD_ORIGIN = 1 << 11,
};

// Offsets count from the first byte shown to the parser.
struct http_request {
	enum http_method method;
	enum http_target_form form;
	u32 path_at, path_len;		// of HTTP_TARGET_PATH
	u32 query_at, query_len;	// after its '?'; 0, 0: none
	u32 fields_at, fields_len;	// all field lines, with the empty line
	u32 present;			// set of enum http_field
	u8 minor;			// of the version: HTTP/1.minor
	bool keep_alive;		// the client wants the connection kept
	bool expects_continue;
	bool chunked;			// content is chunked
	u64 content_len;		// of content that is not chunked
};

enum http_parse_phase {
	HTTP_PARSE_REQUEST_LINE,
	HTTP_PARSE_FIELDS,
	HTTP_PARSE_OVER,
};

struct http_parser {
	enum http_parse_phase phase;
	u32 scan;		// bytes before it have been looked at
	u32 line;		// where the current line begins
	u32 field_count;
	enum http_status refusal;
	bool empty_line_skipped;
	bool wants_close, wants_keep_alive;	// members of Connection
	bool other_expectation;
	// Transfer-Encoding so far, in order over all its lines.
	bool coding_chunked;	// the last coding is chunked
	bool coding_unknown;	// a coding is not known here
	struct http_request request;
};

enum http_parse_result {
	HTTP_PARSE_MORE,	// the head is not complete
	HTTP_PARSE_DONE,	// parser.request holds; parser.scan is its length
	HTTP_PARSE_REFUSED,	// parser.refusal is the status; the connection
				// must close, for framing may be lost
};

// Makes the parser ready for a request.
void
http_parser_init(struct http_parser *parser);

// Parses on. `bytes` are the first `len` bytes of the request, `len` at least
// as many as in the call before; bytes beyond the head are left alone. After
// DONE or REFUSED the parser must be made ready again.
must_check enum http_parse_result
http_parse(struct http_parser *parser, const char *bytes, u32 len);

// Walks the lines of one field in a parsed request whose head is at `bytes`:
// *cursor starts at 0; each true sets *value, trimmed, to the next line's.
must_check bool
http_field_next(const struct http_request *request, const char *bytes,
		enum http_field field, u32 *cursor, struct http_text *value);

// The value of a field that may stand once. Returns false when it is not there
// or repeated, which makes such a field invalid.
must_check bool
http_field_single(const struct http_request *request, const char *bytes,
		  enum http_field field, struct http_text *value);

// Asserts the invariants of parse.c after `shown` bytes were shown.
void
http_parser_check(const struct http_parser *parser, u32 shown);
