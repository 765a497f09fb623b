// SPDX-License-Identifier: BSD-2-Clause
// Nodes that hide what they say: of what one reads and writes at the other no frame shows
// a word, and no two show the same; all arrives as it was, under faults and through
// changes of keys too; what was altered is dropped; and with nodes that do not hide they
// have nothing in common.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/asked_rig.c net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c
// links: net/sodium/crypto.c net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#define _GNU_SOURCE		// memmem()
#include "net/rcap/test_pair.h"

#define PAGE 4096u
#define BITS 8u			// keys change every so many frames
#define CAPTURED 400u

static u32 place;

static const struct links_counters *
counters(u32 node)
{
	return links_counters(rig.node[node].links);
}

// Two nodes with these covers, new lives.
static void
boot_pair(u8 first, u8 second, u16 mtu)
{
	rig_start(&rig, 2, test_seed(), mtu, 64);
	rig.rekey_bits = BITS;
	rig.cover[0] = first;
	rig.cover[1] = second;
	for (u32 i = 0; i < 2; i++) {
		rig_crash(&rig, i);
		rig_boot(&rig, i);
	}
}

static void
connected_pair(u8 cover, u16 mtu)
{
	boot_pair(cover, cover, mtu);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	rig.captured_max = CAPTURED;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	assert_non_null(rig.captured);
}

// How many captured frames have eight bytes in a row of a page's.
static u32
frames_that_show(const u8 *page)
{
	u32 count = 0;

	for (u32 i = 0; i < rig.captured_count; i++) {
		const struct rig_frame *f = &rig.captured[i];
		bool shows = false;

		for (u32 at = 0; at < PAGE && !shows; at += 8)
			shows = memmem(f->bytes, f->len, page + at, 8) != NULL;
		count += shows;
	}
	return count;
}

static void
read_page(u64 local)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, PAGE, local);

	memset(near(local), 0, PAGE);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_memory_equal(near(local), far(0), PAGE);
}

// A page is written, read twice, and a word changed. Returns how many frames show it.
static u32
page_that_travels(u8 cover, u16 mtu)
{
	struct rcap_submit s;
	u32 shown;
	u8 page[PAGE];

	connected_pair(cover, mtu);
	fill(near(PAGE), PAGE);
	memcpy(page, near(PAGE), PAGE);
	rig.capture = true;
	s = rig_submit(&rig, 1, place, OP_WRITE, 0, PAGE, PAGE);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_memory_equal(far(0), page, PAGE);
	read_page(2 * PAGE);
	read_page(3 * PAGE);
	rig.capture = false;
	shown = frames_that_show(page);
	s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	s.addend = 5;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(get64(far(0)), get64(page) + 5);
	return shown;
}

static void
nothing_shows(void **state)
{
	(void)state;
	for (u32 whole = 0; whole < 2; whole++) {
		u16 mtu = whole ? 9000 : 1500;
		u32 tagged = page_that_travels(LINK_TAGGED, mtu);

		rig_end(&rig);
		assert_true(tagged >= (whole ? 3 : 9));
		assert_int_equal(page_that_travels(LINK_HIDDEN, mtu), 0);
		rig_end(&rig);
	}
}

// Zeros, again and again: two frames with 64 bytes in common would show the stream.
static void
no_two_frames_are_alike(void **state)
{
	u32 compared = 0;

	(void)state;
	connected_pair(LINK_HIDDEN, 1500);
	rig.capture = true;
	memset(far(0), 0, PAGE);
	for (u32 i = 0; i < 20; i++)
		read_page(PAGE);
	for (u32 i = 0; i < rig.captured_count; i++) {
		const struct rig_frame *f = &rig.captured[i];

		for (u32 j = 0; j < i && f->len > 1000; j++) {
			const u8 *some = f->bytes + f->len - 200;

			assert_null(memmem(rig.captured[j].bytes, rig.captured[j].len,
					   some, 64));
			compared++;
		}
	}
	assert_true(compared > 100);
	rig_end(&rig);
}

