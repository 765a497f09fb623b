// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Characters, spans of text and comma lists: the small grammar that every
// part of HTTP shares (RFC 9110 section 5.6, RFC 3986 section 2).
//
// A span lends bytes of a request; it owns nothing and is not terminated.

#include "kernel/base/types.h"

enum http_char {
	HTTP_CHAR_TOKEN = 1,	// tchar: methods, field names, list members
	HTTP_CHAR_FIELD = 2,	// inside a field value: HTAB, SP, visible, >= 0x80
	HTTP_CHAR_PATH = 4,	// unescaped in a path, '/' included
	HTTP_CHAR_QUERY = 8,	// unescaped in a query
	HTTP_CHAR_HOST = 16,	// unescaped in a registered name
	HTTP_CHAR_DIGIT = 32,
	HTTP_CHAR_HEX = 64,
};

// One set of enum http_char for each byte.
extern const u8 http_char_table[256];

struct http_text {
	const char *at;
	u32 len;
};

static inline bool
http_char_is(char c, u8 set)
{
	return http_char_table[(u8)c] & set;
}

// The number of leading bytes of `text` that are in `set`.
u32
http_text_run(struct http_text text, u8 set);

// `text` without the spaces and tabs at both ends.
struct http_text
http_text_trim(struct http_text text);

// True when `text` is `lower` (lower-case letters, digits, '-') in any case.
bool
http_text_is(struct http_text text, const char *lower);

// True when `text` begins with `lower` in any case.
bool
http_text_starts(struct http_text text, const char *lower);

// Takes the next member of a comma list from the front of *rest: trimmed,
// empty members skipped. Returns false when none is left. Quoted strings are
// not known here: entity tags have their own walk (condition.c).
must_check bool
http_list_next(struct http_text *rest, struct http_text *member);

// Reads a decimal number that fills all of `text`: at least one digit and
// nothing else. Values from 2^64-6 on read as 2^64-1. False: *value is
// untouched.
must_check bool
http_text_number(struct http_text text, u64 *value);

// The value of a hexadecimal digit, or -1.
int
http_hex_value(char c);
