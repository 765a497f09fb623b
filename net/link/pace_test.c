// SPDX-License-Identifier: BSD-2-Clause
// Who goes first, and how many: requests before there is a grant, small ones past
// long ones, peers that share landing places, lanes with windows of their own, the
// window that delay steers; and what a peer takes of the kernel's memory.
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
#include "net/rcap/state.h"
#include "net/rcap/test_pair.h"

#define PAGE 4096u
#define WAY_NS (30 * NS_PER_US)		// of the rig, at most, with its spread

static u32
submit(u32 node, u32 where, u8 op, u32 length, u32 environment, u64 tag)
{
	struct rcap_submit s = rig_submit(&rig, node, where, op, 0, length, 0);
	u32 record;

	s.environment = environment;
	s.tag = tag;
	record = rcap_submit(rig.node[node].rcap, rig.now, &s);
	rcap_flush(rig.node[node].rcap, rig.now);
	return record;
}

static struct link_info
info_of(u32 node, u32 other)
{
	struct link_info info;

	assert_true(links_info(rig.node[node].links, rig_peer(&rig, node, other), &info));
	return info;
}

// How many completions come before the one with that tag.
static u32
before_tag(u32 node, u64 tag)
{
	u32 i = 0;

	while (rig.node[node].completion[i].tag != tag)
		assert_true(++i < rig.node[node].completions);
	return i;
}

static void
peers_are_small(void **state)
{
	u64 idle = sizeof(struct link_peer) + 3 * sizeof(u16) + sizeof(struct rcap_lanes);
	u64 active = idle + sizeof(struct link_asker) + sizeof(struct link_answerer);

	(void)state;
	print_message("an idle peer takes %lu bytes, an active one %lu\n", idle, active);
	assert_in_range(idle, 1, 256);
	assert_in_range(active, 1, 4096);
}

static void
an_idle_peer_is_asked_at_once(void **state)
{
	u32 place = pair(1500), done;

	(void)state;
	rig_run(&rig, 3 * NS_PER_SECOND);
	assert_int_equal(info_of(1, 0).credit, 0);
	done = rig.node[1].completions;
	assert_true(submit(1, place, OP_READ, PAGE, ENV, 1) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, done + 1, 2 * WAY_NS));
	rig_end(&rig);
}

// Of several, one; what is heavy waits for its grant.
static void
without_a_grant_one_light_request_goes(void **state)
{
	u32 place = pair(1500);

	(void)state;
	rig_run(&rig, 3 * NS_PER_SECOND);
	for (u32 i = 0; i < 5; i++)
		assert_true(submit(1, place, OP_READ, 8, ENV, i) != RCAP_NONE);
	assert_int_equal(info_of(1, 0).open, 1);
	assert_true(rig_wait(&rig, 1, 5, NS_PER_SECOND));
	rig_run(&rig, 3 * NS_PER_SECOND);
	assert_true(submit(1, place, OP_WRITE, PAGE, ENV, 9) != RCAP_NONE);
	assert_int_equal(info_of(1, 0).open, 0);
	assert_true(rig_wait(&rig, 1, 6, NS_PER_SECOND));
	assert_int_equal(links_counters(rig.node[0].links)->dropped[LINK_DROP_CREDIT], 0);
	rig_end(&rig);
}

static void
small_ones_go_past_long_ones(void **state)
{
	u32 place = pair(1500);

	(void)state;
	for (u32 i = 0; i < 60; i++)
		assert_true(submit(1, place, OP_READ, PAGE, ENV, i) != RCAP_NONE);
	assert_true(submit(1, place, OP_READ, 8, ENV, 100) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, 61, NS_PER_SECOND));
	assert_in_range(before_tag(1, 100), 0, 20);
	rig_end(&rig);
}

