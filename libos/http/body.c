// SPDX-License-Identifier: BSD-2-Clause
// One state per kind of byte that may come next:
//
//   chunk     SIZE_START SIZE ( ; NAME_START NAME [ = VALUE ] )* SIZE_LF
//             DATA DATA_CR DATA_LF, then SIZE_START again
//   last      SIZE_LF of size 0, then FIELD_START ... FIELD_LF for each line
//             of the trailer, and END_LF
//
// Blanks are taken where RFC 9112 has BWS (around ';' and '=' of extensions)
// and nowhere else: "5 CRLF" is refused. LF without CR is refused.
//
// Invariants:
//  B1  budget_bytes never grows, and each byte taken costs one.
//  B2  left is at most the budget while content is read, unbounded in what
//      belongs to a chunk's size, and 0 elsewhere.

#include "libos/http/body.h"
#include "kernel/base/assert.h"
#include "libos/http/text.h"

enum expect {
	LENGTH,			// content with a Content-Length
	SIZE_START,
	SIZE,
	SIZE_BLANK,		// after blanks behind a size or a value
	NAME_START,
	NAME,
	NAME_BLANK,
	VALUE_START,
	VALUE,
	QUOTED,
	QUOTED_PAIR,
	VALUE_END,		// after the closing quote
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	FIELD_START,
	FIELD_NAME,
	FIELD_VALUE,
	FIELD_LF,
	END_LF,
	BAD,
	TOO_LARGE,
	DONE,
};

#define CHUNK_MAX (1ull << 59)		// one more digit still fits in 64 bits

