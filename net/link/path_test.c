// SPDX-License-Identifier: BSD-2-Clause
// What a path carries: found out at a session's beginning, taken back when timers
// run out, found out again; under loss, one way only, and on a link that is never
// idle. Pages are read and written meanwhile, and every one comes.
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

#include "net/link/state.h"
#include "net/rcap/test_pair.h"

#define NARROW 1514u
#define PAGE 4096u
#define DOUBTS 100u

static bool
whole(u32 node)
{
	return links_whole(rig.node[node].links, rig_peer(&rig, node, 1 - node));
}

// Pages one after the other, so that the link is never idle.
static void
busy(u32 place, u8 op, u32 count)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, op, 0, PAGE, 0);

	for (u32 i = 0; i < count; i++)
		assert_int_equal(rig_do(&rig, 1, &s).outcome, RCAP_DONE);
}

// The path is silent for long enough that timers run out in a row.
static void
stall(u32 place)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, PAGE, 0);
	u32 before = rig.node[1].completions + 1;

	busy(place, OP_READ, 1);	// the idle have no credit
	rig.cut[0][1] = rig.cut[1][0] = true;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	for (u32 i = 0; i < 1000 && whole(1); i++)
		rig_run(&rig, NS_PER_MS);
	assert_false(whole(1));
	rig.cut[0][1] = rig.cut[1][0] = false;
	assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND));
}

static void
a_path_is_tried_again_after_a_stall(void **state)
{
	u32 place = pair(9000);

	(void)state;
	assert_true(whole(0) && whole(1));
	for (u32 i = 0; i < 10; i++) {
		stall(place);
		busy(place, i % 2 ? OP_READ : OP_WRITE, 10);
		assert_true(whole(0) && whole(1));
	}
	rig_end(&rig);
}

static void
loss_does_not_keep_a_path_narrow(void **state)
{
	u32 place = pair(9000), seen = 0;

	(void)state;
	rig.loss = 100;
	for (u32 i = 0; i < 20; i++) {
		stall(place);
		busy(place, OP_READ, 20);
		seen += whole(1);
	}
	// Four probes that are lost leave a path narrow, and more timers may run out.
	assert_in_range(seen, 15, 20);
	rig_end(&rig);
}

// Long frames are lost from `from` to `to`: found out, and not believed again.
static void
narrow_one_way(u32 from, u32 to)
{
	u32 place = pair(9000);

	assert_true(whole(0) && whole(1));
	rig.narrow[from][to] = NARROW;
	busy(place, from ? OP_WRITE : OP_READ, 1);
	rig_run(&rig, NS_PER_SECOND);
	assert_false(whole(1));
	busy(place, OP_READ, 50);
	busy(place, OP_WRITE, 50);
	rig_run(&rig, NS_PER_SECOND);
	assert_false(whole(1));
	rig_end(&rig);
}

static void
a_path_may_narrow_one_way_only(void **state)
{
	(void)state;
	narrow_one_way(0, 1);
	narrow_one_way(1, 0);
}

// A path that never carried a page is not tried for ever.
static void
probes_are_bounded(void **state)
{
	u32 place, probes = 0;

	(void)state;
	rig_start(&rig, 2, test_seed(), 9000, 64);
	rig.narrow[0][1] = rig.narrow[1][0] = NARROW;
	rig.captured_max = 8192;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	assert_non_null(rig.captured);
	rig.capture = true;
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	busy(place, OP_READ, 100);
	rig_run(&rig, 10 * NS_PER_SECOND);
	assert_in_range(rig.captured_count, 500, rig.captured_max - 1);
	for (u32 i = 0; i < rig.captured_count; i++)
		probes += rig.captured[i].len > NARROW;
	assert_int_equal(probes, 2 * 4);
	rig_end(&rig);
}

// Who says by turns that long frames come and that they do not has no more than is his
// own: few words are not answered by long frames without end.
static void
doubts_are_not_answered_without_end(void **state)
{
	struct link_peer *peer;
	u8 frame[WIRE_FRAME_MAX];
	u32 longs = 0;

	(void)state;
	pair(9000);
	assert_true(whole(0) && whole(1));
	peer = &rig.node[1].links->peer[rig_peer(&rig, 1, 0)];
	rig.captured = calloc(DOUBTS, sizeof(*rig.captured));
	rig.captured_max = DOUBTS;
	rig.capture = rig.cut[0][1] = rig.cut[1][0] = true;
	for (u32 i = 0; i < DOUBTS; i++) {
		u32 len;

		peer->carries_here = i % 2 ? 0 : WIRE_WHOLE_MTU;
		peer->probes = PROBES_MAX;
		len = say_idle(rig.node[1].links, rig.now, peer, frame);
		assert_in_range(len, 1, NARROW);
		rig_deliver(&rig, 0, frame, len);
	}
	for (u32 i = 0; i < rig.captured_count; i++)
		longs += rig.captured[i].len > NARROW;
	assert_in_range(longs, 1, 2 * PROBES_MAX);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_tried_again_after_a_stall),
		cmocka_unit_test(loss_does_not_keep_a_path_narrow),
		cmocka_unit_test(a_path_may_narrow_one_way_only),
		cmocka_unit_test(probes_are_bounded),
		cmocka_unit_test(doubts_are_not_answered_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