static void
all_arrives_under_faults(void **state)
{
	struct rcap_submit s;
	u64 sum = 0;

	(void)state;
	connected_pair(LINK_HIDDEN, 1500);
	rig.loss = 100;
	rig.repeat = 50;
	rig.delay = 100;
	rig.corrupt = 10;
	for (u32 i = 0; i < 300; i++) {
		fill(near(PAGE), PAGE);
		s = rig_submit(&rig, 1, place, OP_WRITE, 0, PAGE, PAGE);
		do_expect(&s, RCAP_DONE, CODE_NONE);
		assert_memory_equal(far(0), near(PAGE), PAGE);
		read_page(2 * PAGE);
		s = rig_submit(&rig, 1, place, OP_FETCH_ADD, PAGE, 8, 0);
		s.addend = i;
		do_expect(&s, RCAP_DONE, CODE_NONE);
		sum += i;
	}
	assert_int_equal(get64(far(PAGE)), sum);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(counters(i)->sessions, 1);
		assert_true(counters(i)->rekeys >= 900 >> BITS);
	}
	rig_end(&rig);
}

// Every byte of a request's payload, one bit of it.
static void
what_was_altered_is_dropped(void **state)
{
	struct rcap_submit s;
	u64 before;
	u32 tried = 0;

	(void)state;
	connected_pair(LINK_HIDDEN, 1500);
	rig.capture = true;
	memset(near(PAGE), 7, 64);
	s = rig_submit(&rig, 1, place, OP_WRITE, 0, 64, PAGE);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig.capture = false;
	memset(far(0), 0, 64);
	before = counters(0)->dropped[LINK_DROP_TAG];
	for (u32 i = 0; i < rig.captured_count; i++) {
		struct rig_frame *f = &rig.captured[i];

		if (f->to != 0 || f->bytes[WIRE_ETHERNET + 1] != WIRE_REQUEST)
			continue;
		for (u32 at = f->len - WIRE_TAG - 64; at < f->len - WIRE_TAG; at++) {
			f->bytes[at] ^= 1;
			rig_deliver(&rig, 0, f->bytes, f->len);
			rig_run(&rig, NS_PER_US);
			f->bytes[at] ^= 1;
			tried++;
		}
	}
	assert_true(tried >= 64);
	assert_int_equal(counters(0)->dropped[LINK_DROP_TAG] - before, tried);
	assert_int_equal(get64(far(0)), 0);
	rig_end(&rig);
}

// What a request's payload says is looked at when it can be read: two pieces of more
// bytes than are asked for, sealed by a peer that has a session.
static void
shapes_are_checked_when_shown(void **state)
{
	struct wire_piece piece = { .offset = 0, .length = 100 };
	struct wire_request body = {
		.op = OP_READV, .environment = ENV, .length = 16, .pieces = 2,
	};
	u8 frame[WIRE_FRAME_MAX], payload[2 * WIRE_LENGTH(piece)];
	struct rcap_submit s;
	u32 len;

	(void)state;
	connected_pair(LINK_HIDDEN, 1500);
	s = rig_submit(&rig, 1, place, OP_READ, 0, 8, PAGE);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	for (u32 i = 0; i < 2; i++)
		wire_piece_store(payload + i * WIRE_LENGTH(piece), &piece);
	len = links_request(rig.node[1].links, rig.now, 0, frame, &body, payload,
			    sizeof(payload));
	assert_true(len > 0);
	rig_deliver(&rig, 0, frame, len);
	rig_run(&rig, NS_PER_MS);
	assert_int_equal(counters(0)->dropped[LINK_DROP_SHAPE], 1);
	assert_int_equal(counters(0)->dropped[LINK_DROP_TAG], 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(counters(0)->sessions, 1);
	rig_end(&rig);
}

// Not even the greetings of nodes with another cover are heard.
static void
covers_do_not_mix(void **state)
{
	(void)state;
	for (u8 first = 0; first < LINK_COVERS; first++) {
		for (u8 second = 0; second < LINK_COVERS; second++) {
			boot_pair(first, second, 1500);
			rig_run(&rig, 3 * NS_PER_SECOND);
			for (u32 i = 0; i < 2; i++) {
				assert_int_equal(counters(i)->sessions,
						 first == second);
				assert_int_equal(counters(i)->dropped[LINK_DROP_TAG] > 0,
						 first != second);
			}
			rig_end(&rig);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_shows),
		cmocka_unit_test(no_two_frames_are_alike),
		cmocka_unit_test(all_arrives_under_faults),
		cmocka_unit_test(what_was_altered_is_dropped),
		cmocka_unit_test(shapes_are_checked_when_shown),
		cmocka_unit_test(covers_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
