// SPDX-License-Identifier: BSD-2-Clause
// Descriptor rings of the e1000e family; the contract is in e1000e_ring.h.
//
// Formats: legacy receive descriptors (82574 datasheet, 7.1.4) and extended transmit
// descriptors (7.2.10): data descriptors, and a context descriptor before a frame whose
// checksum lies elsewhere than the last one's.
//
// Order of memory accesses: the host's tail register is written after the descriptors
// (x86 keeps stores in order, the fences here keep the compiler to it), and a
// descriptor's `done` is read, with its length, in one load.

#include "kernel/dev/e1000e_ring.h"
#include "kernel/base/assert.h"

// `rest` of a receive descriptor: 16 bits length, 16 checksum, 8 status, 8 errors.
#define RECEIVE_DONE (1ull << 32)
#define RECEIVE_LAST (1ull << 33)
#define RECEIVE_ERRORS (0x97ull << 40)	// CRC, symbol, sequence, carrier, data

// `rest` of a transmit descriptor: 20 bits length, 4 kind, 8 command, 4 status,
// 4 reserved, 8 options.
#define SEND_KIND_DATA (1ull << 20)
#define SEND_LAST (1ull << 24)
#define SEND_FCS (1ull << 25)		// append the frame check sequence
#define SEND_REPORT (1ull << 27)
#define SEND_EXTENDED (1ull << 29)
#define SEND_DONE (1ull << 32)
#define SEND_CHECKSUM (1ull << 41)

// A context descriptor's first word holds the places of the checksum, its second
// whether it is TCP's (whose sum may be 0, while UDP's must not).
#define CONTEXT_START_SHIFT 32u
#define CONTEXT_AT_SHIFT 40u
#define CONTEXT_TCP (1ull << 24)
#define TCP_CHECKSUM_OFFSET 16u

STATIC_ASSERT(sizeof(struct e1000e_descriptor) == 16);
STATIC_ASSERT(E1000E_BUFFERS_MAX < E1000E_RECEIVE_SIZE);
// Each frame counts at least one and takes at most one descriptor more.
STATIC_ASSERT(2 * E1000E_ROOM < E1000E_SEND_SIZE);

void
e1000e_receive_init(struct e1000e_receive *r, void *ring, u64 buffers_physical,
		    u32 buffer_count, u32 buffer_len)
{
	ASSERT(buffer_count > 0 && buffer_count <= E1000E_BUFFERS_MAX);
	ASSERT(buffer_len > 0 && buffer_len <= 0xffff);
	*r = (struct e1000e_receive){
		.ring = ring,
		.buffers_physical = buffers_physical,
		.buffer_count = buffer_count,
		.buffer_len = buffer_len,
	};
}

void
e1000e_receive_give(struct e1000e_receive *r, u32 buffer)
{
	u32 at = r->added % E1000E_RECEIVE_SIZE;

	ASSERT(buffer < r->buffer_count);
	ASSERT((u16)(r->added - r->taken) < r->buffer_count);
	r->buffer[at] = (u16)buffer;
	r->ring[at].physical = r->buffers_physical + (u64)buffer * r->buffer_len;
	r->ring[at].rest = 0;
	r->added++;
}

u32
e1000e_receive_show(struct e1000e_receive *r)
{
	r->shown = r->added;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return r->shown % E1000E_RECEIVE_SIZE;
}

bool
e1000e_receive_waiting(const struct e1000e_receive *r)
{
	return r->taken != r->shown && !r->broken &&
	       (r->ring[r->taken % E1000E_RECEIVE_SIZE].rest & RECEIVE_DONE);
}

bool
e1000e_receive_take(struct e1000e_receive *r, u32 len_min, u32 len_max,
		    struct e1000e_received *received)
{
	while (!r->broken && r->taken != r->shown) {
		u32 at = r->taken % E1000E_RECEIVE_SIZE;
		u64 rest = r->ring[at].rest;
		u32 buffer = r->buffer[at], len = (u16)rest;
		bool whole = !r->inside && (rest & RECEIVE_LAST);

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(rest & RECEIVE_DONE))
			return false;
		if (len > r->buffer_len) {
			r->broken = true;
			return false;
		}
		r->taken++;
		r->inside = !(rest & RECEIVE_LAST);
		if (whole && !(rest & RECEIVE_ERRORS) && len >= len_min &&
		    len <= len_max) {
			*received = (struct e1000e_received){ buffer, len };
			return true;
		}
		e1000e_receive_give(r, buffer);
	}
	return false;
}

void
e1000e_receive_check(const struct e1000e_receive *r)
{
	bool seen[E1000E_BUFFERS_MAX] = { false };
	u32 open = (u16)(r->added - r->taken);

	ASSERT(open <= r->buffer_count);				// R1
	ASSERT((u16)(r->shown - r->taken) <= open);
	for (u16 i = r->taken; i != r->added; i++) {
		u32 buffer = r->buffer[i % E1000E_RECEIVE_SIZE];

		ASSERT(buffer < r->buffer_count && !seen[buffer]);	// R2
		seen[buffer] = true;
	}
}

