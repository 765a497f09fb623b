// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Request targets in their four forms, and the authority that both they and
// the Host field carry (RFC 9112 section 3.2, RFC 9110 section 7.2).

#include "libos/http/status.h"
#include "libos/http/text.h"

enum http_target_form {
	HTTP_TARGET_PATH,	// origin-form, or absolute-form of scheme http
	HTTP_TARGET_ASTERISK,
	HTTP_TARGET_AUTHORITY,	// of CONNECT
};

struct http_target {
	enum http_target_form form;
	struct http_text path;	// of HTTP_TARGET_PATH: without the query. Empty
				// only for "http://host", which means "/"
	struct http_text query;	// after the '?'; empty: none
};

// True for "host" or "host:port": a registered name, an IPv4 address or an
// IPv6 literal in brackets, never empty, never with user information; the port
// at most 65535, or nothing after the colon.
bool
http_authority_is_valid(struct http_text authority);

// Splits `text`. Only the characters are checked here: escapes and segments
// are the path's own business. `connect` and `options` say that the method is
// that one, because only they may use the forms without a path. Returns 0, or
// the status to refuse with: 421 for the scheme https, 400 for anything else.
must_check u32
http_target_read(struct http_text text, bool connect, bool options,
		 struct http_target *target);
