// SPDX-License-Identifier: BSD-2-Clause
// Links under attack and under load: every bit of captured frames flipped, every
// frame that was ever sent sent again (in its session, after it, after a reboot),
// strangers, grants that never exceed the pool, leases, eviction from the table.
// What a frame may not do is seen by the hash of the whole state.
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

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/link/crypto.h"
#include "net/rcap/test_rig.h"

#define ENV 7u
#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)

static struct rig rig;

static u64
test_seed(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : 1;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static u64
dropped(u32 node, enum link_drop reason)
{
	return links_counters(rig.node[node].links)->dropped[reason];
}

static u64
dropped_all(u32 node)
{
	u64 sum = 0;

	for (u32 i = 0; i < LINK_DROP_COUNT; i++)
		sum += dropped(node, (enum link_drop)i);
	return sum;
}

// Two nodes, a session, one capability, and what was sent for `count` additions.
static u32
captured_pair(u32 count)
{
	struct rcap_submit s;
	u32 place;

	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig.capture = true;
	rig.captured_max = 400;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	assert_non_null(rig.captured);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	s.addend = 1;
	for (u32 i = 0; i < count; i++)
		assert_int_equal(rig_do(&rig, 1, &s).outcome, RCAP_DONE);
	return place;
}

static u64
word(void)
{
	u64 value;

	memcpy(&value, rig.node[0].memory + 8 * 4096, 8);
	return value;
}

// The hash of a node's state but for the counters, which refused frames change.
static u64
state_hash(u32 node)
{
	struct links_counters *counters =
		(struct links_counters *)(uintptr_t)links_counters(
			rig.node[node].links);
	struct links_counters kept = *counters;
	u64 hash;

	memset(counters, 0, sizeof(*counters));
	hash = rcap_hash(rig.node[node].rcap);
	*counters = kept;
	return hash;
}

// Gives a frame to a node's core and to nothing else.
static void
inject(u32 node, const u8 *bytes, u32 len)
{
	u8 *exact = malloc(len ? len : 1);

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	rcap_input(rig.node[node].rcap, rig.now, exact, len);
	free(exact);
}

// ---- flips and cuts

static void
flip_every_bit(const struct rig_frame *frame)
{
	u32 node = frame->to == RIG_NODES ? 0 : frame->to;
	u64 before = state_hash(node), count = dropped_all(node);
	static u8 copy[WIRE_FRAME_MAX];

	memcpy(copy, frame->bytes, frame->len);
	for (u32 bit = 12 * 8; bit < frame->len * 8; bit++) {
		copy[bit / 8] ^= (u8)(1u << bit % 8);
		inject(node, copy, frame->len);
		copy[bit / 8] ^= (u8)(1u << bit % 8);
		assert_int_equal(state_hash(node), before);
		assert_int_equal(dropped_all(node), ++count);
	}
	for (u32 len = 0; len < frame->len; len++) {
		inject(node, copy, len);
		assert_int_equal(state_hash(node), before);
		assert_int_equal(dropped_all(node), ++count);
	}
}

// Frames that did not arrive, so that but for the flip they would have an effect.
static void
a_flipped_bit_makes_a_frame_nothing(void **state)
{
	u32 place = captured_pair(1), from, kinds = 0;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_WRITE, 0, 2000, 0);
	u64 before;

	(void)state;
	from = rig.captured_count;
	rig.cut[0][1] = rig.cut[1][0] = true;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, 800 * NS_PER_MS);
	rig.capture = false;
	for (u32 i = from; i < rig.captured_count; i++) {
		const struct rig_frame *frame = &rig.captured[i];
		u32 kind = frame->bytes[WIRE_ETHERNET + 1];

		if (frame->to == 1 || kinds >> kind & 1)
			continue;
		kinds |= 1u << kind;
		flip_every_bit(frame);
		before = state_hash(0);
		inject(0, frame->bytes, frame->len);
		assert_int_not_equal(state_hash(0), before);
	}
	assert_true(kinds & 1u << WIRE_REQUEST);
	assert_true(dropped(0, LINK_DROP_TAG) > 1000);
	rig_end(&rig);
}

// The answer to a request, a HELLO and a BEACON, flipped before they arrive.
static void
flipped_answers_and_greetings_are_nothing(void **state)
{
	u32 kinds = 0;
	static struct rig_frame frames[8];
	u32 count = 0;

	(void)state;
	captured_pair(2);
	for (u32 i = 0; i < rig.captured_count; i++) {
		u32 kind = rig.captured[i].bytes[WIRE_ETHERNET + 1];

		if (kinds >> kind & 1 || kind == WIRE_REQUEST)
			continue;
		kinds |= 1u << kind;
		frames[count++] = rig.captured[i];
	}
	assert_int_equal(kinds, 1u << WIRE_BEACON | 1u << WIRE_HELLO |
				 1u << WIRE_IDLE | 1u << WIRE_RESPONSE);
	for (u32 i = 0; i < count; i++)
		flip_every_bit(&frames[i]);
	rig_end(&rig);
}

