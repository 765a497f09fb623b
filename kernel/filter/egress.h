// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What a ring may send, as a sans-IO core: the judgement over one transmit
// descriptor and over the beginning of the frame that it describes.
//
// The host copies the descriptor out of shared memory and asks
// egress_descriptor(); then it copies the frame's first bytes into memory that
// the sender cannot reach, asks egress_header() about that copy, and sends that
// copy. So nothing that was judged can change before it is sent.
//
// What a header must meet: the ring's own source address; never the fabric's
// EtherType, not behind VLAN tags either; and every atom that was added by
// narrowing, whose bytes must all lie in the copy (or past the frame's end). A
// ring that may forge is held only to its atoms.
//
// A packet that the device cuts into segments has its header in each of them, with
// other lengths, checksums, sequence number and flags: no atom may look there, and the
// kernel knows the header for what it is, since the device goes by it.
//
// A device that completes a checksum writes two bytes of the frame after it was
// judged, and the sender can choose their value. So they must lie behind every
// byte that decided.

#include "kernel/abi/ring.h"
#include "kernel/base/types.h"
#include "kernel/filter/filter.h"

#define EGRESS_SPANS_MAX (RING_REGIONS_MAX + 1u)
#define EGRESS_LEN_MIN 14u	// addresses and EtherType
#define EGRESS_TAGS_MAX 2u	// VLAN tags that a frame may carry
#define EGRESS_TYPE_END (EGRESS_LEN_MIN + 4u * EGRESS_TAGS_MAX)

// A run of frames that may be sent from; count 0: none.
struct egress_span {
	u64 first;
	u64 count;
};

struct egress {
	u64 mac;			// source address: egress_mac()
	bool forges;			// any header that the atoms allow
	bool checksum;			// the device completes checksums
	bool segments;			// and cuts TCP segments
	u32 len_max;			// bytes of a frame
	struct filter narrowed;		// set by egress_narrow()
	u32 extent;			// bytes that it looks at
	struct egress_span span[EGRESS_SPANS_MAX];
};

// Sets the conditions that every frame must meet besides the other fields.
void
egress_narrow(struct egress *e, const struct filter *narrowed);

// Six bytes of an address as a number to compare.
static inline u64
egress_mac(const u8 *mac)
{
	u64 v = 0;

	__builtin_memcpy(&v, mac, 6);
	return v;
}

// Frame number of the last byte of a piece, whose length is not 0.
static inline u64
egress_last_frame(const struct ring_piece *p)
{
	return p->frame + ((u64)p->offset + p->len - 1) / PAGE_SIZE;
}

// Judges lengths and places: RING_TX_SENT when they are in order (*total is
// then the length of the frame), else RING_TX_MALFORMED, RING_TX_OUTSIDE, or
// RING_TX_FORGED for a checksum that would land in the header.
must_check enum ring_tx_status
egress_descriptor(const struct egress *e, const struct ring_tx *t, u32 *total);

// May a frame of `total` bytes be sent whose first `len` bytes, at least
// EGRESS_LEN_MIN and at most `total`, are at `header`?
must_check bool
egress_header(const struct egress *e, const u8 *header, u32 len, u32 total);

// May it besides be cut into segments, as t->segment says? Returns the bytes of header
// that each begins with, or 0.
must_check u32
egress_segments(const struct egress *e, const struct ring_tx *t, const u8 *header, u32 len);
