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
// How a response leaves stands in response.c.

#include "libos/http/respond.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/http/condition.h"
#include "libos/http/path.h"
#include "libos/http/response_text.h"

#define ALLOW "Allow: GET, HEAD, OPTIONS\r\n"

typedef unsigned long long number_t;	// what %llu prints

void
http_service_init(struct http_service *service, const struct site *site,
		  u64 unix_seconds)
{
	*service = (struct http_service){ .site = site };
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

// Begins a response without touching its buffers: text is written before it
// is read, and parts before part_count says that they are there.
static void
begin(struct http_response *r, enum http_status status, bool head_only)
{
	r->status = status;
	r->head_only = head_only;
	r->begun = false;
	r->part_count = r->part_next = 0;
	r->front = r->content = (struct http_piece){ 0 };
	r->rest.len_bytes = 0;
	r->catalog = NULL;
	r->location.len = 0;
	r->page = NULL;
	r->object = NULL;
	r->text_len = r->text_sent = 0;
}

// Adds the head lines of the object from `from` on.
static void
add_object_lines(struct http_response *r, const struct site_object *o, u32 from)
{
	http_text_add(r, o->head + from, o->head_len - from);
}

static void
set_content(struct http_response *r, const void *bytes, u64 len)
{
	if (!r->head_only)
		r->content = (struct http_piece){ bytes, len, true };
}

// The content is this part of the object.
static void
set_object_content(struct http_response *r, const struct site_object *o,
		   u64 first, u64 len)
{
	if (!o->file)
		set_content(r, o->data + first, len);
	else if (!r->head_only)
		r->rest = (struct http_fetch){ o->file, first, len };
}

// Adds what every header section ends with. `minor` is the version of the
// request: HTTP/1.0 has to be told that the connection stays.
static void
end_head(struct http_response *r, const struct http_service *service,
	 bool close, u8 minor)
{
	static const char closes[] = "Connection: close\r\n\r\n";
	static const char keeps[] = "Connection: keep-alive\r\n\r\n";

	http_text_add(r, service->stamp, HTTP_STAMP_LEN);
	r->close = close;
	if (close)
		http_text_add(r, closes, sizeof(closes) - 1);
	else if (minor == 0)
		http_text_add(r, keeps, sizeof(keeps) - 1);
	else
		http_text_add(r, "\r\n", 2);
}

static void
write_text(struct http_response *r, const char *line, const char *page, u32 len,
	   const char *fields)
{
	http_text_format(r, "%sContent-Length: %u\r\n"
			 "Content-Type: text/html; charset=utf-8\r\n"
			 "X-Content-Type-Options: nosniff\r\n%s",
			 line, len, fields);
	set_content(r, page, len);
}

// A status with its page; `fields` are further lines.
static void
write_page(struct http_response *r, enum http_status status,
	   const char *fields)
{
	const struct http_status_text *text = http_status_text(status);

	r->status = status;
	write_text(r, text->line, text->page, text->page_len, fields);
}

// There is no site.
static void
write_no_site(struct http_response *r)
{
	static const char page[] =
		"<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
		"<title>No site yet</title>\n<h1>No site yet</h1>\n"
		"<p>Nothing has been deployed to this cluster, or it is still being "
		"read.</p>\n";

	r->status = HTTP_UNAVAILABLE;
	write_text(r, http_status_text(r->status)->line, page, sizeof(page) - 1,
		   "Retry-After: 1\r\n");
}

static void
write_full(struct http_response *r, const struct site_object *o)
{
	add_object_lines(r, o, 0);
	set_object_content(r, o, 0, o->len_bytes);
}

// The location of a catalogue's redirect is its last line, see add_location().
static void
write_redirect(struct http_response *r, const struct site_object *o)
{
	r->status = HTTP_MOVED_PERMANENTLY;
	set_content(r, o->data, o->len_bytes);
	if (o->file)
		r->location = (struct http_text){ o->name, o->name_len };
	else
		r->front = (struct http_piece){ o->head, o->head_len, false };
}

static void
write_not_modified(struct http_response *r, const struct site_object *o)
{
	r->status = HTTP_NOT_MODIFIED;
	http_text_format(r, "%s", http_status_text(HTTP_NOT_MODIFIED)->line);
	add_object_lines(r, o, o->validators_at);
}

static void
write_unsatisfiable(struct http_response *r, u64 object_len)
{
	char fields[64];

	fmt_into(fields, sizeof(fields), "Content-Range: bytes */%llu\r\n",
		 (number_t)object_len);
	write_page(r, HTTP_RANGE_NOT_SATISFIABLE, fields);
}

static void
write_partial(struct http_response *r, const struct site_object *o,
	      const struct http_range *range)
{
	r->status = HTTP_PARTIAL_CONTENT;
	http_text_format(r, "%sContent-Length: %llu\r\n",
		   http_status_text(HTTP_PARTIAL_CONTENT)->line,
		   (number_t)range->len_bytes);
	http_text_range(r, range, o->len_bytes);
	add_object_lines(r, o, o->type_at);
	set_object_content(r, o, range->first, range->len_bytes);
}

// The length of the multipart content, found by writing every part's text
// before the response's own. This is the cold path.
static u64
multipart_len(struct http_response *r)
{
	u64 total = 0;

	for (u32 i = 0; i <= r->part_count; i++) {
		http_text_part(r, i);
		total += r->text_len;
		total += i < r->part_count ? r->parts[i].len_bytes : 0;
	}
	r->text_len = 0;
	return total;
}

static void
write_multipart(struct http_response *r, const struct site_object *o, u32 count)
{
	ASSERT(!r->head_only && count >= 2 && count <= HTTP_RANGES_MAX);
	r->status = HTTP_PARTIAL_CONTENT;
	r->part_count = (u8)count;
	r->object_len = o->len_bytes;
	r->data = o->data;
	r->type = o->type;
	memcpy(r->tag, o->etag + 1, HTTP_TAG_LEN);

	u64 len = multipart_len(r);

	http_text_format(r, "%sContent-Length: %llu\r\n"
		   "Content-Type: multipart/byteranges; boundary=%.*s\r\n",
		   http_status_text(HTTP_PARTIAL_CONTENT)->line, (number_t)len,
		   HTTP_TAG_LEN, r->tag);
	add_object_lines(r, o, o->accept_at);
	if (o->file)
		set_object_content(r, o, r->parts[0].first,
				   r->parts[0].len_bytes);
}

// A GET with a Range field whose If-Range, if there is one, agrees.
static void
write_ranges(struct http_response *r, const struct site_object *o,
	     struct http_text value)
{
	u32 count;

	switch (http_ranges_read(value, o->len_bytes, r->parts, &count)) {
	case HTTP_RANGE_IGNORED:
		write_full(r, o);
		break;
	case HTTP_RANGE_UNSATISFIABLE:
		write_unsatisfiable(r, o->len_bytes);
		break;
	case HTTP_RANGE_OK:
		if (count == 1)
			write_partial(r, o, &r->parts[0]);
		else
			write_multipart(r, o, count);
		break;
	}
}

// A file asked for with conditions or ranges.
static void
write_selected(struct http_response *r, const struct http_service *service,
	       const struct site_object *o, const struct http_request *request,
	       const char *bytes)
{
	const struct http_validators object = {
		{ o->etag, SITE_ETAG_LEN },
		o->modified_seconds,
	};
	struct http_text range;

	switch (http_condition_check(request, bytes, &object,
				     service->unix_seconds)) {
	case HTTP_CONDITION_FAILED:
		write_page(r, HTTP_PRECONDITION_FAILED, "");
		return;
	case HTTP_CONDITION_NOT_MODIFIED:
		write_not_modified(r, o);
		return;
	case HTTP_CONDITION_PASSED:
		break;
	}
	if (request->method == HTTP_METHOD_GET &&
	    http_field_single(request, bytes, HTTP_FIELD_RANGE, &range) &&
	    http_condition_if_range(request, bytes, &object,
				    service->unix_seconds))
		write_ranges(r, o, range);
	else
		write_full(r, o);
}

// The host's page of that path, or NULL.
static const struct http_page *
find_page(const struct http_service *service, const char *path, u32 path_len)
{
	for (u32 i = 0; i < service->page_count; i++) {
		const struct http_page *page = &service->pages[i];

		if (strlen(page->path) == path_len &&
		    !memcmp(page->path, path, path_len))
			return page;
	}
	return NULL;
}

// Finds what a normalised path names: a page, or *object.
static enum http_status
look_up(struct http_response *r, const struct http_service *service,
	const char *path, u32 path_len, const struct site_object **object)
{
	r->page = find_page(service, path, path_len);
	if (r->page)
		return HTTP_OK;
	if (service->catalog) {
		*object = catalog_find(service->catalog, path, path_len);
		r->catalog = *object ? service->catalog : NULL;
	} else if (service->site) {
		r->object = *object = site_find(service->site, path, path_len);
	} else {
		return HTTP_UNAVAILABLE;
	}
	return *object ? HTTP_OK : HTTP_NOT_FOUND;
}

// Finds what the request's path names. Returns 200, or why there is nothing.
static enum http_status
find_object(struct http_response *r, const struct http_service *service,
	    const struct http_request *request, const char *bytes,
	    const struct site_object **object)
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
	if (result != HTTP_PATH_OK)
		return HTTP_NOT_FOUND;
	return look_up(r, service, path, path_len, object);
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
	const struct site_object *o = NULL;
	enum http_status status = find_object(r, service, request, bytes, &o);

	if (status == HTTP_UNAVAILABLE)
		write_no_site(r);
	else if (status != HTTP_OK)
		write_page(r, status, "");
	else if (r->page)
		return;		// its head is written when its length is known
	else if (o->kind == SITE_REDIRECT)
		write_redirect(r, o);
	else if (request->present & selective)
		write_selected(r, service, o, request, bytes);
	else
		write_full(r, o);
}

