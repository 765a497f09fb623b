// SPDX-License-Identifier: BSD-2-Clause
// The plain 200 is one lookup and three copies: the head that the site keeps,
// the stamp of the second, the empty line. Every other answer reuses the lines
// of the same head from some offset on.
//
//   200  [status, length | type | nosniff, ranges | validators] stamp
//   206  status, length, range + [type ...] + stamp
//   206  status, length, multipart type + [nosniff ...] + stamp, then parts
//   304  status + [validators] + stamp
//
// Pieces leave in this order: front, text, content; for a multipart response
// then the text and content of each part, and the closing boundary. Texts of
// parts are written when their turn comes, so one small buffer serves all. The
// boundary is the object's own tag: content would have to hold its own hash.
//
// Invariants:
//  R1  text_sent <= text_len <= HTTP_TEXT_MAX.
//  R2  content lies in the object's data, or in a page of status.c.
//  R3  part_next <= part_count + 1 in a multipart response, else both are 0.
//  R4  A head-only response, a 204 and a 304 have no content and no parts.
//  R5  The content of all pieces is as long as Content-Length says.

#include "libos/http/respond.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/http/condition.h"
#include "libos/http/path.h"

#define ALLOW "Allow: GET, HEAD, OPTIONS\r\n"
#define TAG_LEN (SITE_ETAG_LEN - 2)	// an entity tag without its quotes

typedef unsigned long long number_t;	// what %llu prints

void
http_service_init(struct http_service *service, const struct site *site,
		  u64 unix_seconds)
{
	service->site = site;
	memcpy(service->stamp, "Server: DEOS\r\nDate: ", 20);
	memcpy(service->stamp + HTTP_STAMP_LEN - 2, "\r\n", 2);
	http_service_set_time(service, unix_seconds);
}

void
http_service_set_time(struct http_service *service, u64 unix_seconds)
{
	service->unix_seconds = unix_seconds;
	http_date_write(unix_seconds, service->stamp + 20);
}

static void
add(struct http_response *r, const char *bytes, size_t len)
{
	ASSERT(len <= HTTP_TEXT_MAX - r->text_len);
	memcpy(r->text + r->text_len, bytes, len);
	r->text_len += (u32)len;
}

static void printf_like(2, 3)
add_format(struct http_response *r, const char *format, ...)
{
	size_t room = HTTP_TEXT_MAX - r->text_len;
	va_list args;

	va_start(args, format);
	size_t n = fmt_into_va(r->text + r->text_len, room, format, args);
	va_end(args);
	ASSERT(n < room);
	r->text_len += (u32)n;
}

// Begins a response without touching its buffers: text is written before it
// is read, and parts before part_count says that they are there.
static void
begin(struct http_response *r, enum http_status status, bool head_only)
{
	r->status = status;
	r->head_only = head_only;
	r->part_count = r->part_next = 0;
	r->front = r->content = (struct http_piece){ 0 };
	r->object = NULL;
	r->text_len = r->text_sent = 0;
}

// Adds the head lines of the object from `from` on.
static void
add_object_lines(struct http_response *r, u32 from)
{
	add(r, r->object->head + from, r->object->head_len - from);
}

static void
set_content(struct http_response *r, const void *bytes, u64 len)
{
	if (!r->head_only)
		r->content = (struct http_piece){ bytes, len, true };
}

// Adds what every header section ends with. `minor` is the version of the
// request: HTTP/1.0 has to be told that the connection stays.
static void
end_head(struct http_response *r, const struct http_service *service,
	 bool close, u8 minor)
{
	static const char closes[] = "Connection: close\r\n\r\n";
	static const char keeps[] = "Connection: keep-alive\r\n\r\n";

	add(r, service->stamp, HTTP_STAMP_LEN);
	r->close = close;
	if (close)
		add(r, closes, sizeof(closes) - 1);
	else if (minor == 0)
		add(r, keeps, sizeof(keeps) - 1);
	else
		add(r, "\r\n", 2);
}

// A status with its page; `fields` are further lines.
static void
write_page(struct http_response *r, enum http_status status,
	   const char *fields)
{
	const struct http_status_text *text = http_status_text(status);

	r->status = status;
	add_format(r, "%sContent-Length: %u\r\n"
		   "Content-Type: text/html; charset=utf-8\r\n"
		   "X-Content-Type-Options: nosniff\r\n%s",
		   text->line, text->page_len, fields);
	set_content(r, text->page, text->page_len);
}

static void
write_full(struct http_response *r)
{
	add_object_lines(r, 0);
	set_content(r, r->object->data, r->object->len_bytes);
}

static void
write_redirect(struct http_response *r)
{
	r->status = HTTP_MOVED_PERMANENTLY;
	r->front = (struct http_piece){ r->object->head, r->object->head_len,
					false };
	set_content(r, r->object->data, r->object->len_bytes);
}

