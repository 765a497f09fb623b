// SPDX-License-Identifier: BSD-2-Clause
// What tells that a frame was lost: others that were sent later, without a timer; and a
// timer for what has nobody behind it.
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

#define WAY_NS (200 * NS_PER_US)	// far more than the rig's spread
#define SPREAD_NS (20 * NS_PER_US)
#define MANY 8u

static const struct link_peer *
peer_of_1(void)
{
	return &rig.node[1].links->peer[rig_peer(&rig, 1, 0)];
}

static void
ask_words(u32 place, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 8 * i, 8, 0);

		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
		rig_run(&rig, NS_PER_US);	// frames of one instant have no order
	}
}

static void
ask_and_wait(u32 place, u32 count)
{
	u32 done = rig.node[1].completions;

	ask_words(place, count);
	assert_true(rig_wait(&rig, 1, done + count, NS_PER_SECOND));
}

// A pair on a long way that knows its round trip, and that it loses frames.
static u32
lossy_pair(u64 spread_ns)
{
	u32 place = warm_pair(1500);

	rig.way_ns = WAY_NS;
	rig.spread_ns = spread_ns;
	for (u32 i = 0; i < 32; i++)
		ask_and_wait(place, 2);
	rig.cut[1][0] = true;
	ask_words(place, 1);
	rig.cut[1][0] = false;
	assert_true(rig_wait(&rig, 1, rig.node[1].completions + 1, NS_PER_SECOND));
	assert_true(peer_of_1()->lossy > 0);
	assert_in_range(peer_of_1()->rtt_us, WAY_NS / NS_PER_US, 3 * WAY_NS / NS_PER_US);
	assert_in_range(peer_of_1()->credit, MANY, 64);
	return place;
}

// One is lost of requests that go together: the answers to the others, which come
// together, say so, and it is there one round trip later.
static void
one_is_missed_by_the_others(void **state)
{
	u32 place = lossy_pair(1), done = rig.node[1].completions;
	const struct links_counters *counters = links_counters(rig.node[1].links);
	u64 resends = counters->resends, timeouts = counters->timeouts;

	(void)state;
	rig.cut[1][0] = true;
	ask_words(place, 1);
	rig.cut[1][0] = false;
	ask_words(place, MANY - 1);
	assert_true(rig_wait(&rig, 1, done + MANY, 5 * WAY_NS));
	assert_int_equal(counters->resends, resends + 1);
	assert_int_equal(counters->timeouts, timeouts);
	rig_end(&rig);
}

// The way becomes ten times as long: of many that are open only the last have timers
// that run out, since of the others they would tell.
static void
few_have_timers(void **state)
{
	u32 place = lossy_pair(1), done = rig.node[1].completions;
	const struct links_counters *counters = links_counters(rig.node[1].links);
	u64 timeouts = counters->timeouts, longest = 10 * WAY_NS;

	(void)state;
	rig.way_ns = longest;
	ask_words(place, MANY);
	rig_run(&rig, longest);
	assert_in_range(counters->timeouts - timeouts, 1, 2 * PASSED_MAX);
	assert_true(rig_wait(&rig, 1, done + MANY, NS_PER_SECOND));
	rig_end(&rig);
}

// The last of many has nobody behind it: its timer is short.
static void
the_last_has_a_timer(void **state)
{
	u32 place = lossy_pair(1), done = rig.node[1].completions;
	const struct links_counters *counters = links_counters(rig.node[1].links);
	u64 timeouts = counters->timeouts;

	(void)state;
	ask_words(place, MANY - 1);
	rig.cut[1][0] = true;
	ask_words(place, 1);
	rig.cut[1][0] = false;
	assert_true(rig_wait(&rig, 1, done + MANY, 8 * WAY_NS));
	assert_int_equal(counters->timeouts, timeouts + 1);
	rig_end(&rig);
}

// Frames overtake each other, by more than three: that was taken for a loss once, and then
// never again. What is lost is found all the same.
static void
disorder_is_not_loss(void **state)
{
	u32 place = lossy_pair(SPREAD_NS), done = rig.node[1].completions, learning;
	const struct links_counters *counters = links_counters(rig.node[1].links);
	u64 resends = counters->resends;

	(void)state;
	for (learning = 0; !peer_of_1()->disorderly; learning++) {
		assert_true(learning < 20);
		ask_and_wait(place, MANY);
	}
	assert_in_range(counters->resends - resends, 1, MANY);
	ask_and_wait(place, MANY);	// what was sent again meanwhile
	resends = counters->resends;
	for (u32 i = 0; i < 100; i++)
		ask_and_wait(place, MANY);
	assert_int_equal(counters->resends, resends);
	done = rig.node[1].completions;
	rig.cut[1][0] = true;
	ask_words(place, 1);
	rig.cut[1][0] = false;
	ask_words(place, MANY - 1);
	assert_true(rig_wait(&rig, 1, done + MANY, NS_PER_SECOND));
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_missed_by_the_others),
		cmocka_unit_test(few_have_timers),
		cmocka_unit_test(the_last_has_a_timer),
		cmocka_unit_test(disorder_is_not_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
