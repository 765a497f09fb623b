// SPDX-License-Identifier: BSD-2-Clause
// The parser works line by line. It scans for the end of a line, refusing the
// first byte that no line may hold, and judges the line once it is whole; so
// hostile bytes are refused when they come, and no decision depends on bytes
// after the line. Limits are checked during the scan: a line without an end is
// refused as soon as it is too long.
//
// Invariants, after each call:
//  H1  line <= scan <= bytes shown <= what the limits allow plus the line end.
//  H2  Every byte in [line, scan) may stand in a field value.
//  H3  request.path, .query and .fields lie in [0, scan).
//  H4  After DONE exactly one framing holds: chunked, a length, or nothing;
//      and an HTTP/1.1 request has exactly one valid Host.
//  H5  After REFUSED the refusal is a 4xx or 5xx status.

#include "libos/http/parse.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define LOWS 0x0101010101010101ull
#define HIGHS (LOWS * 0x80)

// Sorted by length: a name is compared only with those that have its own.
static const struct {
	u32 len;
	enum http_field field;
	const char *name;
} fields[] = {
	{ 4, HTTP_FIELD_HOST, "host" },
	{ 5, HTTP_FIELD_RANGE, "range" },
	{ 6, HTTP_FIELD_EXPECT, "expect" },
	{ 6, HTTP_FIELD_ORIGIN, "origin" },
	{ 8, HTTP_FIELD_IF_MATCH, "if-match" },
	{ 8, HTTP_FIELD_IF_RANGE, "if-range" },
	{ 10, HTTP_FIELD_CONNECTION, "connection" },
	{ 13, HTTP_FIELD_IF_NONE_MATCH, "if-none-match" },
	{ 14, HTTP_FIELD_CONTENT_LENGTH, "content-length" },
	{ 17, HTTP_FIELD_IF_MODIFIED_SINCE, "if-modified-since" },
	{ 17, HTTP_FIELD_TRANSFER_ENCODING, "transfer-encoding" },
	{ 19, HTTP_FIELD_IF_UNMODIFIED_SINCE, "if-unmodified-since" },
};

// Where each length begins in `fields`. A length that no field has finds the
// first one, whose length differs.
static const u8 first_of_len[20] = {
	[4] = 0, [5] = 1, [6] = 2, [8] = 4, [10] = 6, [13] = 7, [14] = 8,
	[17] = 9, [19] = 11,
};

static const struct {
	enum http_method method;
	u32 len;
	const char *name;
} methods[] = {
	{ HTTP_METHOD_GET, 3, "GET" },
	{ HTTP_METHOD_HEAD, 4, "HEAD" },
	{ HTTP_METHOD_OPTIONS, 7, "OPTIONS" },
	{ HTTP_METHOD_CONNECT, 7, "CONNECT" },
	{ HTTP_METHOD_POST, 4, "POST" },
	{ HTTP_METHOD_PUT, 3, "PUT" },
	{ HTTP_METHOD_DELETE, 6, "DELETE" },
	{ HTTP_METHOD_OTHER, 5, "TRACE" },
	{ HTTP_METHOD_OTHER, 5, "PATCH" },
};

void
http_parser_init(struct http_parser *parser)
{
	memset(parser, 0, sizeof(*parser));
}

static bool
refuse(struct http_parser *p, enum http_status status)
{
	p->refusal = status;
	p->phase = HTTP_PARSE_OVER;
	return false;
}

// The first byte in [at, end) that may not stand in a line, else `end`: eight
// bytes at a time, with a bit set for each control character among them. Bits
// above the lowest may be borrowed into; the lowest is exact.
static u32
skip_line_bytes(const char *bytes, u32 at, u32 end)
{
	while (end - at >= 8) {
		u64 word = le64_load(bytes + at);
		u64 delete = word ^ (LOWS * 0x7f);
		u64 controls = (((word - LOWS * ' ') & ~word) |
				((delete - LOWS) & ~delete)) & HIGHS;

		if (controls == 0) {
			at += 8;
			continue;
		}
		at += (u32)__builtin_ctzll(controls) / 8;
		if (bytes[at] != '\t')
			return at;
		at++;
	}
	while (at < end && http_char_is(bytes[at], HTTP_CHAR_FIELD))
		at++;
	return at;
}