// ---- replays

// Every frame of the whole history, to whom it was for. BEACONs and HELLOs of
// lives that are over may begin handshakes; nothing else comes of anything.
static void
replay_everything(void)
{
	u32 count = rig.captured_count;

	for (u32 i = 0; i < count; i++) {
		const struct rig_frame *frame = &rig.captured[i];

		for (u32 node = 0; node < rig.nodes; node++) {
			if (frame->to == node || frame->to == RIG_NODES)
				rig_deliver(&rig, node, frame->bytes, frame->len);
		}
	}
}

static void
replays_have_no_effect(void **state)
{
	u32 place = captured_pair(20), session;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);

	(void)state;
	rig.capture = false;
	session = links_session(rig.node[0].links, 0);
	assert_int_equal(word(), 20);
	replay_everything();			// in the session
	assert_int_equal(word(), 20);
	assert_true(dropped(0, LINK_DROP_SEQUENCE) >= 20);
	assert_int_equal(links_session(rig.node[0].links, 0), session);

	rig.cut[0][1] = rig.cut[1][0] = true;	// a session of the same lives ends
	rig_run(&rig, 3 * NS_PER_SECOND);
	replay_everything();			// between sessions
	assert_int_equal(word(), 20);
	assert_int_equal(links_session(rig.node[0].links, 0), 0);
	rig.cut[0][1] = rig.cut[1][0] = false;
	rig_connect(&rig);
	replay_everything();			// in the next one
	assert_int_equal(word(), 20);
	s.addend = 1;
	assert_int_equal(rig_do(&rig, 1, &s).outcome, RCAP_DONE);
	assert_int_equal(word(), 21);

	rig_crash(&rig, 0);			// after a reboot
	rig_boot(&rig, 0);
	replay_everything();
	rig_connect(&rig);
	replay_everything();
	assert_int_equal(word(), 21);
	assert_true(dropped(0, LINK_DROP_INCARNATION) >= 20);
	rig_end(&rig);
}

// A replayed HELLO of the same lives, while the session stands, does not end it.
static void
a_session_outlives_replayed_greetings(void **state)
{
	u32 session;

	(void)state;
	captured_pair(2);
	rig.capture = false;
	session = links_session(rig.node[1].links, 0);
	for (u32 i = 0; i < 20; i++) {
		replay_everything();
		rig_run(&rig, NS_PER_SECOND / 5);
	}
	assert_int_equal(links_session(rig.node[1].links, 0), session);
	assert_int_equal(links_counters(rig.node[0].links)->sessions, 1);
	rig_end(&rig);
}

// ---- who may speak

// The first beacon of a node of its own; with a zero public key when told so.
static u32
beacon_of(u8 life, const char *cluster, bool senseless, u8 frame[WIRE_FRAME_MAX])
{
	struct links_config config = {
		.incarnation = life, .mtu = 1500, .uuid = { life },
		.secret_key = { life }, .peers_max = 1, .windows_max = 1,
		.handshakes_max = 1, .key_agreements_max = 1, .grant_pool = 8,
		.landing_pool = 8
	};
	u64 size = links_memory_needed(&config);
	void *memory = aligned_alloc(4096, ALIGN_UP(size, 4096ull));
	struct links *links;
	u32 len;

	assert_non_null(memory);
	memset(memory, 0, ALIGN_UP(size, 4096ull));
	memcpy(config.cluster_key, cluster, strlen(cluster));
	links = links_init(memory, size, &config, rig.now);
	assert_non_null(links);
	if (senseless)		// it stands behind the configuration
		memset((u8 *)memory + sizeof(config), 0, 32);
	len = links_output(links, rig.now, frame);
	free(memory);
	return len;
}

static void
another_cluster_is_not_heard(void **state)
{
	static u8 frame[WIRE_FRAME_MAX];

	(void)state;
	captured_pair(1);
	inject(0, frame, beacon_of(50, "another key", false, frame));
	assert_int_equal(dropped(0, LINK_DROP_TAG), 1);
	assert_int_equal(links_counters(rig.node[0].links)->key_agreements, 1);
	inject(0, frame, beacon_of(50, "a key of all tests", false, frame));
	assert_int_equal(links_counters(rig.node[0].links)->key_agreements, 2);
	rig_end(&rig);
}

