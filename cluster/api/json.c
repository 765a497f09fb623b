// SPDX-License-Identifier: BSD-2-Clause
// The writer of json.h.
//
// Invariants:
//  J1  elements are written up to room - kept. `kept` is JSON_TAIL, half of it after
//      a cut; the other half holds JSON_DEPTH closers and a line end.
//  J2  once `full`, len does not change but by json_close() and json_cut().
//  J3  depth < JSON_DEPTH.

#include "cluster/api/json.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"

STATIC_ASSERT(JSON_TAIL / 2 >= JSON_DEPTH + 1);

typedef unsigned long long number_t;	// what %llu prints

void
json_begin(struct json *json, char *buffer, u32 room)
{
	ASSERT(room > JSON_TAIL);
	*json = (struct json){ .at = buffer, .room = room, .kept = JSON_TAIL };
}

static void
put(struct json *json, const char *bytes, u32 len)
{
	if (json->full || json->len + len > json->room - json->kept) {	// J1
		json->full = true;
		return;
	}
	memcpy(json->at + json->len, bytes, len);
	json->len += len;
}

static void printf_like(2, 3)
put_format(struct json *json, const char *format, ...)
{
	char text[48];
	va_list args;

	va_start(args, format);
	size_t n = fmt_into_va(text, sizeof(text), format, args);
	va_end(args);
	ASSERT(n < sizeof(text));
	put(json, text, (u32)n);
}

// What stands before a value.
static void
put_key(struct json *json, const char *key)
{
	if (json->comma)
		put(json, ",", 1);
	json->comma = true;
	if (!key)
		return;
	put(json, "\"", 1);
	put(json, key, (u32)strlen(key));
	put(json, "\":", 2);
}

static void
open_as(struct json *json, const char *key, const char *opener, char closer)
{
	ASSERT(json->depth < JSON_DEPTH);				// J3
	put_key(json, key);
	put(json, opener, 1);
	json->closer[json->depth++] = closer;
	json->comma = false;
}

void
json_open_object(struct json *json, const char *key)
{
	open_as(json, key, "{", '}');
}

void
json_open_array(struct json *json, const char *key)
{
	open_as(json, key, "[", ']');
}

void
json_close(struct json *json)
{
	ASSERT(json->depth > 0);
	json->depth--;
	json->comma = true;
	if (json->len < json->room)
		json->at[json->len++] = json->closer[json->depth];
}

// The length of the UTF-8 sequence at `at`, of at most `len` bytes, as RFC 3629 has
// it; 0: there is none.
static u32
utf8_len(const u8 *at, u32 len)
{
	static const struct {
		u8 first, last;			// of the leading byte
		u8 second_first, second_last;
		u8 bytes;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(forms); i++) {
		if (at[0] < forms[i].first || at[0] > forms[i].last)
			continue;
		if (forms[i].bytes > len || at[1] < forms[i].second_first ||
		    at[1] > forms[i].second_last)
			return 0;
		for (u32 j = 2; j < forms[i].bytes; j++) {
			if ((at[j] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].bytes;
	}
	return 0;
}

// Writes one character that begins at `at`. Returns how many bytes it has.
static u32
put_character(struct json *json, const u8 *at, u32 len)
{
	u32 n;

	switch (at[0]) {
	case '"':
		put(json, "\\\"", 2);
		return 1;
	case '\\':
		put(json, "\\\\", 2);
		return 1;
	case '\n':
		put(json, "\\n", 2);
		return 1;
	case '\t':
		put(json, "\\t", 2);
		return 1;
	}
	if (at[0] < ' ' || at[0] == 0x7f) {
		put_format(json, "\\u%04x", at[0]);
		return 1;
	}
	n = at[0] < 0x80 ? 1 : utf8_len(at, len);
	if (n)
		put(json, (const char *)at, n);
	else
		put_format(json, "\\udc%02x", at[0]);
	return MAX(n, 1u);
}

void
json_text(struct json *json, const char *key, const char *text, u32 len)
{
	put_key(json, key);
	put(json, "\"", 1);
	for (u32 i = 0; i < len && !json->full;)
		i += put_character(json, (const u8 *)text + i, len - i);
	put(json, "\"", 1);
}

void
json_string(struct json *json, const char *key, const char *text)
{
	json_text(json, key, text, (u32)strlen(text));
}

void
json_reason(struct json *json, const char *key, const char *text)
{
	if (text && *text)
		json_string(json, key, text);
	else
		json_null(json, key);
}

void
json_number(struct json *json, const char *key, u64 number)
{
	put_key(json, key);
	put_format(json, "%llu", (number_t)number);
}

void
json_bool(struct json *json, const char *key, bool value)
{
	put_key(json, key);
	put_format(json, "%s", value ? "true" : "false");
}

void
json_null(struct json *json, const char *key)
{
	put_key(json, key);
	put(json, "null", 4);
}

void
json_hex(struct json *json, const char *key, const u8 *bytes, u32 len)
{
	put_key(json, key);
	put(json, "\"", 1);
	for (u32 i = 0; i < len; i++)
		put_format(json, "%02x", bytes[i]);
	put(json, "\"", 1);
}

void
json_base64_begin(struct json *json, const char *key)
{
	put_key(json, key);
	put(json, "\"", 1);
}

void
json_base64(struct json *json, const u8 *bytes, u32 len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";

	ASSERT(len % 3 == 0);
	for (u32 i = 0; i < len; i += 3) {
		u32 word = (u32)bytes[i] << 16 | (u32)bytes[i + 1] << 8 | bytes[i + 2];
		const char four[4] = { digits[word >> 18], digits[word >> 12 & 63],
				       digits[word >> 6 & 63], digits[word & 63] };

		put(json, four, sizeof(four));
	}
}

void
json_base64_end(struct json *json)
{
	put(json, "\"", 1);
}

void
uuid_text(const volatile u8 uuid[16], char text[UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (u32 i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[uuid[i] >> 4];
		*text++ = digits[uuid[i] & 15];
	}
	*text = 0;
}

void
json_uuid(struct json *json, const char *key, const u8 uuid[16])
{
	char text[UUID_TEXT];

	uuid_text(uuid, text);
	json_string(json, key, text);
}

void
json_address(struct json *json, const char *key, u32 address)
{
	if (!address) {
		json_null(json, key);
		return;
	}
	put_key(json, key);
	put_format(json, "\"%u.%u.%u.%u\"", address >> 24, address >> 16 & 255,
		   address >> 8 & 255, address & 255);
}

struct json
json_mark(const struct json *json)
{
	return *json;
}

void
json_cut(struct json *json, const struct json *mark)
{
	ASSERT(mark->at == json->at && !mark->full && mark->len <= json->len);
	*json = *mark;
	json->kept = JSON_TAIL / 2;
	json->cut = true;
}

bool
json_close_or_cut(struct json *json, const struct json *mark)
{
	json_close(json);
	if (!json->full)
		return true;
	json_cut(json, mark);
	return false;
}

void
json_copy(struct json *json, const struct json *from)
{
	ASSERT(json->len == 0 && from->depth == 0);
	json->full = from->full || from->len >= json->room;
	if (json->full)
		return;
	memcpy(json->at, from->at, from->len);
	json->len = from->len;
	json->comma = true;
}

u32
json_end(struct json *json)
{
	ASSERT(json->depth == 0);
	if (json->full || json->len == json->room)
		return 0;
	json->at[json->len++] = '\n';
	return json->len;
}