static void
write_not_modified(struct http_response *r)
{
	r->status = HTTP_NOT_MODIFIED;
	add_format(r, "%s", http_status_text(HTTP_NOT_MODIFIED)->line);
	add_object_lines(r, r->object->validators_at);
}

static void
write_unsatisfiable(struct http_response *r)
{
	char fields[64];

	fmt_into(fields, sizeof(fields), "Content-Range: bytes */%llu\r\n",
		 (number_t)r->object->len_bytes);
	write_page(r, HTTP_RANGE_NOT_SATISFIABLE, fields);
}

static void
add_content_range(struct http_response *r, const struct http_range *range)
{
	add_format(r, "Content-Range: bytes %llu-%llu/%llu\r\n",
		   (number_t)range->first,
		   (number_t)(range->first + range->len_bytes - 1),
		   (number_t)r->object->len_bytes);
}

static void
write_partial(struct http_response *r, const struct http_range *range)
{
	r->status = HTTP_PARTIAL_CONTENT;
	add_format(r, "%sContent-Length: %llu\r\n",
		   http_status_text(HTTP_PARTIAL_CONTENT)->line,
		   (number_t)range->len_bytes);
	add_content_range(r, range);
	add_object_lines(r, r->object->type_at);
	set_content(r, r->object->data + range->first, range->len_bytes);
}

// Writes the text before part `part_next`, or the closing boundary after the
// last part, and points at the part's content.
static void
write_part(struct http_response *r)
{
	const struct http_range *part = &r->parts[r->part_next];
	const char *tag = r->object->etag + 1;

	ASSERT(r->part_next <= r->part_count);
	r->text_len = r->text_sent = 0;
	if (r->part_next++ == r->part_count) {
		add_format(r, "\r\n--%.*s--\r\n", TAG_LEN, tag);
		return;
	}
	add_format(r, "\r\n--%.*s\r\nContent-Type: %s\r\n", TAG_LEN, tag,
		   r->object->type);
	add_content_range(r, part);
	add(r, "\r\n", 2);
	set_content(r, r->object->data + part->first, part->len_bytes);
}

// The length of the multipart content, found by writing every part's text
// before the response's own. This is the cold path.
static u64
multipart_len(struct http_response *r)
{
	u64 total = 0;

	while (r->part_next <= r->part_count) {
		write_part(r);
		total += r->text_len + r->content.len_bytes;
		r->content = (struct http_piece){ 0 };
	}
	r->part_next = 0;
	r->text_len = 0;
	return total;
}

static void
write_multipart(struct http_response *r, u32 count)
{
	ASSERT(!r->head_only && count >= 2 && count <= HTTP_RANGES_MAX);
	r->status = HTTP_PARTIAL_CONTENT;
	r->part_count = (u8)count;

	u64 len = multipart_len(r);

	add_format(r, "%sContent-Length: %llu\r\n"
		   "Content-Type: multipart/byteranges; boundary=%.*s\r\n",
		   http_status_text(HTTP_PARTIAL_CONTENT)->line, (number_t)len,
		   TAG_LEN, r->object->etag + 1);
	add_object_lines(r, r->object->accept_at);
}

// A GET with a Range field whose If-Range, if there is one, agrees.
static void
write_ranges(struct http_response *r, struct http_text value)
{
	u32 count;

	switch (http_ranges_read(value, r->object->len_bytes, r->parts, &count)) {
	case HTTP_RANGE_IGNORED:
		write_full(r);
		break;
	case HTTP_RANGE_UNSATISFIABLE:
		write_unsatisfiable(r);
		break;
	case HTTP_RANGE_OK:
		if (count == 1)
			write_partial(r, &r->parts[0]);
		else
			write_multipart(r, count);
		break;
	}
}

// A file asked for with conditions or ranges.
static void
write_selected(struct http_response *r, const struct http_service *service,
	       const struct http_request *request, const char *bytes)
{
	const struct http_validators object = {
		{ r->object->etag, SITE_ETAG_LEN },
		r->object->modified_seconds,
	};
	struct http_text range;

	switch (http_condition_check(request, bytes, &object,
				     service->unix_seconds)) {
	case HTTP_CONDITION_FAILED:
		write_page(r, HTTP_PRECONDITION_FAILED, "");
		return;
	case HTTP_CONDITION_NOT_MODIFIED:
		write_not_modified(r);
		return;
	case HTTP_CONDITION_PASSED:
		break;
	}
	if (request->method == HTTP_METHOD_GET &&
	    http_field_single(request, bytes, HTTP_FIELD_RANGE, &range) &&
	    http_condition_if_range(request, bytes, &object,
				    service->unix_seconds))
		write_ranges(r, range);
	else
		write_full(r);
}