// A node that was booted for measuring without tags, and one as it should be: not
// even their greetings are heard. Two such nodes work together as others do.
static void
without_tags_is_another_world(void **state)
{
	struct rcap_submit s;
	u32 place;

	(void)state;
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig.cover[1] = LINK_BARE;
	rig_crash(&rig, 1);
	rig_boot(&rig, 1);
	rig_run(&rig, 5 * NS_PER_SECOND);
	assert_int_equal(links_counters(rig.node[0].links)->sessions, 0);
	assert_int_equal(links_counters(rig.node[1].links)->sessions, 0);
	assert_true(dropped(0, LINK_DROP_TAG) > 0);
	assert_true(dropped(1, LINK_DROP_TAG) > 0);
	rig.cover[0] = LINK_BARE;
	rig_crash(&rig, 0);
	rig_boot(&rig, 0);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	assert_true(rig_wait(&rig, 1, 1, NS_PER_SECOND));
	assert_int_equal(rig.node[1].completion[0].outcome, RCAP_DONE);
	rig_end(&rig);
}

static void
senseless_keys_are_refused(void **state)
{
	static u8 frame[WIRE_FRAME_MAX];

	(void)state;
	captured_pair(1);
	inject(0, frame, beacon_of(50, "a key of all tests", true, frame));
	assert_int_equal(dropped(0, LINK_DROP_PROOF), 1);
	rig_end(&rig);
}

// The costly part of a greeting is rationed.
static void
key_agreements_are_rationed(void **state)
{
	static u8 frame[WIRE_FRAME_MAX];

	(void)state;
	captured_pair(1);
	rig_run(&rig, 2 * NS_PER_SECOND);
	for (u32 i = 0; i < 60; i++) {
		rig.now += LINK_IDLE_NS / 40;
		inject(0, frame, beacon_of((u8)(50 + i % 4), "a key of all tests",
					   i % 8 >= 4, frame));
	}
	assert_true(links_counters(rig.node[0].links)->key_agreements <= 1 + 32);
	assert_true(dropped(0, LINK_DROP_BUDGET) > 0);
	rig_end(&rig);
}

// ---- credits

// What the requesters together may send to node 0, or have sent, is within its
// pool, whatever of its grants has reached them.
static void
expect_credit_within(u32 pool)
{
	u32 sum = 0;

	for (u32 i = 1; i < rig.nodes; i++) {
		struct link_info info;

		assert_true(links_info(rig.node[i].links, rig_peer(&rig, i, 0),
				       &info));
		sum += MAX(info.credit, info.open_frames);
	}
	assert_in_range(sum, 0, pool);
}

// Three requesters, a small pool: everything is done, and the pool is never
// exceeded.
static void
a_small_pool_serves_everybody(void **state)
{
	u32 place[RIG_NODES], sent[RIG_NODES] = { 0 };

	(void)state;
	rig_start(&rig, 4, test_seed(), 1500, 12);
	rig.loss = 20;
	rig.delay = 1000;		// so that old grants live for a while
	rig.delay_ns = 50 * NS_PER_MS;
	rig_connect(&rig);
	for (u32 i = 1; i < 4; i++)
		place[i] = rig_export(&rig, 0, i, ENV, TYPE_FRAMES, RW, 8, 4);
	for (u32 round = 0; round < 4000; round++) {
		bool all = true;

		for (u32 i = 1; i < 4; i++) {
			struct rig_node *n = &rig.node[i];
			struct rcap_submit s = rig_submit(&rig, i, place[i],
							  OP_WRITE, i * 4096,
							  4096, 0);

			while (sent[i] < 200 && sent[i] - n->completions < 20) {
				assert_true(rcap_submit(n->rcap, rig.now, &s) !=
					    RCAP_NONE);
				sent[i]++;
			}
			all = all && n->completions == 200;
		}
		if (all)
			break;
		for (u32 i = 0; i < 10; i++) {
			rig_run(&rig, NS_PER_MS / 2);
			expect_credit_within(12);
		}
	}
	for (u32 i = 1; i < 4; i++) {
		assert_int_equal(rig.node[i].completions, 200);
		for (u32 c = 0; c < 200; c++)
			assert_int_equal(rig.node[i].completion[c].outcome,
					 RCAP_DONE);
	}
	rig_end(&rig);
}

static void
the_idle_are_granted_nothing(void **state)
{
	struct link_info info;
	struct rcap_submit s;
	u32 place = captured_pair(1);

	(void)state;
	rig.capture = false;
	assert_true(links_info(rig.node[0].links, 0, &info));
	assert_true(info.grant > 0);
	rig_run(&rig, NS_PER_SECOND);
	assert_true(links_info(rig.node[0].links, 0, &info));
	assert_int_equal(info.grant, 0);
	assert_true(links_info(rig.node[1].links, 0, &info));
	assert_int_equal(info.credit, 0);
	s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);
	assert_int_equal(rig_do(&rig, 1, &s).outcome, RCAP_DONE);
	rig_end(&rig);
}

