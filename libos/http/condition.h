// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Conditional requests (RFC 9110 section 13): does the state of the object
// allow the request, and has the client its content already?

#include "libos/http/parse.h"

// What a condition compares with: the object's strong entity tag, quotes
// included, and its modification time.
struct http_validators {
	struct http_text etag;
	u64 modified_seconds;
};

enum http_condition {
	HTTP_CONDITION_PASSED,
	HTTP_CONDITION_NOT_MODIFIED,	// 304
	HTTP_CONDITION_FAILED,		// 412
};

// Evaluates the preconditions of a GET or HEAD whose head is at `bytes`, in
// the order of section 13.2.2. `now` (seconds since 1970) completes two-digit
// years. A date that is malformed or given twice is as if absent; a malformed
// entity tag matches nothing and ends its line.
must_check enum http_condition
http_condition_check(const struct http_request *request, const char *bytes,
		     const struct http_validators *object, u64 now);

// True when the Range field of the request may be applied: there is no
// If-Range, or it names this object exactly: by its entity tag, or by its
// modification time once that is a strong validator (at least a second old).
must_check bool
http_condition_if_range(const struct http_request *request, const char *bytes,
			const struct http_validators *object, u64 now);
