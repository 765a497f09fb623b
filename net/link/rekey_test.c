// SPDX-License-Identifier: BSD-2-Clause
// Keys that change while the session goes on: under load, loss and reordering, by
// count and by time; each operation runs once, no session ends, and what was captured
// under an earlier key is worth nothing.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c net/rcap/asked_rig.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c net/sodium/crypto.c
// links: net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "net/rcap/test_pair.h"

#define BITS 8u

static u32 place;

static const struct links_counters *
counters(u32 node)
{
	return links_counters(rig.node[node].links);
}

// Two nodes whose keys change every 2^BITS frames, and a capability.
static void
turning_pair(u8 bits)
{
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig.rekey_bits = bits;
	for (u32 i = 0; i < 2; i++) {
		rig_crash(&rig, i);
		rig_boot(&rig, i);
	}
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
}

static void
add(u32 count)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);

	s.addend = 1;
	for (u32 i = 0; i < count; i++)
		do_expect(&s, RCAP_DONE, CODE_NONE);
}

static void
keys_change_under_load(void **state)
{
	(void)state;
	turning_pair(BITS);
	add(2000);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(counters(i)->sessions, 1);
		assert_in_range(counters(i)->rekeys, 2000 >> BITS, 2100 >> (BITS - 1));
		assert_int_equal(counters(i)->resends, 0);
		assert_int_equal(counters(i)->dropped[LINK_DROP_TAG], 0);
	}
	assert_int_equal(get64(far(0)), 2000);
	rig_end(&rig);
}

static void
keys_change_under_faults(void **state)
{
	(void)state;
	turning_pair(BITS);
	rig.loss = 100;
	rig.repeat = 50;
	rig.delay = 100;
	rig.corrupt = 10;
	add(2000);
	assert_int_equal(get64(far(0)), 2000);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(counters(i)->sessions, 1);
		assert_true(counters(i)->rekeys >= 2000 >> BITS);
	}
	rig_end(&rig);
}

// Every quarter of an hour or so, however little is sent.
static void
keys_change_with_time(void **state)
{
	u64 before;

	(void)state;
	turning_pair(0);
	before = counters(0)->rekeys;
	rig_run(&rig, 1100 * NS_PER_SECOND);
	assert_in_range(counters(0)->rekeys - before, 1, 2);
	assert_int_equal(counters(0)->sessions, 1);
	add(10);
	rig_end(&rig);
}

static void
frames_of_an_earlier_key_are_nothing(void **state)
{
	u64 value;

	(void)state;
	turning_pair(BITS);
	rig.captured_max = 256;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	assert_non_null(rig.captured);
	rig.capture = true;
	add(100);
	rig.capture = false;
	add(600);
	value = get64(far(0));
	for (u32 i = 0; i < rig.captured_count; i++) {
		if (rig.captured[i].to < 2)
			rig_deliver(&rig, rig.captured[i].to, rig.captured[i].bytes,
				    rig.captured[i].len);
	}
	rig_run(&rig, NS_PER_SECOND);
	assert_int_equal(get64(far(0)), value);
	assert_true(counters(0)->dropped[LINK_DROP_TAG] > 90);
	add(10);
	assert_int_equal(counters(0)->sessions, 1);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_change_under_load),
		cmocka_unit_test(keys_change_under_faults),
		cmocka_unit_test(keys_change_with_time),
		cmocka_unit_test(frames_of_an_earlier_key_are_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
