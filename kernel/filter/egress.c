// SPDX-License-Identifier: BSD-2-Clause
// The judgement over frames that a ring sends. The contract is in egress.h.
//
// Only lengths, places and the copied header decide; nothing here reads memory
// that the sender can still change. Stateless.

#include "kernel/filter/egress.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

#define SOURCE_OFFSET 6u
#define TYPE_OFFSET 12u
#define TAG_LEN 4u
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
	if (t->piece[0].len < EGRESS_LEN_MIN || *total > e->len_max)
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
		const struct egress_span *span = &e->span[i];

		if (first >= span->first && last - span->first < span->count)
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
	ASSERT(*total >= EGRESS_LEN_MIN && *total <= e->len_max);
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