// Writes the head of a catalogue's redirect, whose location is still to follow.
static void
end_redirect(struct http_response *r, const struct http_service *service,
	     bool close, u8 minor)
{
	char text[SITE_HEAD_MAX];
	u32 len = site_head_moved(text);
	u32 line = len - (u32)strlen("Location: /");

	http_text_add(r, text, line);
	end_head(r, service, close, minor);
	r->text_len -= 2;		// the empty line comes after the location
	http_text_add(r, text + line, len - line);
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
		http_text_format(r, "%s" ALLOW, http_status_text(r->status)->line);
		break;
	default:
		write_page(r, HTTP_METHOD_NOT_ALLOWED, ALLOW);
		close |= request->method == HTTP_METHOD_CONNECT;
		break;
	}
	close |= r->status == HTTP_BAD_REQUEST;
	if (r->page)
		r->close = close;
	else if (r->location.len)
		end_redirect(r, service, close, request->minor);
	else
		end_head(r, service, close, request->minor);
}

void
http_response_page(struct http_response *r, const struct http_service *service,
		   u8 minor, const void *bytes, u64 len)
{
	ASSERT(r->page && !r->text_len && !r->begun);
	http_text_format(r, "%sContent-Length: %llu\r\nContent-Type: %s\r\n"
		   "X-Content-Type-Options: nosniff\r\n"
		   "Cache-Control: no-store\r\n",
		   http_status_text(HTTP_OK)->line, (number_t)len, r->page->type);
	end_head(r, service, r->close, minor);
	r->page = NULL;
	if (!r->head_only)
		r->content = (struct http_piece){ bytes, len, false };
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