// Finds the object that a path names. Returns 200, or why there is none.
static enum http_status
find_object(struct http_response *r, const struct http_service *service,
	    const struct http_request *request, const char *bytes)
{
	enum http_path_result result = HTTP_PATH_OK;
	// Not cleared first, as the build asks for elsewhere: only what is
	// written is read, and this is the hot path.
	__attribute__((uninitialized)) char path[HTTP_PATH_MAX];
	u32 path_len = 1;

	path[0] = '/';		// of "http://host", which has no path
	if (request->path_len)
		result = http_path_normalise(bytes + request->path_at,
					     request->path_len, path, &path_len);
	if (result == HTTP_PATH_BAD)
		return HTTP_BAD_REQUEST;
	if (result == HTTP_PATH_OK)
		r->object = site_find(service->site, path, path_len);
	return r->object ? HTTP_OK : HTTP_NOT_FOUND;
}

// GET or HEAD of a path.
static void
write_resource(struct http_response *r, const struct http_service *service,
	       const struct http_request *request, const char *bytes)
{
	const u32 selective =
		HTTP_FIELD_RANGE | HTTP_FIELD_IF_MATCH |
		HTTP_FIELD_IF_NONE_MATCH | HTTP_FIELD_IF_MODIFIED_SINCE |
		HTTP_FIELD_IF_UNMODIFIED_SINCE;
	enum http_status status = find_object(r, service, request, bytes);

	if (status != HTTP_OK)
		write_page(r, status, "");
	else if (r->object->kind == SITE_REDIRECT)
		write_redirect(r);
	else if (request->present & selective)
		write_selected(r, service, request, bytes);
	else
		write_full(r);
}

void
http_respond(struct http_response *r, const struct http_service *service,
	     const struct http_request *request, const char *bytes, bool last)
{
	bool close = last || !request->keep_alive;

	begin(r, HTTP_OK, request->method == HTTP_METHOD_HEAD);
	switch (request->method) {
	case HTTP_METHOD_GET:
	case HTTP_METHOD_HEAD:
		write_resource(r, service, request, bytes);
		break;
	case HTTP_METHOD_OPTIONS:
		r->status = HTTP_NO_CONTENT;
		add_format(r, "%s" ALLOW, http_status_text(r->status)->line);
		break;
	default:
		write_page(r, HTTP_METHOD_NOT_ALLOWED, ALLOW);
		close |= request->method == HTTP_METHOD_CONNECT;
		break;
	}
	close |= r->status == HTTP_BAD_REQUEST;
	end_head(r, service, close, request->minor);
}

void
http_respond_refusal(struct http_response *r,
		     const struct http_service *service,
		     enum http_status status, bool head_only)
{
	begin(r, status, head_only);
	write_page(r, status, "");
	end_head(r, service, true, 1);
}

bool
http_response_peek(struct http_response *r, struct http_piece *piece)
{
	if (r->text_sent == r->text_len && r->content.len_bytes == 0 &&
	    r->part_count && r->part_next <= r->part_count)
		write_part(r);
	if (r->front.len_bytes)
		*piece = r->front;
	else if (r->text_sent < r->text_len)
		*piece = (struct http_piece){ r->text + r->text_sent,
					      r->text_len - r->text_sent, false };
	else if (r->content.len_bytes)
		*piece = r->content;
	else
		return false;
	return true;
}

static void
shorten(struct http_piece *piece, u64 len)
{
	ASSERT(len <= piece->len_bytes);
	piece->bytes = (const char *)piece->bytes + len;
	piece->len_bytes -= len;
}

void
http_response_sent(struct http_response *r, u64 len)
{
	if (r->front.len_bytes) {
		shorten(&r->front, len);
	} else if (r->text_sent < r->text_len) {
		ASSERT(len <= r->text_len - r->text_sent);
		r->text_sent += (u32)len;
	} else {
		shorten(&r->content, len);
	}
}

static bool
lies_in(const struct http_piece *piece, const void *data, u64 len)
{
	u64 at = (u64)((uintptr_t)piece->bytes - (uintptr_t)data);

	return at <= len && piece->len_bytes <= len - at;
}

void
http_response_check(const struct http_response *r)
{
	const struct http_status_text *text = http_status_text(r->status);
	const struct site_object *o = r->object;

	ASSERT(r->text_sent <= r->text_len && r->text_len <= HTTP_TEXT_MAX); // R1
	if (r->content.len_bytes)						// R2
		ASSERT((o && lies_in(&r->content, o->data, o->len_bytes)) ||
		       lies_in(&r->content, text->page, text->page_len));
	if (r->part_count)							// R3
		ASSERT(r->part_next <= r->part_count + 1 &&
		       r->part_count <= HTTP_RANGES_MAX);
	else
		ASSERT(r->part_next == 0);
	if (r->head_only || r->status == HTTP_NO_CONTENT ||
	    r->status == HTTP_NOT_MODIFIED)					// R4
		ASSERT(r->content.len_bytes == 0 && r->part_count == 0);
	for (u32 i = 0; i < r->part_count; i++)
		ASSERT(r->parts[i].len_bytes && o &&
		       r->parts[i].first < o->len_bytes &&
		       r->parts[i].len_bytes <= o->len_bytes - r->parts[i].first);
}
