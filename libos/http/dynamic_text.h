// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The texts of a dynamic connection: heads, refusals, and what stands around
// chunks. For dynamic.c alone.

#include "libos/http/dynamic.h"

// Writes the head of an answer and notes what its content will be.
void
dynamic_write_head(struct http_dynamic *conn, const struct http_answer *answer);

// Writes a whole answer of the protocol itself.
void
dynamic_write_refusal(struct http_dynamic *conn, enum http_status status);

// Writes 100 (Continue).
void
dynamic_write_continue(struct http_dynamic *conn);

// Writes what stands before a chunk of that length, which is the last one when
// it is 0. All text before it was sent.
void
dynamic_write_chunk(struct http_dynamic *conn, u64 len);
