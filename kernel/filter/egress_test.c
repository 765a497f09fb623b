// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/filter/egress.c kernel/filter/filter.c harness/testing/host_assert.c
//
// The judgement over sent frames against oracles that look at everything: every
// byte's frame number, every VLAN tag to the end, every atom as
// kernel/abi/ring.h words it on the whole frame. What is let through must pass
// the oracle whatever the sender chose; what the rules allow must be let
// through. SEED=n replays a run.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "kernel/filter/egress.h"
#include "kernel/filter/oracle_rig.h"

#define ROUNDS 200000
#define LEN_MAX 1514u

static struct prng prng;
static const u8 own_mac[6] = { 0x52, 0x54, 0x00, 0x00, 0x00, 0x01 };

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

// One of the values given, so that boundaries are hit often.
#define PICK(...) \
	((const u32[]){ __VA_ARGS__ }[below(ARRAY_SIZE(((const u32[]){ __VA_ARGS__ })))])

static void
random_egress(struct egress *e)
{
	*e = (struct egress){
		.mac = egress_mac(own_mac),
		.forges = below(8) == 0,
		.checksum = below(2),
		.segments = below(2),
		.len_max = LEN_MAX,
	};
	e->narrowed = (struct filter){ 0 };
	for (u32 i = 0; i < EGRESS_SPANS_MAX; i++) {
		e->span[i].first = PICK(0, 1, 100, 4000, 0xffffffff);
		e->span[i].count = PICK(0, 0, 1, 2, 131);
	}
}

static bool
frame_allowed(const struct egress *e, u64 frame)
{
	for (u32 i = 0; i < EGRESS_SPANS_MAX; i++) {
		if (frame >= e->span[i].first &&
		    frame < e->span[i].first + e->span[i].count)
			return true;
	}
	return false;
}

// Each piece within a single span, decided byte by byte.
static bool
oracle_inside(const struct egress *e, const struct ring_tx *t)
{
	for (u32 p = 0; p < t->piece_count; p++) {
		bool some = false;

		for (u32 s = 0; s < EGRESS_SPANS_MAX; s++) {
			struct egress one = { 0 };
			bool all = true;

			one.span[0] = e->span[s];
			for (u32 b = 0; b < t->piece[p].len; b++) {
				u64 at = (u64)t->piece[p].frame * PAGE_SIZE +
					 t->piece[p].offset + b;

				all &= frame_allowed(&one, at / PAGE_SIZE);
			}
			some |= all;
		}
		if (!some)
			return false;
	}
	return true;
}

static bool
oracle_lengths(const struct egress *e, const struct ring_tx *t)
{
	u64 total = 0;

	if (t->piece_count < 1 || t->piece_count > 3)
		return false;
	for (u32 p = 0; p < t->piece_count; p++) {
		total += t->piece[p].len;
		if (t->piece[p].offset > 4095 || t->piece[p].len == 0)
			return false;
	}
	if (t->piece[0].len < 14 || total > (t->segment ? 65535 : e->len_max))
		return false;
	if (t->segment && (!e->segments || !t->checksum_start || t->segment < 512))
		return false;
	return !t->checksum_start ||
	       (e->checksum && t->checksum_start >= 14 &&
		(u64)t->checksum_start + t->checksum_offset + 2 <= total &&
		t->checksum_start + t->checksum_offset <= 255);
}

// Without atoms: the checksum must not land in addresses, tags and type.
static bool
oracle_checksum(const struct egress *e, const struct ring_tx *t)
{
	return !t->checksum_start || e->forges ||
	       t->checksum_start + t->checksum_offset >= 22;
}

