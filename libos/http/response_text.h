// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The text of a response: how respond.c and response.c write it. It never grows
// beyond HTTP_TEXT_MAX, which is asserted: all that is added is bounded.

#include "libos/http/respond.h"

void
http_text_add(struct http_response *response, const char *bytes, size_t len);
void printf_like(2, 3)
http_text_format(struct http_response *response, const char *format, ...);

// A Content-Range line.
void
http_text_range(struct http_response *response, const struct http_range *range,
		u64 object_len);

// The text before part `index` of a multipart response, or the closing boundary
// after the last, in place of what was there.
void
http_text_part(struct http_response *response, u32 index);
