// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A JSON writer into a buffer of a fixed size. Whoever writes says what, this says
// the commas, the quotes and the escapes; the text is valid JSON whatever bytes go in.
//
// Text may hold any byte. What is no UTF-8 is written as an escaped lone surrogate,
// U+DC80 and up, byte by byte: Python's `surrogateescape` makes the same bytes of it
// again. Control characters are escaped.
//
// What does not fit sets `full`, and nothing is written any more. Elements of a long
// list are written between a mark and a look at `full`: json_cut() takes back the one
// that did not fit, and for what ends the document JSON_TAIL bytes are kept.
//
// Numbers are written exactly; readers that take them for floating point see 53 bits.

#include "kernel/base/types.h"

#define JSON_DEPTH 8u
#define JSON_TAIL 128u

struct json {
	char *at;
	u32 room;		// of the buffer
	u32 kept;		// of it, for what ends the document
	u32 len;
	u32 depth;
	bool full;
	bool comma;		// an element stands before the next one
	bool cut;		// json_cut() was called
	char closer[JSON_DEPTH];
};

void
json_begin(struct json *json, char *buffer, u32 room);

// A key is NULL inside of an array, and a constant elsewhere.
void
json_open_object(struct json *json, const char *key);

void
json_open_array(struct json *json, const char *key);

// Closes the innermost of the two. Always fits.
void
json_close(struct json *json);

void
json_text(struct json *json, const char *key, const char *text, u32 len);

void
json_string(struct json *json, const char *key, const char *text);

// A string, or null for "" and NULL.
void
json_reason(struct json *json, const char *key, const char *text);

void
json_number(struct json *json, const char *key, u64 number);

void
json_bool(struct json *json, const char *key, bool value);

void
json_null(struct json *json, const char *key);

// Bytes as hexadecimal digits.
void
json_hex(struct json *json, const char *key, const u8 *bytes, u32 len);

// A string of bytes in base64 (RFC 4648), in pieces of three bytes or a multiple.
void
json_base64_begin(struct json *json, const char *key);
void
json_base64(struct json *json, const u8 *bytes, u32 len);
void
json_base64_end(struct json *json);

// A UUID in its usual form. It stands in most lines of the metrics: digit by digit.
#define UUID_TEXT 37u

void
uuid_text(const volatile u8 uuid[16], char text[UUID_TEXT]);
void
json_uuid(struct json *json, const char *key, const u8 uuid[16]);

// An IPv4 address in host order; null for 0.
void
json_address(struct json *json, const char *key, u32 address);

// Where the text is, to come back to.
struct json
json_mark(const struct json *json);

// Takes back what was written since the mark, which did not fit. A word about that
// (JSON_TAIL / 2 bytes) still has room, and closing.
void
json_cut(struct json *json, const struct json *mark);

// Closes an element of a long list, or takes it back when it did not fit: false.
bool
json_close_or_cut(struct json *json, const struct json *mark);

// Writes the text of another writer, whose elements are all closed, in this one's
// place: nothing was written here yet.
void
json_copy(struct json *json, const struct json *from);

// Ends the text with a line end. Everything is closed. Returns its length, or 0 when
// it did not fit.
must_check u32
json_end(struct json *json);