static void
test_descriptors(void **state)
{
	u32 counts[4] = { 0 };

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct egress e;
		struct ring_tx t = { 0 };
		u32 total, sum = 0;

		random_egress(&e);
		t.piece_count = (u8)PICK(1, 1, 2, 3, 0, 4, 255);
		for (u32 p = 0; p < RING_PIECES_MAX; p++) {
			t.piece[p].frame = PICK(0, 1, 2, 99, 100, 101, 4000,
						4130, 4131, 0xffffffff);
			t.piece[p].offset = (u16)PICK(0, 0, 1, 4082, 4083, 4095,
						      4096, 65535);
			t.piece[p].len = (u16)PICK(14, 60, 14, 1, 13, 0, 1486,
						   1514, 1515, 65535);
			sum += p < t.piece_count ? t.piece[p].len : 0;
		}
		t.checksum_start = (u8)PICK(0, 0, 0, 13, 14, 14, 34, 255);
		t.checksum_offset = (u8)PICK(0, 6, 7, 8, 16, 255);
		t.segment = (u16)PICK(0, 0, 0, 1, 511, 512, 1448, 65535);

		enum ring_tx_status got = egress_descriptor(&e, &t, &total);
		enum ring_tx_status want =
			!oracle_lengths(&e, &t) ? RING_TX_MALFORMED
			: !oracle_inside(&e, &t) ? RING_TX_OUTSIDE
			: !oracle_checksum(&e, &t) ? RING_TX_FORGED
			: RING_TX_SENT;

		assert_int_equal(got, want);
		if (got == RING_TX_SENT)
			assert_int_equal(total, sum);
		counts[got == RING_TX_SENT ? 0 : got == RING_TX_OUTSIDE ? 1
		     : got == RING_TX_FORGED ? 2 : 3]++;
	}
	assert_true(counts[0] > 100 && counts[1] > 100 && counts[2] > 100 &&
		    counts[3] > 100);
}

// The frame's type behind all its tags; the fabric's when it ends within them.
static u32
oracle_type(const u8 *frame, u32 len)
{
	u32 at = 12;

	for (; at + 2 <= len; at += 4) {
		u32 type = be16_load(frame + at);

		if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
			return type;
	}
	return ETHERTYPE_FABRIC;
}

static u32
random_frame(u8 *frame)
{
	u32 len = 14 + (below(2) ? below(8) : below(120));
	u32 at = 12;

	for (u32 i = 0; i < len; i++)
		frame[i] = (u8)prng_u64(&prng);
	memcpy(frame + 6, own_mac, 6);
	if (below(8) == 0)
		frame[6 + below(6)] ^= (u8)(1u << below(8));
	for (u32 tags = PICK(0, 0, 0, 1, 2, 3, 5); tags && at + 6 <= len; tags--) {
		be16_store(frame + at, (u16)PICK(0x8100, 0x88a8, 0x9100));
		at += 4;
	}
	if (at + 2 <= len)
		be16_store(frame + at, (u16)PICK(0x0800, 0x0800, 0x0806, 0x86dd,
						 0x8100, 0x88b4, 0x88b5, 0x88b6));
	return len;
}

// Atoms of which the frame mostly meets each.
static u32
random_atoms(struct ring_atom *atoms, const u8 *frame, u32 len)
{
	u32 count = PICK(0, 0, 1, 2);
	u8 padded[256] = { 0 };

	memcpy(padded, frame, len);
	for (u32 i = 0; i < count; i++) {
		u32 offset = below(61);
		u32 mask = (u32)prng_u64(&prng) & PICK(0xff, 0xff00, 0xffffffff);
		u32 value = be32_load(padded + offset) & mask;

		if (below(6) == 0)
			value ^= mask & (u32)prng_u64(&prng);
		atoms[i] = (struct ring_atom){ offset, mask, value };
	}
	return count;
}

static bool
narrow(struct egress *e, const struct ring_atom *atoms, u32 count)
{
	struct filter sum = e->narrowed;

	if (!filter_add(&sum, atoms, count))
		return false;
	egress_narrow(e, &sum);
	return true;
}

static void
test_headers(void **state)
{
	u32 passed = 0, refused = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct egress e;
		struct ring_atom atoms[2];
		u8 frame[160];
		u32 total = random_frame(frame);
		u32 count = random_atoms(atoms, frame, total);
		u32 len = MIN(14 + below(total - 14 + 1), RING_HEADER_COPY);
		u8 *copy = malloc(len);

		memcpy(copy, frame, len);
		random_egress(&e);
		if (!narrow(&e, atoms, count)) {
			free(copy);
			continue;
		}

		bool honest = egress_mac(frame + 6) == e.mac &&
			      oracle_type(frame, total) != ETHERTYPE_FABRIC;
		bool meets = oracle_accepts(atoms, count, frame, total);
		bool got = egress_header(&e, copy, len, total);

		// Nothing bad is let through, wherever the copy ends.
		if (got)
			assert_true(meets && (honest || e.forges));
		// Nothing good is held back when the copy shows what decides.
		// A tag where a third one would stand may be one too many.
		bool shown = len == total || len >= FILTER_WINDOW;
		u32 behind = be16_load(frame + MIN(12 + 8, total - 2));
		bool few_tags = behind != 0x8100 && behind != 0x88a8 &&
				behind != 0x9100;

		if (meets && shown && (e.forges || (honest && few_tags)))
			assert_true(got);
		passed += got;
		refused += !got;
		free(copy);
	}
	assert_true(passed > ROUNDS / 10 && refused > ROUNDS / 10);
}