void
http_body_start(struct http_body *body, bool chunked, u64 len_bytes,
		u64 limit_bytes)
{
	ASSERT(!chunked || len_bytes == 0);
	*body = (struct http_body){
		.expect = chunked ? SIZE_START : LENGTH,
		.left = len_bytes,
		.budget_bytes = limit_bytes,
	};
	if (len_bytes > limit_bytes)
		body->expect = TOO_LARGE;
	else if (!chunked && len_bytes == 0)
		body->expect = DONE;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

// What follows a complete size, name or value.
static enum expect
after_item(char c, enum expect blank)
{
	if (c == ';')
		return NAME_START;
	if (c == '\r')
		return SIZE_LF;
	return is_blank(c) ? blank : BAD;
}

static enum expect
step_size(struct http_body *body, char c)
{
	int digit = http_hex_value(c);

	if (digit < 0)
		return body->expect == SIZE ? after_item(c, SIZE_BLANK) : BAD;
	if (body->left >= CHUNK_MAX)
		return BAD;
	body->left = body->left << 4 | (u64)digit;
	return SIZE;
}

static enum expect
step_quoted(enum expect expect, char c)
{
	if (!http_char_is(c, HTTP_CHAR_FIELD))
		return BAD;
	if (expect == QUOTED_PAIR)
		return QUOTED;
	return c == '"' ? VALUE_END : c == '\\' ? QUOTED_PAIR : QUOTED;
}

static enum expect
step_extension(enum expect expect, char c)
{
	bool token = http_char_is(c, HTTP_CHAR_TOKEN);

	switch (expect) {
	case SIZE_BLANK:
		return c == '\r' ? BAD : after_item(c, SIZE_BLANK);
	case NAME_START:
		return token ? NAME : is_blank(c) ? NAME_START : BAD;
	case NAME:
		if (token)
			return NAME;
		return c == '=' ? VALUE_START : after_item(c, NAME_BLANK);
	case NAME_BLANK:
		if (c == '=')
			return VALUE_START;
		return c == '\r' ? BAD : after_item(c, NAME_BLANK);
	case VALUE_START:
		if (is_blank(c))
			return VALUE_START;
		return token ? VALUE : c == '"' ? QUOTED : BAD;
	case VALUE:
		return token ? VALUE : after_item(c, SIZE_BLANK);
	case VALUE_END:
		return after_item(c, SIZE_BLANK);
	default:
		return step_quoted(expect, c);
	}
}

static enum expect
step_trailer(enum expect expect, char c)
{
	bool token = http_char_is(c, HTTP_CHAR_TOKEN);

	switch (expect) {
	case FIELD_START:
		return token ? FIELD_NAME : c == '\r' ? END_LF : BAD;
	case FIELD_NAME:
		return token ? FIELD_NAME : c == ':' ? FIELD_VALUE : BAD;
	case FIELD_VALUE:
		if (c == '\r')
			return FIELD_LF;
		return http_char_is(c, HTTP_CHAR_FIELD) ? FIELD_VALUE : BAD;
	case FIELD_LF:
		return c == '\n' ? FIELD_START : BAD;
	default:
		ASSERT(expect == END_LF);
		return c == '\n' ? DONE : BAD;
	}
}

// The byte that ends the line of a chunk's size.
static enum expect
end_size(const struct http_body *body, char c)
{
	if (c != '\n')
		return BAD;
	if (body->left > body->budget_bytes)
		return TOO_LARGE;
	return body->left ? DATA : FIELD_START;
}

static enum expect
step(struct http_body *body, char c)
{
	switch (body->expect) {
	case SIZE_START:
	case SIZE:
		return step_size(body, c);
	case SIZE_BLANK ... VALUE_END:
		return step_extension(body->expect, c);
	case SIZE_LF:
		return end_size(body, c);
	case DATA_CR:
		return c == '\r' ? DATA_LF : BAD;
	case DATA_LF:
		return c == '\n' ? SIZE_START : BAD;
	default:
		return step_trailer(body->expect, c);
	}
}

static bool
is_at_content(const struct http_body *body)
{
	return body->expect == DATA || body->expect == LENGTH;
}

static enum http_body_result
result_of(const struct http_body *body)
{
	switch (body->expect) {
	case BAD:
		return HTTP_BODY_BAD;
	case TOO_LARGE:
		return HTTP_BODY_TOO_LARGE;
	case DONE:
		return HTTP_BODY_DONE;
	}
	return HTTP_BODY_MORE;
}

enum http_body_result
http_body_framing(struct http_body *body, const char *bytes, u32 len, u32 *used)
{
	u32 at = 0;

	while (body->expect < BAD && at < len && !is_at_content(body)) {
		if (body->budget_bytes == 0)
			body->expect = TOO_LARGE;
		else
			body->expect = (u8)step(body, bytes[at]);
		if (body->expect == BAD || body->expect == TOO_LARGE)
			break;
		body->budget_bytes--;				// B1
		at++;
	}
	*used = at;
	return result_of(body);
}

u32
http_body_content(const struct http_body *body, u32 len)
{
	return is_at_content(body) ? (u32)MIN((u64)len, body->left) : 0;
}

void
http_body_take(struct http_body *body, u32 len)
{
	ASSERT(is_at_content(body) && len <= body->left);
	ASSERT(len <= body->budget_bytes);			// B1, B2
	body->left -= len;
	body->budget_bytes -= len;
	if (body->left == 0)
		body->expect = body->expect == DATA ? DATA_CR : DONE;
}

enum http_body_result
http_body_read(struct http_body *body, const char *bytes, u32 len, u32 *used)
{
	enum http_body_result result;
	u32 at = 0, n;

	do {
		result = http_body_framing(body, bytes + at, len - at, &n);
		at += n;
		n = http_body_content(body, len - at);
		if (n)
			http_body_take(body, n);
		at += n;
	} while (n);
	*used = at;
	return result;
}

void
http_body_check(const struct http_body *body)
{
	if (body->expect == LENGTH || body->expect == DATA)		// B2
		ASSERT(body->left > 0 && body->left <= body->budget_bytes);
	else if (body->expect == SIZE_START || (body->expect > DATA &&
						body->expect < BAD))
		ASSERT(body->left == 0);
}
