// SPDX-License-Identifier: BSD-2-Clause
// The four preconditions in the RFC's order, and If-Range, which is asked
// after them. Entity tags are walked by hand because a comma may stand inside
// one. Stateless.

#include "libos/http/condition.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/http/date.h"

struct entity_tag {
	bool weak;
	struct http_text opaque;	// with its quotes
};

// Takes one entity tag from the front of *text.
static bool
take_tag(struct http_text *text, struct entity_tag *tag)
{
	u32 lead = text->len >= 2 && !memcmp(text->at, "W/", 2) ? 2 : 0;
	u32 n = lead + 1;

	if (n >= text->len || text->at[lead] != '"')
		return false;
	while (n < text->len && text->at[n] != '"') {
		if (text->at[n] == ' ' || text->at[n] == '\t')
			return false;
		n++;
	}
	if (n == text->len)
		return false;
	n++;
	*tag = (struct entity_tag){ lead, { text->at + lead, n - lead } };
	*text = (struct http_text){ text->at + n, text->len - n };
	return true;
}

static bool
same(struct http_text a, struct http_text b)
{
	return a.len == b.len && !memcmp(a.at, b.at, a.len);
}

// Skips blanks and commas between members; false at the end of the list.
static bool
next_member(struct http_text *list)
{
	while (list->len && (list->at[0] == ',' || list->at[0] == ' ' ||
			     list->at[0] == '\t'))
		list->at++, list->len--;
	return list->len > 0;
}

// True when one line of tags names the object. A weak tag names it only in
// the weak comparison.
static bool
line_matches(struct http_text line, struct http_text etag, bool weak)
{
	struct entity_tag tag;

	if (line.len == 1 && line.at[0] == '*')
		return true;
	while (next_member(&line)) {
		if (!take_tag(&line, &tag))
			return false;
		if (line.len && line.at[0] != ',' && line.at[0] != ' ' &&
		    line.at[0] != '\t')
			return false;
		if ((weak || !tag.weak) && same(tag.opaque, etag))
			return true;
	}
	return false;
}

static bool
field_matches(const struct http_request *request, const char *bytes,
	      enum http_field field, struct http_text etag, bool weak)
{
	struct http_text line;
	u32 cursor = 0;

	while (http_field_next(request, bytes, field, &cursor, &line)) {
		if (line_matches(line, etag, weak))
			return true;
	}
	return false;
}

static bool
field_date(const struct http_request *request, const char *bytes,
	   enum http_field field, u64 now, i64 *seconds)
{
	struct http_text value;

	return http_field_single(request, bytes, field, &value) &&
	       http_date_read(value.at, value.len, now, seconds);
}

enum http_condition
http_condition_check(const struct http_request *request, const char *bytes,
		     const struct http_validators *object, u64 now)
{
	i64 modified = (i64)object->modified_seconds, since;

	ASSERT(request->method == HTTP_METHOD_GET ||
	       request->method == HTTP_METHOD_HEAD);
	if (request->present & HTTP_FIELD_IF_MATCH) {
		if (!field_matches(request, bytes, HTTP_FIELD_IF_MATCH,
				   object->etag, false))
			return HTTP_CONDITION_FAILED;
	} else if (field_date(request, bytes, HTTP_FIELD_IF_UNMODIFIED_SINCE,
			      now, &since) && modified > since) {
		return HTTP_CONDITION_FAILED;
	}
	if (request->present & HTTP_FIELD_IF_NONE_MATCH) {
		if (field_matches(request, bytes, HTTP_FIELD_IF_NONE_MATCH,
				  object->etag, true))
			return HTTP_CONDITION_NOT_MODIFIED;
	} else if (field_date(request, bytes, HTTP_FIELD_IF_MODIFIED_SINCE,
			      now, &since) && modified <= since) {
		return HTTP_CONDITION_NOT_MODIFIED;
	}
	return HTTP_CONDITION_PASSED;
}

bool
http_condition_if_range(const struct http_request *request, const char *bytes,
			const struct http_validators *object, u64 now)
{
	struct http_text value;
	struct entity_tag tag;
	i64 date;

	if (!(request->present & HTTP_FIELD_IF_RANGE))
		return true;
	if (!http_field_single(request, bytes, HTTP_FIELD_IF_RANGE, &value))
		return false;
	if (http_date_read(value.at, value.len, now, &date))
		return date == (i64)object->modified_seconds &&
		       object->modified_seconds < now;
	return take_tag(&value, &tag) && value.len == 0 && !tag.weak &&
	       same(tag.opaque, object->etag);
}