static void
test_smuggling(void **state)
{
	struct egress e = { .mac = egress_mac(own_mac), .len_max = LEN_MAX };
	u8 frame[64] = { 0 };

	(void)state;
	e.narrowed = (struct filter){ 0 };
	memcpy(frame + 6, own_mac, 6);
	be16_store(frame + 12, 0x0800);
	assert_true(egress_header(&e, frame, 64, 64));
	be16_store(frame + 12, ETHERTYPE_FABRIC);
	assert_false(egress_header(&e, frame, 64, 64));
	be16_store(frame + 12, 0x8100);
	be16_store(frame + 16, ETHERTYPE_FABRIC);
	assert_false(egress_header(&e, frame, 64, 64));
	// The inner type hides past the copy.
	assert_false(egress_header(&e, frame, 17, 64));
	be16_store(frame + 16, 0x0800);
	assert_true(egress_header(&e, frame, 18, 64));
	assert_false(egress_header(&e, frame, 17, 64));
	// Two tags pass, a third does not.
	be16_store(frame + 16, 0x88a8);
	be16_store(frame + 20, 0x0800);
	assert_true(egress_header(&e, frame, 64, 64));
	be16_store(frame + 20, 0x8100);
	be16_store(frame + 24, 0x0800);
	assert_false(egress_header(&e, frame, 64, 64));
	e.forges = true;
	be16_store(frame + 12, ETHERTYPE_FABRIC);
	assert_true(egress_header(&e, frame, 64, 64));
}

static void
test_narrowed_past_the_copy(void **state)
{
	static const struct ring_atom port = { 36, 0xffff0000, 0x00500000 };
	static const struct ring_atom zero = { 60, 0xffffffff, 0 };
	struct egress e = { .mac = egress_mac(own_mac), .len_max = LEN_MAX };
	u8 frame[64] = { 0 };

	(void)state;
	e.narrowed = (struct filter){ 0 };
	memcpy(frame + 6, own_mac, 6);
	be16_store(frame + 36, 80);
	assert_true(narrow(&e, &port, 1));
	assert_true(egress_header(&e, frame, 38, 1000));
	assert_false(egress_header(&e, frame, 37, 1000));
	// Bytes past the frame's end read as 0, and nothing can follow them.
	assert_true(narrow(&e, &zero, 1));
	assert_true(egress_header(&e, frame, 42, 42));
	assert_false(egress_header(&e, frame, 42, 43));
}

#define SEGMENT_HEADER 66u	// with a timestamp, say

// A header of a packet that may be cut, and what says so.
static struct ring_tx
long_packet(u8 header[RING_HEADER_COPY])
{
	memset(header, 0, RING_HEADER_COPY);
	memcpy(header + 6, own_mac, 6);
	be16_store(header + 12, 0x0800);
	header[14] = 0x45;
	be16_store(header + 20, 0x4000);	// do not fragment
	header[23] = 6;
	header[46] = (SEGMENT_HEADER - 34) / 4 << 4;
	return (struct ring_tx){ .segment = 1448, .checksum_start = 34,
				 .checksum_offset = 16 };
}

static struct egress
cutting(void)
{
	return (struct egress){ .mac = egress_mac(own_mac), .checksum = true,
				.segments = true, .len_max = LEN_MAX };
}

