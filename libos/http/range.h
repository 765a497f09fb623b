// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Byte ranges (RFC 9110 section 14): which bytes of an object a Range field
// asks for.

#include "libos/http/text.h"

#define HTTP_RANGES_MAX 8

struct http_range {
	u64 first;
	u64 len_bytes;	// at least 1; first + len_bytes is within the object
};

enum http_range_result {
	HTTP_RANGE_IGNORED,	// answer as if the field were not there
	HTTP_RANGE_OK,
	HTTP_RANGE_UNSATISFIABLE,	// 416
};

// Reads a Range field's value against an object of `object_len` bytes. OK sets
// *count to 1..HTTP_RANGES_MAX disjoint ranges that do not touch, in the order
// asked for: ranges that overlap or touch are joined at the first one's place.
// Ignored is a unit other than bytes, a malformed set, more than
// HTTP_RANGES_MAX ranges (members are counted before they are joined), and a
// suffix of an empty object, of which no Content-Range can speak.
must_check enum http_range_result
http_ranges_read(struct http_text value, u64 object_len,
		 struct http_range ranges[HTTP_RANGES_MAX], u32 *count);