// A request line that is too long has too long a target, unless it has not
// come to one: no method is that long, and what is no method is no request.
static enum http_status
too_long_status(const struct http_parser *p, const char *bytes)
{
	struct http_text start = { bytes + p->line, p->scan - p->line };
	u32 method = http_text_run(start, HTTP_CHAR_TOKEN);

	if (p->phase == HTTP_PARSE_FIELDS)
		return HTTP_FIELDS_TOO_LARGE;
	if (method == start.len)
		return HTTP_NOT_IMPLEMENTED;
	return method && start.at[method] == ' ' ? HTTP_URI_TOO_LONG :
						   HTTP_BAD_REQUEST;
}

// Scans on for the CRLF of the current line; DONE leaves `scan` at it.
static enum http_parse_result
find_line_end(struct http_parser *p, const char *bytes, u32 len)
{
	u32 latest = p->phase == HTTP_PARSE_REQUEST_LINE ?
			     p->line + HTTP_REQUEST_LINE_MAX :
			     p->request.fields_at + HTTP_FIELDS_LEN_MAX - 2;

	p->scan = skip_line_bytes(bytes, p->scan, MIN(len, latest + 1));
	if (p->scan > latest) {
		refuse(p, too_long_status(p, bytes));
		return HTTP_PARSE_REFUSED;
	}
	if (p->scan == len)
		return HTTP_PARSE_MORE;
	if (bytes[p->scan] == '\r' && p->scan + 1 == len)
		return HTTP_PARSE_MORE;
	if (bytes[p->scan] == '\r' && bytes[p->scan + 1] == '\n')
		return HTTP_PARSE_DONE;
	refuse(p, HTTP_BAD_REQUEST);
	return HTTP_PARSE_REFUSED;
}

static enum http_method
find_method(struct http_text name)
{
	for (u32 i = 0; i < ARRAY_SIZE(methods); i++) {
		if (methods[i].len == name.len &&
		    !memcmp(methods[i].name, name.at, name.len))
			return methods[i].method;
	}
	return HTTP_METHOD_UNKNOWN;
}

// "HTTP/" DIGIT "." DIGIT. Returns 0 and sets *minor, or the status.
static u32
read_version(struct http_text text, u8 *minor)
{
	if (text.len != 8 || memcmp(text.at, "HTTP/", 5) ||
	    !http_char_is(text.at[5], HTTP_CHAR_DIGIT) || text.at[6] != '.' ||
	    !http_char_is(text.at[7], HTTP_CHAR_DIGIT))
		return HTTP_BAD_REQUEST;
	*minor = (u8)(text.at[7] - '0');
	return text.at[5] == '1' ? 0 : HTTP_VERSION_NOT_SUPPORTED;
}

// method SP request-target SP HTTP-version, with exactly these two spaces.
static bool
parse_request_line(struct http_parser *p, const char *bytes,
		   struct http_text line)
{
	struct http_request *r = &p->request;
	struct http_text method = { line.at, http_text_run(line, HTTP_CHAR_TOKEN) };
	u32 target_end = method.len + 1;
	struct http_target target;
	u32 status;

	if (method.len == 0 || method.len == line.len || line.at[method.len] != ' ')
		return refuse(p, HTTP_BAD_REQUEST);
	while (target_end < line.len && line.at[target_end] != ' ')
		target_end++;
	if (target_end == line.len)
		return refuse(p, HTTP_BAD_REQUEST);

	struct http_text version = { line.at + target_end + 1,
				     line.len - target_end - 1 };
	struct http_text target_text = { line.at + method.len + 1,
					 target_end - method.len - 1 };

	status = read_version(version, &r->minor);
	if (status)
		return refuse(p, status);
	r->method = find_method(method);
	if (r->method == HTTP_METHOD_UNKNOWN)
		return refuse(p, HTTP_NOT_IMPLEMENTED);
	status = http_target_read(target_text, r->method == HTTP_METHOD_CONNECT,
				  r->method == HTTP_METHOD_OPTIONS, &target);
	if (status)
		return refuse(p, status);
	r->form = target.form;
	if (target.path.len) {
		r->path_at = (u32)(target.path.at - bytes);
		r->path_len = target.path.len;
	}
	if (target.query.len) {
		r->query_at = (u32)(target.query.at - bytes);
		r->query_len = target.query.len;
	}
	return true;
}

