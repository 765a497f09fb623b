// SPDX-License-Identifier: BSD-2-Clause
// The set is read member by member; each range that is satisfiable is joined
// with those before it at once, so the list stays disjoint.
//
// Invariant R1: after each member, the ranges so far are non-empty, lie within
// the object, and no two of them overlap or touch.

#include "libos/http/range.h"
#include "kernel/base/assert.h"

enum member {
	MEMBER_BAD,
	MEMBER_OUTSIDE,		// well-formed, but no byte of it exists
	MEMBER_WHOLE_EMPTY,	// the suffix of an empty object
	MEMBER_OK,
};

// "-N": the last N bytes.
static enum member
read_suffix(struct http_text digits, u64 object_len, struct http_range *range)
{
	u64 n;

	if (!http_text_number(digits, &n))
		return MEMBER_BAD;
	if (n == 0)
		return MEMBER_OUTSIDE;
	if (object_len == 0)
		return MEMBER_WHOLE_EMPTY;
	range->len_bytes = MIN(n, object_len);
	range->first = object_len - range->len_bytes;
	return MEMBER_OK;
}

// "A-B", "A-" or "-N".
static enum member
read_member(struct http_text text, u64 object_len, struct http_range *range)
{
	u32 dash = http_text_run(text, HTTP_CHAR_DIGIT);
	u64 first, last = UINT64_MAX;

	if (dash == text.len || text.at[dash] != '-')
		return MEMBER_BAD;

	struct http_text before = { text.at, dash };
	struct http_text after = { text.at + dash + 1, text.len - dash - 1 };

	if (dash == 0)
		return read_suffix(after, object_len, range);
	if (!http_text_number(before, &first))
		return MEMBER_BAD;
	if (after.len && !http_text_number(after, &last))
		return MEMBER_BAD;
	if (last < first)
		return MEMBER_BAD;
	if (first >= object_len)
		return MEMBER_OUTSIDE;
	range->first = first;
	range->len_bytes = MIN(last, object_len - 1) - first + 1;
	return MEMBER_OK;
}

static bool
meet(const struct http_range *a, const struct http_range *b)
{
	return a->first <= b->first + b->len_bytes &&
	       b->first <= a->first + a->len_bytes;
}

// Adds `new` to the list, merged with every range that it meets, at the place
// of the first of them. By R1 a range in the list that meets the merged one
// met `new` itself, so one pass finds them all.
static void
join(struct http_range *ranges, u32 *count, struct http_range new)
{
	u32 kept = 0, place = HTTP_RANGES_MAX;

	for (u32 i = 0; i < *count; i++) {
		struct http_range r = ranges[i];

		if (!meet(&r, &new)) {
			ranges[kept++] = r;
			continue;
		}
		u64 end = MAX(r.first + r.len_bytes, new.first + new.len_bytes);

		new.first = MIN(r.first, new.first);
		new.len_bytes = end - new.first;
		if (place == HTTP_RANGES_MAX)
			place = kept++;
	}
	if (place == HTTP_RANGES_MAX)
		place = kept++;
	ASSERT(kept <= HTTP_RANGES_MAX);
	ranges[place] = new;
	*count = kept;
}

enum http_range_result
http_ranges_read(struct http_text value, u64 object_len,
		 struct http_range ranges[HTTP_RANGES_MAX], u32 *count)
{
	struct http_text rest = value, text;
	u32 members = 0;
	bool whole_empty = false;

	*count = 0;
	if (!http_text_starts(value, "bytes="))
		return HTTP_RANGE_IGNORED;
	rest.at += 6;
	rest.len -= 6;
	while (http_list_next(&rest, &text)) {
		struct http_range range;
		enum member kind = read_member(text, object_len, &range);

		if (kind == MEMBER_BAD || ++members > HTTP_RANGES_MAX)
			return HTTP_RANGE_IGNORED;
		whole_empty |= kind == MEMBER_WHOLE_EMPTY;
		if (kind == MEMBER_OK)
			join(ranges, count, range);
	}
	ASSERT(*count <= members && members <= HTTP_RANGES_MAX);
	if (members == 0 || whole_empty)
		return HTTP_RANGE_IGNORED;
	return *count ? HTTP_RANGE_OK : HTTP_RANGE_UNSATISFIABLE;
}