// But for ever they do not.
static void
long_ones_are_passed_so_often_only(void **state)
{
	u32 place = pair(1500), last = 0;

	(void)state;
	rig.spread_ns = 1;
	for (u32 i = 0; i < 40; i++)
		assert_true(submit(1, place, OP_READ, PAGE, ENV, i) != RCAP_NONE);
	for (u32 i = 0; i < 80; i++)
		assert_true(submit(1, place, OP_READ, 8, ENV, 100 + i) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, 120, NS_PER_SECOND));
	for (u32 i = 0; i < 80; i++)
		last = MAX(last, before_tag(1, 100 + i));
	print_message("the last small one came as number %u\n", last);
	assert_in_range(last, 80 + 80 / OVERTAKEN_MAX, 119);
	rig_end(&rig);
}

// Node 1 reads of nodes 0 and 2; both owners' answers take its landing places.
static void
peers_share_landing_places(void **state)
{
	u32 of[2], mine[2] = { 0, 0 };

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig.landing_pool = 12;
	rig_crash(&rig, 1);
	rig_boot(&rig, 1);
	rig_connect(&rig);
	of[0] = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	of[1] = rig_export(&rig, 2, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	for (u32 i = 0; i < 50; i++)
		assert_true(submit(1, of[0], OP_READ, PAGE, ENV, 0) != RCAP_NONE);
	for (u32 i = 0; i < 50; i++)
		assert_true(submit(1, of[1], OP_READ, PAGE, ENV, 1) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, 60, NS_PER_SECOND));
	for (u32 i = 0; i < 60; i++)
		mine[rig.node[1].completion[i].tag]++;
	assert_in_range(mine[1], 20, 40);
	assert_true(rig_wait(&rig, 1, 100, NS_PER_SECOND));
	rig_end(&rig);
}

// An owner that takes all requests and answers none leaves places for others' answers.
static void
who_answers_nothing_leaves_landing_places(void **state)
{
	u32 of[2];

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	of[0] = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	of[1] = rig_export(&rig, 2, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	rig.node[0].starved = true;
	for (u32 i = 0; i < 40; i++)
		assert_true(submit(1, of[0], OP_READ, PAGE, ENV, 0) != RCAP_NONE);
	rig_run(&rig, NS_PER_SECOND);
	assert_int_equal(rig.node[1].completions, 0);
	for (u32 i = 0; i < 40; i++)
		assert_true(submit(1, of[1], OP_READ, PAGE, ENV, 1) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, 40, NS_PER_SECOND));
	rig.node[0].starved = false;
	assert_true(rig_wait(&rig, 1, 80, NS_PER_SECOND));
	rig_end(&rig);
}

static void
submit_window(u32 place, u32 environment, u8 window, u32 count)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, PAGE, 0);

	s.environment = environment;
	s.window = window;
	for (u32 i = 0; i < count; i++)
		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
}

// Each page read counts one frame and three of its answer.
static void
a_lane_keeps_to_its_window(void **state)
{
	u32 place = pair(1500);

	(void)state;
	submit_window(place, ENV, 8, 20);
	rig_wait(&rig, 1, 1, NS_PER_SECOND);		// by now there is credit
	assert_int_equal(info_of(1, 0).open, 2);
	assert_true(rig_wait(&rig, 1, 20, NS_PER_SECOND));
	rig_end(&rig);
}

static void
a_lane_has_no_more_than_its_share(void **state)
{
	u32 place = pair(1500), share;

	(void)state;
	submit_window(place, ENV, 255, 40);
	submit_window(place, ENV + 1, 255, 40);
	rig_wait(&rig, 1, 2, NS_PER_SECOND);
	share = MIN(info_of(1, 0).credit + 64u, info_of(1, 0).window) / 2;
	for (u32 lane = 0; lane < LINK_LANES; lane++) {
		const struct link_peer *peer =
			&rig.node[1].links->peer[rig_peer(&rig, 1, 0)];

		assert_in_range(rig.node[1].links->asker[peer->asker].lane_flight[lane],
				0, share);
	}
	assert_true(rig_wait(&rig, 1, 80, NS_PER_SECOND));
	rig_end(&rig);
}