void
e1000e_send_init(struct e1000e_send *s, void *ring)
{
	*s = (struct e1000e_send){ .ring = ring, .room = E1000E_ROOM };
}

static void
put(struct e1000e_send *s, u64 physical, u64 rest)
{
	u32 at = s->added++ % E1000E_SEND_SIZE;

	s->ring[at].physical = physical;
	s->ring[at].rest = rest;
}

// Tells the device where the checksums of the frames from here on go.
static void
put_context(struct e1000e_send *s, u32 start, u32 at)
{
	bool tcp = at - start == TCP_CHECKSUM_OFFSET;

	put(s, (u64)start << CONTEXT_START_SHIFT | (u64)at << CONTEXT_AT_SHIFT,
	    SEND_EXTENDED | (tcp ? CONTEXT_TCP : 0));
	s->checksum_start = (u8)start;
	s->checksum_at = (u8)at;
}

void
e1000e_send_add(struct e1000e_send *s, const struct e1000e_piece *pieces, u32 count,
		u32 checksum_start, u32 checksum_at, u32 cookie)
{
	u64 flags = SEND_KIND_DATA | SEND_EXTENDED | SEND_FCS;
	u32 slot = e1000e_send_slot(s);

	ASSERT(count > 0 && count <= E1000E_PIECES_MAX && count <= s->room);
	ASSERT(checksum_start <= checksum_at || !checksum_start);
	ASSERT(checksum_at <= E1000E_CHECKSUM_MAX);
	if (checksum_start) {
		flags |= SEND_CHECKSUM;
		if (s->checksum_start != checksum_start ||
		    s->checksum_at != checksum_at)
			put_context(s, checksum_start, checksum_at);
	}
	for (u32 i = 0; i < count; i++) {
		u64 last = i + 1 < count ? 0 : SEND_LAST | SEND_REPORT;

		ASSERT(pieces[i].len > 0 && pieces[i].len <= 0xffff);
		put(s, pieces[i].physical, flags | last | pieces[i].len);
	}
	s->frame[slot].cookie = cookie;
	s->frame[slot].last = (u16)(s->added - 1);
	s->frame[slot].count = (u16)count;
	s->room = (u16)(s->room - count);
	s->next++;
}

bool
e1000e_send_show(struct e1000e_send *s, u32 *tail)
{
	if (s->added == s->shown || s->broken)
		return false;
	s->shown = s->added;
	*tail = s->shown % E1000E_SEND_SIZE;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return true;
}

bool
e1000e_send_waiting(const struct e1000e_send *s)
{
	u16 last = s->frame[s->first % E1000E_ROOM].last;

	return s->first != s->next && !s->broken &&
	       (s->ring[last % E1000E_SEND_SIZE].rest & SEND_DONE);
}

// Closes the oldest frame; returns its cookie.
static u32
close_first(struct e1000e_send *s)
{
	u32 slot = s->first % E1000E_ROOM;

	ASSERT(s->first != s->next && s->frame[slot].count > 0);
	s->taken = (u16)(s->frame[slot].last + 1);
	s->room = (u16)(s->room + s->frame[slot].count);
	s->first++;
	return s->frame[slot].cookie;
}

bool
e1000e_send_take(struct e1000e_send *s, u32 *cookie)
{
	if (!e1000e_send_waiting(s))
		return false;

	u16 last = s->frame[s->first % E1000E_ROOM].last;

	// Done before it was shown?
	if ((u16)(last - s->taken) >= (u16)(s->shown - s->taken)) {
		s->broken = true;
		return false;
	}
	*cookie = close_first(s);
	return true;
}

bool
e1000e_send_abandon(struct e1000e_send *s, u32 *cookie)
{
	s->broken = true;
	s->shown = s->added;
	if (s->first == s->next) {
		ASSERT(s->room == E1000E_ROOM);
		return false;
	}
	*cookie = close_first(s);
	return true;
}

void
e1000e_send_check(const struct e1000e_send *s)
{
	u16 at = s->taken;
	u32 room = s->room;

	for (u16 i = s->first; i != s->next; i++) {
		u32 slot = i % E1000E_ROOM;
		u32 descriptors = (u16)(s->frame[slot].last - at) + 1u;

		ASSERT(descriptors >= s->frame[slot].count);		// T1
		ASSERT(descriptors <= s->frame[slot].count + 1u);
		at = (u16)(s->frame[slot].last + 1);
		room += s->frame[slot].count;
	}
	ASSERT(at == s->added && room == E1000E_ROOM);			// T2
	ASSERT((u16)(s->added - s->taken) < E1000E_SEND_SIZE);
	ASSERT((u16)(s->shown - s->taken) <= (u16)(s->added - s->taken));
}