// ---- leases and tables

static void
a_quiet_link_stays_up(void **state)
{
	(void)state;
	captured_pair(1);
	rig.capture = false;
	rig_run(&rig, 30 * NS_PER_SECOND);
	assert_int_equal(links_counters(rig.node[0].links)->lapses, 0);
	assert_int_equal(links_counters(rig.node[1].links)->sessions, 1);
	// An IDLE each quarter of a lease and a beacon a second, no more.
	assert_in_range(links_counters(rig.node[1].links)->sent, 100, 200);
	rig_end(&rig);
}

// A fifth of all frames is lost, each way, and nothing but IDLE frames is said: the
// session stands.
static void
loss_alone_does_not_end_a_session(void **state)
{
	(void)state;
	captured_pair(1);
	rig.capture = false;
	rig.loss = 200;
	rig_run(&rig, 600 * NS_PER_SECOND);
	assert_int_equal(links_counters(rig.node[0].links)->lapses, 0);
	assert_int_equal(links_counters(rig.node[1].links)->lapses, 0);
	rig_end(&rig);
}

// Clocks count microseconds in 32 bits: a session lives across their wrap, and
// numbers and echoes with it.
static void
clocks_wrap(void **state)
{
	u32 place = captured_pair(1);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 0, 8, 0);

	(void)state;
	rig.capture = false;
	s.addend = 1;
	while (rig.now < (1ull << 32) * NS_PER_US + NS_PER_SECOND) {
		rig_run(&rig, 60 * NS_PER_SECOND);
		assert_int_equal(rig_do(&rig, 1, &s).outcome, RCAP_DONE);
	}
	assert_int_equal(links_counters(rig.node[0].links)->lapses, 0);
	rig_end(&rig);
}

// Eight places for peers, and forty lives of nodes that come and go.
static void
the_table_makes_room_for_who_is_alive(void **state)
{
	static u8 frame[WIRE_FRAME_MAX];
	u8 uuid[16] = { 139 };

	(void)state;
	captured_pair(1);
	rig.capture = false;
	for (u32 i = 0; i < 40; i++) {
		u32 len = beacon_of((u8)(100 + i), "a key of all tests", false,
				    frame);

		rig_deliver(&rig, 0, frame, len);
		rig_run(&rig, NS_PER_SECOND);
	}
	assert_int_equal(dropped(0, LINK_DROP_PEERS), 0);
	assert_true(links_session(rig.node[0].links, rig_peer(&rig, 0, 1)));
	assert_int_not_equal(links_find(rig.node[0].links, uuid), LINK_NONE);
	rig_end(&rig);
}

static void
configurations_are_checked(void **state)
{
	static _Alignas(64) u8 memory[64 * 1024];
	struct links_config good = {
		.incarnation = 5, .mtu = 1500, .peers_max = 2, .windows_max = 1,
		.handshakes_max = 1, .key_agreements_max = 1, .grant_pool = 8,
		.landing_pool = 8
	};
	struct links_config bad[6];

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].incarnation = 0;
	bad[1].mtu = 1499;
	bad[2].peers_max = 0;
	bad[3].windows_max = 0;
	bad[4].grant_pool = 2;
	bad[5].mtu = 9001;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(links_init(memory, sizeof(memory), &bad[i], 0));
	assert_null(links_init(memory, links_memory_needed(&good) - 1, &good, 0));
	assert_non_null(links_init(memory, sizeof(memory), &good, 0));
	links_check((struct links *)(void *)memory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flipped_bit_makes_a_frame_nothing),
		cmocka_unit_test(flipped_answers_and_greetings_are_nothing),
		cmocka_unit_test(replays_have_no_effect),
		cmocka_unit_test(a_session_outlives_replayed_greetings),
		cmocka_unit_test(another_cluster_is_not_heard),
		cmocka_unit_test(without_tags_is_another_world),
		cmocka_unit_test(senseless_keys_are_refused),
		cmocka_unit_test(key_agreements_are_rationed),
		cmocka_unit_test(a_small_pool_serves_everybody),
		cmocka_unit_test(the_idle_are_granted_nothing),
		cmocka_unit_test(a_quiet_link_stays_up),
		cmocka_unit_test(loss_alone_does_not_end_a_session),
		cmocka_unit_test(clocks_wrap),
		cmocka_unit_test(the_table_makes_room_for_who_is_alive),
		cmocka_unit_test(configurations_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