// Where the path takes whole pages, they go in parts while small ones come among them.
static void
pages_are_sliced_among_small_ones(void **state)
{
	u32 place = warm_pair(9000);
	const struct links *links = rig.node[1].links;
	u32 before = rig.node[1].completions;

	(void)state;
	submit_window(place, ENV, 0, 1);
	assert_int_equal(links->landing, 1);
	assert_true(submit(1, place, OP_READ, 8, ENV + 1, 0) != RCAP_NONE);
	submit_window(place, ENV, 0, 1);
	assert_int_equal(links->landing, 1 + 1 + 3);
	assert_true(rig_wait(&rig, 1, before + 3, NS_PER_SECOND));
	for (u32 i = 0; i <= SLICES; i++)
		submit_window(place, ENV, 0, 1);
	assert_true(rig_wait(&rig, 1, before + 3 + SLICES, NS_PER_SECOND));
	submit_window(place, ENV, 0, 1);
	assert_int_equal(links->landing, 1 + 1);
	rig_end(&rig);
}

// The way becomes forty times as long for all: a queue, as far as can be told. As it
// stays so with next to nothing under way, it is the way.
static void
delay_narrows_the_window(void **state)
{
	u32 place = pair(1500), wide;

	(void)state;
	submit_window(place, ENV, 0, 100);
	assert_true(rig_wait(&rig, 1, 60, NS_PER_SECOND));
	wide = info_of(1, 0).window;
	assert_in_range(wide, 16, 256);
	assert_true(rig_wait(&rig, 1, 100, NS_PER_SECOND));
	rig.way_ns *= 40;
	submit_window(place, ENV, 0, 100);
	assert_true(rig_wait(&rig, 1, 160, NS_PER_SECOND));
	assert_in_range(info_of(1, 0).window, 4, wide / 2);
	assert_true(rig_wait(&rig, 1, 200, NS_PER_SECOND));
	assert_true(links_counters(rig.node[1].links)->slowed > 0);
	submit_window(place, ENV, 0, 100);
	assert_true(rig_wait(&rig, 1, 300, NS_PER_SECOND));
	submit_window(place, ENV, 0, 100);
	assert_true(rig_wait(&rig, 1, 360, NS_PER_SECOND));
	assert_in_range(info_of(1, 0).window, wide, 256);
	assert_true(rig_wait(&rig, 1, 400, NS_PER_SECOND));
	rig_end(&rig);
}

// Numbers wrap around, and rounds end by them: a window that begins when they have gone
// half the way grows like any other.
static void
rounds_end_whatever_the_number(void **state)
{
	static const u32 first[] = { 1, 0x7fffffe0, 0x80000001, 0xffffffe0 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(first); i++) {
		struct link_peer *peer;
		u32 place;

		rig_start(&rig, 2, test_seed(), 1500, 64);
		rig.landing_pool = 250;
		rig_crash(&rig, 1);
		rig_boot(&rig, 1);
		rig_connect(&rig);
		place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
		peer = &rig.node[1].links->peer[rig_peer(&rig, 1, 0)];
		assert_int_equal(peer->asker, LINK_NONE);
		peer->next = peer->done = first[i];
		rig.node[0].links->peer[rig_peer(&rig, 0, 1)].their_done = first[i];
		submit_window(place, ENV, 0, 120);
		assert_true(rig_wait(&rig, 1, 100, NS_PER_SECOND));
		assert_in_range(info_of(1, 0).window, 129, 256);
		assert_true(rig_wait(&rig, 1, 120, NS_PER_SECOND));
		rig_end(&rig);
	}
}

static void
loss_alone_does_not(void **state)
{
	u32 place = pair(1500);

	(void)state;
	rig.loss = 100;
	submit_window(place, ENV, 0, 100);
	assert_true(rig_wait(&rig, 1, 60, NS_PER_SECOND));
	assert_in_range(info_of(1, 0).window, 16, 256);
	assert_true(rig_wait(&rig, 1, 100, NS_PER_SECOND));
	rig_end(&rig);
}

