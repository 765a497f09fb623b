// SPDX-License-Identifier: BSD-2-Clause
// Character classes as one table, and the few operations on spans.
//
// What may stand unescaped in a target is RFC 3986 plus what browsers send
// unescaped by the URL Standard ('[', ']', '|', '^' in paths and most visible
// characters in queries); '"', '#', '<', '>', spaces, controls and bytes above
// 0x7e never. The host class is reg-name without the comma, which would read
// as two Host values.
//
// Stateless; every function stays inside the span it is given.

#include "libos/http/text.h"
#include "kernel/base/string.h"

#define T HTTP_CHAR_TOKEN
#define F HTTP_CHAR_FIELD
#define P HTTP_CHAR_PATH
#define Q HTTP_CHAR_QUERY
#define H HTTP_CHAR_HOST
#define ALL (T | F | P | Q | H)

const u8 http_char_table[256] = {
	['\t'] = F,
	[' '] = F,
	['!'] = ALL,
	['"'] = F,
	['#'] = T | F,
	['$'] = ALL,
	['%'] = T | F | P | Q,
	['&'] = ALL,
	['\''] = ALL,
	['('] = F | P | Q | H,
	[')'] = F | P | Q | H,
	['*'] = ALL,
	['+'] = ALL,
	[','] = F | P | Q,
	['-'] = ALL,
	['.'] = ALL,
	['/'] = F | P | Q,
	['0' ... '9'] = ALL | HTTP_CHAR_DIGIT | HTTP_CHAR_HEX,
	[':'] = F | P | Q,
	[';'] = F | P | Q | H,
	['<'] = F,
	['='] = F | P | Q | H,
	['>'] = F,
	['?'] = F | Q,
	['@'] = F | P | Q,
	['A' ... 'F'] = ALL | HTTP_CHAR_HEX,
	['G' ... 'Z'] = ALL,
	['['] = F | P | Q,
	['\\'] = F | Q,
	[']'] = F | P | Q,
	['^'] = T | F | P | Q,
	['_'] = ALL,
	['`'] = T | F | Q,
	['a' ... 'f'] = ALL | HTTP_CHAR_HEX,
	['g' ... 'z'] = ALL,
	['{'] = F | Q,
	['|'] = T | F | P | Q,
	['}'] = F | Q,
	['~'] = ALL,
	[0x80 ... 0xff] = F,
};

u32
http_text_run(struct http_text text, u8 set)
{
	const char *at = text.at, *end = at + text.len;

	while (at != end && http_char_is(*at, set))
		at++;
	return (u32)(at - text.at);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct http_text
http_text_trim(struct http_text text)
{
	while (text.len && is_blank(text.at[0]))
		text.at++, text.len--;
	while (text.len && is_blank(text.at[text.len - 1]))
		text.len--;
	return text;
}

// 'A' to 'Z' become lower case; digits and '-' already have the bit set. No
// other byte becomes a letter, a digit or '-' that was not one before, except
// controls, which no validated span holds.
bool
http_text_starts(struct http_text text, const char *lower)
{
	for (u32 i = 0; lower[i]; i++) {
		if (i == text.len || (text.at[i] | 0x20) != lower[i])
			return false;
	}
	return true;
}

bool
http_text_is(struct http_text text, const char *lower)
{
	return text.len == strlen(lower) && http_text_starts(text, lower);
}

bool
http_list_next(struct http_text *rest, struct http_text *member)
{
	while (rest->len) {
		u32 n = 0;

		while (n < rest->len && rest->at[n] != ',')
			n++;
		*member = http_text_trim((struct http_text){ rest->at, n });
		n += n < rest->len;
		rest->at += n;
		rest->len -= n;
		if (member->len)
			return true;
	}
	return false;
}

bool
http_text_number(struct http_text text, u64 *value)
{
	const u64 max = (UINT64_MAX - 9) / 10;	// one more digit still fits
	u64 v = 0;

	if (text.len == 0)
		return false;
	for (u32 i = 0; i < text.len; i++) {
		u8 digit = (u8)(text.at[i] - '0');

		if (digit > 9)
			return false;
		v = v <= max ? v * 10 + digit : UINT64_MAX;
	}
	*value = v;
	return true;
}

int
http_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (!http_char_is(c, HTTP_CHAR_HEX))
		return -1;
	return (c | 0x20) - 'a' + 10;
}