static u32
find_field(struct http_text name)
{
	u32 i = name.len < ARRAY_SIZE(first_of_len) ? first_of_len[name.len] : 0;

	for (; i < ARRAY_SIZE(fields) && fields[i].len == name.len; i++) {
		if (http_text_starts(name, fields[i].name))
			return fields[i].field;
	}
	return 0;
}

static void
read_connection(struct http_parser *p, struct http_text value)
{
	struct http_text option;

	while (http_list_next(&value, &option)) {
		p->wants_close |= http_text_is(option, "close");
		p->wants_keep_alive |= http_text_is(option, "keep-alive");
	}
}

static void
read_expectations(struct http_parser *p, struct http_text value)
{
	struct http_text member;

	while (http_list_next(&value, &member)) {
		if (http_text_is(member, "100-continue"))
			p->request.expects_continue = true;
		else
			p->other_expectation = true;
	}
}

// Codings in order: nothing may follow chunked, and chunked has no parameters.
static bool
read_codings(struct http_parser *p, struct http_text value)
{
	struct http_text coding;

	while (http_list_next(&value, &coding)) {
		u32 name = http_text_run(coding, HTTP_CHAR_TOKEN);

		if (p->coding_chunked || name == 0)
			return refuse(p, HTTP_BAD_REQUEST);
		if (http_text_is((struct http_text){ coding.at, name }, "chunked"))
			p->coding_chunked = true;
		else
			p->coding_unknown = true;
		if (p->coding_chunked && name != coding.len)
			return refuse(p, HTTP_BAD_REQUEST);
	}
	return true;
}

// Nineteen digits always fit in 64 bits.
static bool
read_content_length(struct http_parser *p, struct http_text value)
{
	if (value.len > 19 || (value.len > 1 && value.at[0] == '0') ||
	    !http_text_number(value, &p->request.content_len))
		return refuse(p, HTTP_BAD_REQUEST);
	return true;
}

static bool
parse_field(struct http_parser *p, struct http_text line)
{
	struct http_request *r = &p->request;
	struct http_text name = { line.at, http_text_run(line, HTTP_CHAR_TOKEN) };

	// A folded line, a blank before the colon and a line without one all
	// end the name at a byte that is no colon.
	if (name.len == 0 || name.len == line.len || line.at[name.len] != ':')
		return refuse(p, HTTP_BAD_REQUEST);
	if (++p->field_count > HTTP_FIELDS_MAX)
		return refuse(p, HTTP_FIELDS_TOO_LARGE);

	u32 field = find_field(name);
	bool again = r->present & field;

	if (!field)
		return true;

	struct http_text value = http_text_trim((struct http_text){
		line.at + name.len + 1, line.len - name.len - 1 });

	r->present |= field;
	switch (field) {
	case HTTP_FIELD_HOST:
		return !again && http_authority_is_valid(value) ?
			       true : refuse(p, HTTP_BAD_REQUEST);
	case HTTP_FIELD_CONTENT_LENGTH:
		return again ? refuse(p, HTTP_BAD_REQUEST) :
			       read_content_length(p, value);
	case HTTP_FIELD_TRANSFER_ENCODING:
		return read_codings(p, value);
	case HTTP_FIELD_CONNECTION:
		read_connection(p, value);
		break;
	case HTTP_FIELD_EXPECT:
		read_expectations(p, value);
		break;
	}
	return true;
}

// The message's framing (RFC 9112 section 6.3), from all fields together.
static bool
settle_framing(struct http_parser *p)
{
	struct http_request *r = &p->request;

	if (!(r->present & HTTP_FIELD_TRANSFER_ENCODING))
		return true;
	if (r->minor == 0 || (r->present & HTTP_FIELD_CONTENT_LENGTH))
		return refuse(p, HTTP_BAD_REQUEST);
	if (p->coding_unknown)
		return refuse(p, HTTP_NOT_IMPLEMENTED);
	if (!p->coding_chunked)
		return refuse(p, HTTP_BAD_REQUEST);
	r->chunked = true;
	return true;
}