// What was open when a session lapsed ends when the next one begins, if that is soon: how
// long that was is no round trip of the new one.
static void
a_new_session_measures_anew(void **state)
{
	u32 place = warm_pair(1500), over = 0;
	const struct link_peer *peer = &rig.node[1].links->peer[rig_peer(&rig, 1, 0)];

	(void)state;
	for (u32 phase = 0; phase < 100; phase++) {
		u32 before = rig.node[1].completions;

		rig_run(&rig, phase * 13 * NS_PER_MS);
		rig.cut[0][1] = rig.cut[1][0] = true;
		rig_run(&rig, NS_PER_MS);
		rig_run(&rig, lease_end(peer) - rig.now - 2 * NS_PER_MS);
		assert_true(submit(1, place, OP_READ, 8, ENV, 0) != RCAP_NONE);
		rig_run(&rig, 3 * NS_PER_MS);
		assert_int_equal(peer->state, LINK_STATE_LAPSED);
		rig.cut[0][1] = rig.cut[1][0] = false;
		while (peer->state == LINK_STATE_LAPSED)
			rig_run(&rig, NS_PER_MS / 10);
		over += peer->state == LINK_STATE_UP;
		assert_int_equal(rig.node[1].completions, before + 1);
		rig_connect(&rig);
		assert_in_range(peer->rtt_us, 0, 1000);
		assert_in_range(peer->base_us + peer->quick_us, 0, 1000);
	}
	assert_true(over > 0);
	rig_end(&rig);
}

// A timer that runs out because the answer is late shortens no timers; one whose request
// was lost does.
static void
late_is_not_lost(void **state)
{
	u32 place = warm_pair(1500), done;
	const struct link_peer *peer = &rig.node[1].links->peer[rig_peer(&rig, 1, 0)];
	const struct links_counters *counters = links_counters(rig.node[1].links);

	(void)state;
	rig.delay_ns = 2 * LINK_RTO_CALM_NS - NS_PER_MS;
	for (u32 round = 0; round < 20; round++) {
		done = rig.node[1].completions;
		assert_true(submit(1, place, OP_READ, 8, ENV, 0) != RCAP_NONE);
		rig.delay = 1000;
		rig.cut[1][0] = true;
		assert_true(rig_wait(&rig, 1, done + 1, 2 * LINK_RTO_CALM_NS));
		rig.delay = 0;
		rig.cut[1][0] = false;
		assert_int_equal(peer->lossy, 0);
	}
	assert_in_range(counters->timeouts, 1, 20);
	done = rig.node[1].completions;
	rig.cut[1][0] = true;
	assert_true(submit(1, place, OP_READ, 8, ENV, 0) != RCAP_NONE);
	rig.cut[1][0] = false;
	assert_true(rig_wait(&rig, 1, done + 1, NS_PER_SECOND));
	assert_true(peer->lossy > 0);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_small),
		cmocka_unit_test(an_idle_peer_is_asked_at_once),
		cmocka_unit_test(without_a_grant_one_light_request_goes),
		cmocka_unit_test(small_ones_go_past_long_ones),
		cmocka_unit_test(long_ones_are_passed_so_often_only),
		cmocka_unit_test(peers_share_landing_places),
		cmocka_unit_test(who_answers_nothing_leaves_landing_places),
		cmocka_unit_test(a_lane_keeps_to_its_window),
		cmocka_unit_test(a_lane_has_no_more_than_its_share),
		cmocka_unit_test(pages_are_sliced_among_small_ones),
		cmocka_unit_test(delay_narrows_the_window),
		cmocka_unit_test(rounds_end_whatever_the_number),
		cmocka_unit_test(loss_alone_does_not),
		cmocka_unit_test(a_new_session_measures_anew),
		cmocka_unit_test(late_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
