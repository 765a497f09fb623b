// SPDX-License-Identifier: BSD-2-Clause
// Targets are taken apart from the left and never repaired: what does not
// match one form exactly is refused. Stateless.

#include "libos/http/target.h"
#include "kernel/base/assert.h"

static struct http_text
skip(struct http_text text, u32 count)
{
	ASSERT(count <= text.len);
	return (struct http_text){ text.at + count, text.len - count };
}

// The length of the host at the front of `text`, 0 for none. A bracketed
// literal is taken by its alphabet: whether it names an interface of ours is
// not asked, so nothing depends on its value.
static u32
host_len(struct http_text text)
{
	u32 n = 0;

	if (text.len == 0 || text.at[0] != '[') {
		while (n < text.len) {
			if (http_char_is(text.at[n], HTTP_CHAR_HOST))
				n++;
			else if (text.len - n >= 3 && text.at[n] == '%' &&
				 http_hex_value(text.at[n + 1]) >= 0 &&
				 http_hex_value(text.at[n + 2]) >= 0)
				n += 3;
			else
				break;
		}
		return n;
	}
	for (n = 1; n < text.len; n++) {
		char c = text.at[n];

		if (!http_char_is(c, HTTP_CHAR_HEX) && c != ':' && c != '.')
			break;
	}
	return n > 2 && n < text.len && text.at[n] == ']' ? n + 1 : 0;
}

bool
http_authority_is_valid(struct http_text authority)
{
	u32 host = host_len(authority);
	struct http_text port = skip(authority, host);
	u64 number;

	if (host == 0)
		return false;
	if (port.len == 0)
		return true;
	if (port.at[0] != ':')
		return false;
	port = skip(port, 1);
	return port.len == 0 ||
	       (http_text_number(port, &number) && number <= 65535);
}

// Splits a path and an optional query, of which a static site takes no notice.
static u32
read_path(struct http_text text, struct http_target *target)
{
	u32 path = http_text_run(text, HTTP_CHAR_PATH);
	u32 query = path < text.len && text.at[path] == '?' ?
			    http_text_run(skip(text, path), HTTP_CHAR_QUERY) : 0;

	if (path + query != text.len)
		return HTTP_BAD_REQUEST;
	target->path = (struct http_text){ text.at, path };
	if (query > 1)
		target->query = (struct http_text){ text.at + path + 1, query - 1 };
	return 0;
}

static u32
read_absolute(struct http_text text, struct http_target *target)
{
	u32 n = 0;

	if (http_text_starts(text, "https://"))
		return HTTP_MISDIRECTED_REQUEST;
	if (!http_text_starts(text, "http://"))
		return HTTP_BAD_REQUEST;
	text = skip(text, 7);
	while (n < text.len && text.at[n] != '/' && text.at[n] != '?')
		n++;
	if (!http_authority_is_valid((struct http_text){ text.at, n }))
		return HTTP_BAD_REQUEST;
	return read_path(skip(text, n), target);
}

u32
http_target_read(struct http_text text, bool connect, bool options,
		 struct http_target *target)
{
	*target = (struct http_target){ .form = HTTP_TARGET_PATH };
	if (text.len == 0)
		return HTTP_BAD_REQUEST;
	if (connect) {
		target->form = HTTP_TARGET_AUTHORITY;
		return http_authority_is_valid(text) ? 0 : HTTP_BAD_REQUEST;
	}
	if (text.at[0] == '/')
		return read_path(text, target);
	if (text.len == 1 && text.at[0] == '*' && options) {
		target->form = HTTP_TARGET_ASTERISK;
		return 0;
	}
	return read_absolute(text, target);
}