static bool
finish(struct http_parser *p)
{
	struct http_request *r = &p->request;

	p->phase = HTTP_PARSE_OVER;
	r->fields_len = p->scan - r->fields_at;
	if (r->minor > 0 && !(r->present & HTTP_FIELD_HOST))
		return refuse(p, HTTP_BAD_REQUEST);
	if (!settle_framing(p))
		return false;
	// HTTP/1.0 knows neither expectations nor lasting connections.
	if (r->minor > 0 && p->other_expectation)
		return refuse(p, HTTP_EXPECTATION_FAILED);
	r->expects_continue &= r->minor > 0;
	r->keep_alive = !p->wants_close && (r->minor > 0 || p->wants_keep_alive);
	return true;
}

// Takes the whole line that ends before `scan`'s CRLF. False: refused.
static bool
take_line(struct http_parser *p, const char *bytes)
{
	struct http_text line = { bytes + p->line, p->scan - p->line };

	p->scan += 2;
	p->line = p->scan;
	if (p->phase == HTTP_PARSE_FIELDS)
		return line.len ? parse_field(p, line) : finish(p);
	if (line.len == 0 && !p->empty_line_skipped) {
		p->empty_line_skipped = true;
		return true;
	}
	p->phase = HTTP_PARSE_FIELDS;
	p->request.fields_at = p->scan;
	return parse_request_line(p, bytes, line);
}

enum http_parse_result
http_parse(struct http_parser *p, const char *bytes, u32 len)
{
	ASSERT(p->phase != HTTP_PARSE_OVER);
	ASSERT(p->scan <= len);
	while (p->phase != HTTP_PARSE_OVER) {
		enum http_parse_result result = find_line_end(p, bytes, len);

		if (result != HTTP_PARSE_DONE)
			return result;
		if (!take_line(p, bytes))
			return HTTP_PARSE_REFUSED;
	}
	return HTTP_PARSE_DONE;
}

bool
http_field_next(const struct http_request *request, const char *bytes,
		enum http_field field, u32 *cursor, struct http_text *value)
{
	const char *start = bytes + request->fields_at;

	if (!(request->present & field))
		return false;
	ASSERT(*cursor < request->fields_len);
	while (start[*cursor] != '\r') {
		struct http_text name = { start + *cursor, 0 };
		u32 end = *cursor;

		while (start[end] != '\r')
			end++;
		while (name.at[name.len] != ':')
			name.len++;
		*value = http_text_trim((struct http_text){
			name.at + name.len + 1, end - *cursor - name.len - 1 });
		*cursor = end + 2;
		ASSERT(*cursor < request->fields_len);
		if (find_field(name) == field)
			return true;
	}
	return false;
}

bool
http_field_single(const struct http_request *request, const char *bytes,
		  enum http_field field, struct http_text *value)
{
	struct http_text other;
	u32 cursor = 0;

	return http_field_next(request, bytes, field, &cursor, value) &&
	       !http_field_next(request, bytes, field, &cursor, &other);
}

void
http_parser_check(const struct http_parser *p, u32 shown)
{
	const struct http_request *r = &p->request;

	ASSERT(p->line <= p->scan && p->scan <= shown);		// H1
	ASSERT(p->scan <= HTTP_REQUEST_HEAD_MAX);
	ASSERT(r->path_at + r->path_len <= p->scan);		// H3
	ASSERT(r->query_at + r->query_len <= p->scan);
	ASSERT(r->fields_at + r->fields_len <= p->scan);
	ASSERT(p->field_count <= HTTP_FIELDS_MAX + 1);
	if (p->phase != HTTP_PARSE_OVER)
		return;
	ASSERT(!p->refusal || (p->refusal >= 400 && p->refusal <= 599)); // H5
	if (p->refusal)
		return;
	ASSERT(!r->chunked || r->content_len == 0);		// H4
	ASSERT(r->minor == 0 || (r->present & HTTP_FIELD_HOST));
}
