// SPDX-License-Identifier: BSD-2-Clause
// The judgement over frames that a ring sends. The contract is in egress.h.
//
// Only lengths, places and the copied header decide; nothing here reads memory
// that the sender can still change. Stateless.

#include "kernel/filter/egress.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/span.h"

#define SOURCE_OFFSET 6u
#define TYPE_OFFSET 12u
#define TAG_LEN 4u
#define ETHERTYPE_IPV4 0x0800u
#define IP_AT EGRESS_LEN_MIN
#define IP_PLAIN 0x45u			// version 4, no options
#define IP_PROTOCOL_TCP 6u
#define IP_FRAGMENT 0x3fffu		// more of them, or where it belongs
#define TCP_AT (IP_AT + 20u)
#define TCP_LEN_MIN 20u
#define TCP_CHECKSUM 16u
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_SERVICE_VLAN 0x88a8u
#define ETHERTYPE_OLD_SERVICE_VLAN 0x9100u

void
egress_narrow(struct egress *e, const struct filter *narrowed)
{
	e->narrowed = *narrowed;
	e->extent = filter_extent(narrowed);
	ASSERT(e->extent <= FILTER_WINDOW);
}

static bool
lengths_hold(const struct egress *e, const struct ring_tx *t, u32 *total)
{
	*total = 0;
	if (t->piece_count == 0 || t->piece_count > RING_PIECES_MAX)
		return false;
	for (u32 i = 0; i < t->piece_count; i++) {
		if (t->piece[i].len == 0 || t->piece[i].offset >= PAGE_SIZE)
			return false;
		*total += t->piece[i].len;
	}
	if (t->segment && (!e->segments || t->segment < RING_SEGMENT_MIN ||
			   t->checksum_start == 0))
		return false;
	if (t->piece[0].len < EGRESS_LEN_MIN ||
	    *total > (t->segment ? RING_LONG_MAX : e->len_max))
		return false;
	if (t->checksum_start == 0)
		return true;

	u32 at = (u32)t->checksum_start + t->checksum_offset;

	return e->checksum && t->checksum_start >= EGRESS_LEN_MIN &&
	       at + 2 <= *total && at < RING_CHECKSUM_END;
}

// Would the device write the checksum into what egress_header() judges?
static bool
rewrites_header(const struct egress *e, const struct ring_tx *t)
{
	u32 judged = e->forges ? e->extent : MAX(e->extent, EGRESS_TYPE_END);

	return t->checksum_start &&
	       (u32)t->checksum_start + t->checksum_offset < judged;
}

static bool
inside(const struct egress *e, const struct ring_piece *p)
{
	u64 first = p->frame, last = egress_last_frame(p);

	for (u32 i = 0; i < EGRESS_SPANS_MAX; i++) {
		if (span_covers(e->span[i].first, e->span[i].count, first,
				last - first + 1))
			return true;
	}
	return false;
}

enum ring_tx_status
egress_descriptor(const struct egress *e, const struct ring_tx *t, u32 *total)
{
	if (!lengths_hold(e, t, total))
		return RING_TX_MALFORMED;
	for (u32 i = 0; i < t->piece_count; i++) {
		if (!inside(e, &t->piece[i]))
			return RING_TX_OUTSIDE;
	}
	if (rewrites_header(e, t))
		return RING_TX_FORGED;
	ASSERT(*total >= EGRESS_LEN_MIN && *total <= MAX(e->len_max, RING_LONG_MAX));
	return RING_TX_SENT;
}

// Is this the fabric's frame, or could it be one behind tags that cannot be
// followed here: too many, or past the copy?
static bool
may_be_fabric(const u8 *header, u32 len)
{
	u32 at = TYPE_OFFSET;

	for (u32 tags = 0; tags <= EGRESS_TAGS_MAX; tags++, at += TAG_LEN) {
		if (at + 2 > len)
			return true;

		u16 type = be16_load(header + at);

		if (type == ETHERTYPE_FABRIC)
			return true;
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_SERVICE_VLAN &&
		    type != ETHERTYPE_OLD_SERVICE_VLAN)
			return false;
	}
	return true;
}

bool
egress_header(const struct egress *e, const u8 *header, u32 len, u32 total)
{
	struct filter_window window;

	ASSERT(len >= EGRESS_LEN_MIN && len <= total);
	if (!e->forges && (egress_mac(header + SOURCE_OFFSET) != e->mac ||
			   may_be_fabric(header, len)))
		return false;
	if (e->extent == 0)
		return true;
	if (len < total && e->extent > len)
		return false;
	filter_load(&window, header, len);
	return filter_accepts(&e->narrowed, &window);
}

// What a device changes from segment to segment, of a frame with IPv4 and TCP: lengths
// and checksum of IP, sequence number, flags, checksum of TCP.
static const struct {
	u8 from, to;
} changed[] = { { 16, 20 }, { 24, 26 }, { 38, 42 }, { 47, 48 }, { 50, 52 } };

static bool
looks_at_changed(const struct egress *e)
{
	const u8 *mask = (const u8 *)e->narrowed.mask;

	for (u32 i = 0; i < ARRAY_SIZE(changed); i++) {
		for (u32 at = changed[i].from; at < changed[i].to; at++) {
			if (mask[at])
				return true;
		}
	}
	return false;
}

u32
egress_segments(const struct egress *e, const struct ring_tx *t, const u8 *header, u32 len)
{
	u32 header_len;

	ASSERT(e->segments && t->segment >= RING_SEGMENT_MIN);
	if (len < TCP_AT + TCP_LEN_MIN ||
	    be16_load(header + TYPE_OFFSET) != ETHERTYPE_IPV4 ||
	    header[IP_AT] != IP_PLAIN || header[IP_AT + 9] != IP_PROTOCOL_TCP ||
	    be16_load(header + IP_AT + 6) & IP_FRAGMENT ||
	    t->checksum_start != TCP_AT || t->checksum_offset != TCP_CHECKSUM)
		return 0;
	header_len = TCP_AT + (u32)(header[TCP_AT + 12] >> 4) * 4;
	if (header_len < TCP_AT + TCP_LEN_MIN || header_len > len ||
	    header_len + t->segment > e->len_max || looks_at_changed(e))
		return 0;
	return header_len;
}
