// SPDX-License-Identifier: BSD-2-Clause
// One pass: bytes are decoded into the output, and each segment is judged when
// it ends, after decoding, so that no spelling of ".." escapes notice.
//
// Invariants, between bytes:
//  P1  path[0] is '/', and 1 <= segment <= used <= HTTP_PATH_MAX.
//  P2  path[segment - 1] is the '/' that began the current segment.
//  P3  Before `segment` stand only whole segments, none of them "." or "..".

#include "libos/http/path.h"
#include "kernel/base/assert.h"
#include "libos/http/text.h"

struct output {
	char *path;
	u32 used;
	u32 segment;		// where the current segment begins
	bool high;		// the segment has bytes above 0x7f
	bool nowhere;
};

// The length of the UTF-8 sequence that `lead` begins (0: none can), and the
// bounds of its second byte, which alone tells overlong forms, surrogates and
// what lies above U+10FFFF (RFC 3629 section 4).
static u32
sequence_len(u8 lead, u8 *second_min, u8 *second_max)
{
	*second_min = 0x80;
	*second_max = 0xbf;
	switch (lead) {
	case 0x00 ... 0x7f:
		return 1;
	case 0xc2 ... 0xdf:
		return 2;
	case 0xe0:
		*second_min = 0xa0;
		return 3;
	case 0xed:
		*second_max = 0x9f;
		return 3;
	case 0xe1 ... 0xec:
	case 0xee ... 0xef:
		return 3;
	case 0xf0:
		*second_min = 0x90;
		return 4;
	case 0xf1 ... 0xf3:
		return 4;
	case 0xf4:
		*second_max = 0x8f;
		return 4;
	}
	return 0;
}

bool
http_utf8_is_valid(const char *text, u32 len)
{
	const u8 *s = (const u8 *)text;

	for (u32 i = 0; i < len;) {
		u8 low, high;
		u32 n = sequence_len(s[i], &low, &high);

		if (n == 0 || n > len - i)
			return false;
		if (n > 1 && (s[i + 1] < low || s[i + 1] > high))
			return false;
		for (u32 k = 2; k < n; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		}
		i += n;
	}
	return true;
}

static void
put(struct output *o, char c)
{
	if (o->used == HTTP_PATH_MAX) {
		o->nowhere = true;
		return;
	}
	o->path[o->used++] = c;
	o->high |= (u8)c >= 0x80;
}

static bool
segment_is_dots(const struct output *o, u32 count)
{
	if (o->used - o->segment != count)
		return false;
	for (u32 i = o->segment; i < o->used; i++) {
		if (o->path[i] != '.')
			return false;
	}
	return true;
}

enum verdict {
	SEGMENT_KEPT,
	SEGMENT_DROPPED,	// dots: the '/' before it ends the path so far
	SEGMENT_BAD,		// malformed, or above the root
};

// Judges the segment that ended and takes dot segments back, ".." together
// with the segment before it.
static enum verdict
end_segment(struct output *o)
{
	if (o->nowhere)
		return SEGMENT_KEPT;
	ASSERT(o->segment >= 1 && o->path[o->segment - 1] == '/');
	ASSERT(o->segment <= o->used && o->used <= HTTP_PATH_MAX);
	if (o->high && !http_utf8_is_valid(o->path + o->segment,
					   o->used - o->segment))
		return SEGMENT_BAD;
	o->high = false;
	if (segment_is_dots(o, 2)) {
		if (o->segment == 1)
			return SEGMENT_BAD;
		o->segment--;
		while (o->path[o->segment - 1] != '/')
			o->segment--;
	} else if (!segment_is_dots(o, 1)) {
		return SEGMENT_KEPT;
	}
	o->used = o->segment;
	return SEGMENT_DROPPED;
}

// Decodes "%XX" at `raw`, of which `left` bytes follow the '%'.
static bool
put_escaped(struct output *o, const char *raw, u32 left)
{
	int high = left >= 2 ? http_hex_value(raw[1]) : -1;
	int low = left >= 2 ? http_hex_value(raw[2]) : -1;
	u8 byte;

	if (high < 0 || low < 0)
		return false;
	byte = (u8)(high << 4 | low);
	if (byte < 0x20 || byte == 0x7f || byte == '\\')
		return false;
	o->nowhere |= byte == '/';
	put(o, (char)byte);
	return true;
}

enum http_path_result
http_path_normalise(const char *raw, u32 len, char path[HTTP_PATH_MAX],
		    u32 *path_len)
{
	struct output o = { .path = path, .used = 1, .segment = 1 };
	enum verdict verdict;

	ASSERT(len >= 1 && raw[0] == '/');
	path[0] = '/';
	for (u32 i = 1; i < len; i++) {
		if (raw[i] == '%') {
			if (!put_escaped(&o, raw + i, len - i - 1))
				return HTTP_PATH_BAD;
			i += 2;
			continue;
		}
		if (raw[i] != '/') {
			put(&o, raw[i]);
			continue;
		}
		verdict = end_segment(&o);
		if (verdict == SEGMENT_BAD)
			return HTTP_PATH_BAD;
		if (verdict == SEGMENT_KEPT)
			put(&o, '/');
		o.segment = o.used;
	}
	if (end_segment(&o) == SEGMENT_BAD)
		return HTTP_PATH_BAD;
	*path_len = o.used;
	return o.nowhere ? HTTP_PATH_NOWHERE : HTTP_PATH_OK;
}
