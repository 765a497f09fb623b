// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// From the path of a request target to the one name under which a site knows
// the object (RFC 3986 sections 2.1, 3.3 and 5.2.4).
//
// The result is decoded exactly once, is valid UTF-8 without controls or
// backslashes, begins with '/', and holds no "." or ".." segment. A path that
// climbs above the root, in whatever spelling, is refused, not clipped.

#include "kernel/base/types.h"

// The longest name of an object, with its leading '/'.
#define HTTP_PATH_MAX 2048

enum http_path_result {
	HTTP_PATH_OK,
	HTTP_PATH_BAD,		// malformed: 400
	HTTP_PATH_NOWHERE,	// well-formed, but no object can have it: 404
};

// Normalises `len` bytes at `raw`, which begin with '/' and are all in
// HTTP_CHAR_PATH, into `path` (not terminated) and sets *path_len. Nowhere is
// a path with an encoded '/' inside a segment or one that is too long.
must_check enum http_path_result
http_path_normalise(const char *raw, u32 len, char path[HTTP_PATH_MAX],
		    u32 *path_len);

// True when `len` bytes at `text` are UTF-8 as RFC 3629 defines it: no
// overlong form, no surrogate, nothing above U+10FFFF.
bool
http_utf8_is_valid(const char *text, u32 len);
