// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Request content (RFC 9112 sections 6 and 7): read and thrown away, or handed on.
// A static site has no use for it, but only reading it to its exact end keeps the
// next request of the connection where the client put it.
//
// Chunked content is checked as strictly as the head, extensions and trailer
// included. Bytes are counted with their framing, so a bound on them bounds
// the work.

#include "libos/http/status.h"
#include "kernel/base/types.h"

// The whole state: what comes next, and how much of it.
struct http_body {
	u8 expect;		// enum expect of body.c
	u64 left;		// bytes of the chunk or the content still to come
	u64 budget_bytes;	// how many more may be read
};

enum http_body_result {
	HTTP_BODY_MORE,
	HTTP_BODY_DONE,
	HTTP_BODY_BAD,		// framing is lost: 400, and close
	HTTP_BODY_TOO_LARGE,	// 413, and close
};

// Begins content of `len_bytes` bytes, or chunked content, of which at most
// `limit_bytes` are read.
void
http_body_start(struct http_body *body, bool chunked, u64 len_bytes,
		u64 limit_bytes);

// Reads on over `len` bytes and sets *used to how many were taken: all of them
// unless the content ends, or is refused, among them.
must_check enum http_body_result
http_body_read(struct http_body *body, const char *bytes, u32 len, u32 *used);

// Reads on over framing alone, as far as the content that comes next or the end.
must_check enum http_body_result
http_body_framing(struct http_body *body, const char *bytes, u32 len, u32 *used);

// How many of the `len` bytes that come next are content: 0 before framing.
u32
http_body_content(const struct http_body *body, u32 len);

// Takes that many of them.
void
http_body_take(struct http_body *body, u32 len);

// Asserts the invariants of body.c.
void
http_body_check(const struct http_body *body);
