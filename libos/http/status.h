// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The statuses this server sends, each with its status line and, where it has
// one, a small static page. All of it is constant text: nothing of a request
// is ever echoed in a page.

#include "kernel/base/types.h"

enum http_status {
	HTTP_OK = 200,
	HTTP_NO_CONTENT = 204,
	HTTP_PARTIAL_CONTENT = 206,
	HTTP_MOVED_PERMANENTLY = 301,
	HTTP_NOT_MODIFIED = 304,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_REQUEST_TIMEOUT = 408,
	HTTP_PRECONDITION_FAILED = 412,
	HTTP_CONTENT_TOO_LARGE = 413,
	HTTP_URI_TOO_LONG = 414,
	HTTP_RANGE_NOT_SATISFIABLE = 416,
	HTTP_EXPECTATION_FAILED = 417,
	HTTP_MISDIRECTED_REQUEST = 421,
	HTTP_FIELDS_TOO_LARGE = 431,
	HTTP_NOT_IMPLEMENTED = 501,
	HTTP_VERSION_NOT_SUPPORTED = 505,
};

struct http_status_text {
	enum http_status status;
	const char *line;	// status line with its CRLF, terminated
	const char *page;	// HTML, or "" for a status without content
	u32 page_len;
};

// The texts of `status`, which is one of the enum. Cannot fail.
const struct http_status_text *
http_status_text(enum http_status status);
