// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The statuses these servers send, each with its status line and, where it has
// one, a sentence and a small static page around it. All of it is constant text:
// nothing of a request is ever echoed in a page.

#include "kernel/base/types.h"

enum http_status {
	HTTP_CONTINUE = 100,
	HTTP_OK = 200,
	HTTP_NO_CONTENT = 204,
	HTTP_PARTIAL_CONTENT = 206,
	HTTP_MOVED_PERMANENTLY = 301,
	HTTP_NOT_MODIFIED = 304,
	HTTP_BAD_REQUEST = 400,
	HTTP_FORBIDDEN = 403,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_REQUEST_TIMEOUT = 408,
	HTTP_CONFLICT = 409,
	HTTP_LENGTH_REQUIRED = 411,
	HTTP_PRECONDITION_FAILED = 412,
	HTTP_CONTENT_TOO_LARGE = 413,
	HTTP_URI_TOO_LONG = 414,
	HTTP_RANGE_NOT_SATISFIABLE = 416,
	HTTP_EXPECTATION_FAILED = 417,
	HTTP_MISDIRECTED_REQUEST = 421,
	HTTP_FIELDS_TOO_LARGE = 431,
	HTTP_INTERNAL_ERROR = 500,
	HTTP_NOT_IMPLEMENTED = 501,
	HTTP_UNAVAILABLE = 503,
	HTTP_GATEWAY_TIMEOUT = 504,
	HTTP_VERSION_NOT_SUPPORTED = 505,
	HTTP_INSUFFICIENT_STORAGE = 507,
};

struct http_status_text {
	enum http_status status;
	const char *line;	// status line with its CRLF, terminated
	const char *page;	// HTML, or "" for a status without content
	u32 page_len;
	const char *sentence;	// of the page, or ""; no quote or backslash in it
};

// The texts of `status`, which is one of the enum. Cannot fail.
const struct http_status_text *
http_status_text(enum http_status status);
