// SPDX-License-Identifier: BSD-2-Clause
// A response on its way out.
//
// Pieces leave in this order: front, text, content; for a multipart response
// then the text and content of each part, and the closing boundary. Texts of
// parts are written when their turn comes, so one small buffer serves all; so is
// the Location of a catalogue's redirect, which may be longer than the buffer. The
// boundary is the object's own tag: content would have to hold its own hash.
//
// Content of a catalogue comes in pieces: `content` is what is here of it, `rest`
// what follows. Before anything is sent, the first piece has to be here.
//
// Invariants:
//  R1  text_sent <= text_len <= HTTP_TEXT_MAX.
//  R2  content lies in the object's data, in a page of status.c, or was fetched.
//  R3  part_next <= part_count + 1 in a multipart response, else both are 0.
//  R4  A head-only response, a 204 and a 304 have no content and no parts.
//  R5  The content of all pieces is as long as Content-Length says.
//  R6  Something is fetched, or a path is left, only with a catalogue.

#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/http/head.h"
#include "libos/http/response_text.h"

#define LOCATION_STEP 160u	// bytes of a path that are written at a time

STATIC_ASSERT(3 * LOCATION_STEP + 8 <= HTTP_TEXT_MAX);

typedef unsigned long long number_t;	// what %llu prints

void
http_text_add(struct http_response *r, const char *bytes, size_t len)
{
	ASSERT(len <= HTTP_TEXT_MAX - r->text_len);
	memcpy(r->text + r->text_len, bytes, len);
	r->text_len += (u32)len;
}

void
http_text_format(struct http_response *r, const char *format, ...)
{
	size_t room = HTTP_TEXT_MAX - r->text_len;
	va_list args;

	va_start(args, format);
	size_t n = fmt_into_va(r->text + r->text_len, room, format, args);
	va_end(args);
	ASSERT(n < room);
	r->text_len += (u32)n;
}

void
http_text_range(struct http_response *r, const struct http_range *range,
		  u64 object_len)
{
	http_text_format(r, "Content-Range: bytes %llu-%llu/%llu\r\n",
		   (number_t)range->first,
		   (number_t)(range->first + range->len_bytes - 1),
		   (number_t)object_len);
}

// Writes the text before part `index`, or the closing boundary after the last.
void
http_text_part(struct http_response *r, u32 index)
{
	r->text_len = r->text_sent = 0;
	if (index == r->part_count) {
		http_text_format(r, "\r\n--%.*s--\r\n", HTTP_TAG_LEN, r->tag);
		return;
	}
	http_text_format(r, "\r\n--%.*s\r\nContent-Type: %s\r\n", HTTP_TAG_LEN,
		   r->tag, r->type);
	http_text_range(r, &r->parts[index], r->object_len);
	http_text_add(r, "\r\n", 2);
}

static void
set_part_content(struct http_response *r, u32 index)
{
	const struct http_range *part = &r->parts[index];

	if (r->catalog)
		r->rest = (struct http_fetch){ r->rest.file, part->first,
					       part->len_bytes };
	else
		r->content = (struct http_piece){ r->data + part->first,
						  part->len_bytes, true };
}

// Goes on to the next part, or to the closing boundary. The first part of a
// catalogue's object was fetched before the head.
static void
next_part(struct http_response *r)
{
	u32 index = r->part_next++;

	ASSERT(index <= r->part_count);
	http_text_part(r, index);
	if (index < r->part_count && (index || !r->catalog))
		set_part_content(r, index);
}

// Writes the next stretch of the location, and what ends the head after the last.
static void
add_location(struct http_response *r)
{
	u32 step = MIN(r->location.len, LOCATION_STEP);

	r->text_sent = 0;
	r->text_len = site_escape(r->location.at, step, r->text);
	r->location.at += step;
	r->location.len -= step;
	if (!r->location.len)
		http_text_add(r, "/\r\n\r\n", 5);
}

// All text so far is sent: writes the next, if there is any.
static void
write_more_text(struct http_response *r)
{
	if (r->location.len)
		add_location(r);
	else if (r->part_count && r->part_next <= r->part_count &&
		 ((!r->content.len_bytes && !r->rest.len_bytes) ||
		  (r->part_next == 0 && r->catalog)))
		next_part(r);
}

enum http_peek
http_response_peek(struct http_response *r, struct http_piece *piece)
{
	if (r->page)
		return HTTP_PEEK_PAGE;
	if (r->rest.len_bytes && !r->content.len_bytes &&
	    (!r->begun || r->text_sent == r->text_len))
		return HTTP_PEEK_FETCH;
	if (r->text_sent == r->text_len)
		write_more_text(r);
	if (r->front.len_bytes)
		*piece = r->front;
	else if (r->text_sent < r->text_len)
		*piece = (struct http_piece){ r->text + r->text_sent,
					      r->text_len - r->text_sent, false };
	else if (r->content.len_bytes)
		*piece = r->content;
	else
		return r->rest.len_bytes ? HTTP_PEEK_FETCH : HTTP_PEEK_END;
	return HTTP_PEEK_PIECE;
}

void
http_response_fetched(struct http_response *r, const void *bytes, u64 len,
		      bool lent)
{
	ASSERT(r->catalog && !r->content.len_bytes);
	ASSERT(len && len <= r->rest.len_bytes);
	r->content = (struct http_piece){ bytes, len, lent };
	r->rest.offset += len;
	r->rest.len_bytes -= len;
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
	r->begun |= len > 0;
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
	if (r->content.len_bytes && o)						// R2
		ASSERT(lies_in(&r->content, o->data, o->len_bytes) ||
		       lies_in(&r->content, text->page, text->page_len));
	if (r->part_count)							// R3
		ASSERT(r->part_next <= r->part_count + 1 &&
		       r->part_count <= HTTP_RANGES_MAX);
	else
		ASSERT(r->part_next == 0);
	if (r->head_only || r->status == HTTP_NO_CONTENT ||
	    r->status == HTTP_NOT_MODIFIED)					// R4
		ASSERT(r->content.len_bytes == 0 && r->part_count == 0 &&
		       r->rest.len_bytes == 0);
	for (u32 i = 0; i < r->part_count; i++)
		ASSERT(r->parts[i].len_bytes &&
		       r->parts[i].first < r->object_len &&
		       r->parts[i].len_bytes <= r->object_len - r->parts[i].first);
	if (r->rest.len_bytes || r->location.len)				// R6
		ASSERT(r->catalog);
	if (r->page)
		ASSERT(!r->text_len && !r->content.len_bytes);
}