static void
test_segments_are_of_tcp(void **state)
{
	static const struct {
		u8 at, value;
	} wrong[] = {
		{ 12, 0x86 },		// not IPv4
		{ 14, 0x46 },		// with options
		{ 14, 0x65 },		// version 6
		{ 20, 0x20 },		// fragments follow
		{ 21, 1 },		// a fragment itself
		{ 23, 17 },		// UDP
		{ 46, 0x40 },		// no whole header
		{ 46, 0xf0 },		// longer than the copy below
	};
	struct egress e = cutting();
	u8 header[RING_HEADER_COPY];
	struct ring_tx t = long_packet(header);

	(void)state;
	assert_int_equal(egress_segments(&e, &t, header, 90), SEGMENT_HEADER);
	assert_int_equal(egress_segments(&e, &t, header, SEGMENT_HEADER - 1), 0);
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		t = long_packet(header);
		header[wrong[i].at] = wrong[i].value;
		assert_int_equal(egress_segments(&e, &t, header, 90), 0);
	}
	t = long_packet(header);
	t.segment = LEN_MAX - SEGMENT_HEADER;
	assert_int_equal(egress_segments(&e, &t, header, 90), SEGMENT_HEADER);
	t.segment++;			// longer than a frame
	assert_int_equal(egress_segments(&e, &t, header, 90), 0);
	t = long_packet(header);
	t.checksum_start++;
	assert_int_equal(egress_segments(&e, &t, header, 90), 0);
	t = long_packet(header);
	t.checksum_offset++;
	assert_int_equal(egress_segments(&e, &t, header, 90), 0);
}

// What a device makes of the header of a packet for its third segment, with all that
// it may change.
static void
third_segment(u8 *header)
{
	for (u32 i = 0; i < 2; i++) {
		header[16 + i] ^= 0xff;		// length
		header[18 + i] ^= 0xff;		// identification
		header[24 + i] ^= 0xff;
		header[50 + i] ^= 0xff;		// checksums
	}
	for (u32 i = 0; i < 4; i++)
		header[38 + i] ^= 0xff;		// sequence number
	header[47] ^= 0xff;			// flags
}

// Atoms look at nothing that differs between the packet and its segments, and may
// look at all else.
static void
test_segments_keep_what_was_judged(void **state)
{
	u8 header[RING_HEADER_COPY], segment[RING_HEADER_COPY];
	struct ring_tx t = long_packet(header);

	(void)state;
	memcpy(segment, header, sizeof(header));
	third_segment(segment);
	for (u32 at = 0; at < FILTER_WINDOW; at++) {
		struct egress e = cutting();
		u32 offset = MIN(at, 60u), mask = 0x80000000u >> 8 * (at - offset);
		struct ring_atom atom = { offset, mask, be32_load(header + offset) & mask };

		assert_true(narrow(&e, &atom, 1));
		assert_int_equal(egress_segments(&e, &t, header, RING_HEADER_COPY),
				 header[at] == segment[at] ? SEGMENT_HEADER : 0);
	}
}

// Whatever two bytes the device writes as a checksum, the frame on the wire
// still meets the rules.
static void
test_completed_checksums(void **state)
{
	u32 passed = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct egress e;
		struct ring_atom atoms[2];
		u8 frame[160];
		u32 len = random_frame(frame);
		u32 count = random_atoms(atoms, frame, len), total;
		struct ring_tx t = {
			.piece_count = 1,
			.piece[0] = { .frame = 7, .len = (u16)len },
			.checksum_start = (u8)(14 + below(40)),
			.checksum_offset = (u8)below(24),
		};

		random_egress(&e);
		e.checksum = true;
		e.span[0] = (struct egress_span){ 7, 1 };
		if (!narrow(&e, atoms, count) ||
		    egress_descriptor(&e, &t, &total) != RING_TX_SENT ||
		    !egress_header(&e, frame, MIN(len, RING_HEADER_COPY), len))
			continue;
		be16_store(frame + t.checksum_start + t.checksum_offset,
			   (u16)PICK(ETHERTYPE_FABRIC, 0, (u32)prng_u64(&prng)));
		assert_true(oracle_accepts(atoms, count, frame, len));
		assert_true(e.forges || (egress_mac(frame + 6) == e.mac &&
			    oracle_type(frame, len) != ETHERTYPE_FABRIC));
		passed++;
	}
	assert_true(passed > ROUNDS / 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_segments_are_of_tcp),
		cmocka_unit_test(test_segments_keep_what_was_judged),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_narrowed_past_the_copy),
		cmocka_unit_test(test_completed_checksums),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
