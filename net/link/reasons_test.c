// SPDX-License-Identifier: BSD-2-Clause
// Every reason in drops.def: a frame is made for it, and exactly that reason is counted
// and seen in the trace. A reason that nothing here meets fails the last test. With each
// frame it holds that what came is what was accepted and what was dropped (K8).
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

static bool met[LINK_DROP_COUNT];
static u8 frame[WIRE_FRAME_MAX];

static u8 *
header_at(u8 *bytes, u32 offset)
{
	return bytes + WIRE_ETHERNET + offset;
}

#define HEADER_FIELD(field) offsetof(struct wire_header_layout, field)

// Gives node 0 a frame, of which nothing may come but that it is counted so.
static void
expect_drop(const u8 *bytes, u32 len, enum link_drop reason)
{
	const struct links_counters *c = links_counters(rig.node[0].links);
	const struct trace_ring *ring = links_trace(rig.node[0].links);
	struct links_counters before = *c;
	const struct trace_event *event;

	rcap_input(rig.node[0].rcap, rig.now, bytes, len);
	assert_int_equal(c->received, before.received + 1);
	assert_int_equal(c->accepted, before.accepted);
	for (u32 i = 0; i < LINK_DROP_COUNT; i++)
		assert_int_equal(c->dropped[i],
				 before.dropped[i] + (i == (u32)reason));
	for (u64 i = ring->head - 1;; i--) {
		event = &ring->at[i & ring->mask];
		if (event->kind == TRACE_DROP)
			break;
		assert_true(ring->head - i < ring->mask);
	}
	assert_int_equal(event->b >> 56, reason);
	links_check(rig.node[0].links);
	met[reason] = true;
}

// A READ by node 1 that is sealed as it should be, and not a request of its own.
static u32
sealed_request(u32 number, u8 op)
{
	const struct rcap_remote *r = &rig.node[1].place[0].remote;
	struct wire_request request = {
		.number = number, .op = op, .environment = ENV, .slot = r->slot,
		.generation = r->generation, .length = 8,
	};

	return links_request(rig.node[1].links, rig.now, rig_peer(&rig, 1, 0), frame,
			     &request, frame, 0);
}

// The number that node 1 would give its next request.
static u32
next_number(void)
{
	struct link_plan plan = { .frames = 1, .landing = 1 };
	u32 number;

	assert_int_equal(links_open(rig.node[1].links, rig.now, rig_peer(&rig, 1, 0),
				    &plan, &number), LINK_OPENED);
	links_close(rig.node[1].links, rig.now, rig_peer(&rig, 1, 0), number);
	return number;
}

static void
frames_that_are_none(void **state)
{
	u32 len;

	(void)state;
	warm_pair(1500);
	len = sealed_request(next_number(), OP_READ);
	expect_drop(frame, WIRE_BODY_AT, LINK_DROP_SHORT);
	expect_drop(frame, 0, LINK_DROP_SHORT);
	frame[12] ^= 1;
	expect_drop(frame, len, LINK_DROP_ALIEN);
	frame[12] ^= 1;
	expect_drop(frame, len - 1, LINK_DROP_LENGTH);
	*header_at(frame, HEADER_FIELD(version)) ^= 1;
	expect_drop(frame, len, LINK_DROP_VERSION);
	*header_at(frame, HEADER_FIELD(version)) ^= 1;
	*header_at(frame, HEADER_FIELD(kind)) = 99;
	expect_drop(frame, len, LINK_DROP_KIND);
	len = sealed_request(next_number(), 200);
	expect_drop(frame, len, LINK_DROP_SHAPE);
	rig_end(&rig);
}

static void
frames_of_somebody_else(void **state)
{
	u32 len;

	(void)state;
	warm_pair(1500);
	len = sealed_request(next_number(), OP_READ);
	*header_at(frame, HEADER_FIELD(sender)) ^= 0x40;
	expect_drop(frame, len, LINK_DROP_SENDER);
	*header_at(frame, HEADER_FIELD(sender)) ^= 0x40;
	*header_at(frame, HEADER_FIELD(to)) ^= 1;
	expect_drop(frame, len, LINK_DROP_INCARNATION);
	*header_at(frame, HEADER_FIELD(to)) ^= 1;
	*header_at(frame, HEADER_FIELD(from)) ^= 1;
	expect_drop(frame, len, LINK_DROP_INCARNATION);
	*header_at(frame, HEADER_FIELD(from)) ^= 1;
	frame[len - 1] ^= 1;
	expect_drop(frame, len, LINK_DROP_TAG);
	frame[len - 1] ^= 1;
	rcap_input(rig.node[0].rcap, rig.now, frame, len);
	expect_drop(frame, len, LINK_DROP_SEQUENCE);
	rig.cut[0][1] = rig.cut[1][0] = true;
	len = sealed_request(next_number(), OP_READ);
	rig.now += 2 * LINK_LEASE_NS;		// its timer has not run
	expect_drop(frame, len, LINK_DROP_LEASE);
	rig_run(&rig, 2 * LINK_LAPSE_NS);
	expect_drop(frame, len, LINK_DROP_STATE);
	rig_end(&rig);
}

static void
requests_and_answers_out_of_turn(void **state)
{
	const struct fabric_counts *counts;
	u32 number, len;

	(void)state;
	warm_pair(1500);
	counts = links_counts(rig.node[0].links, rig_peer(&rig, 0, 1));
	number = next_number();
	expect_drop(frame, sealed_request(number + 1000, OP_READ), LINK_DROP_NUMBER);
	assert_int_equal(counts->dropped, 1);
	len = links_response(rig.node[1].links, rig.now, rig_peer(&rig, 1, 0), frame,
			     &(struct wire_response){ .number = 77, .parts = 1 }, frame,
			     0);
	expect_drop(frame, len, LINK_DROP_STRANGER);
	assert_int_equal(counts->dropped, 2);
	rig_run(&rig, 4 * LINK_IDLE_NS);	// what was granted is taken back
	rig_deliver(&rig, 0, frame, sealed_request(number + 1, OP_READ));
	expect_drop(frame, sealed_request(number + 2, OP_READ), LINK_DROP_CREDIT);
	rig_end(&rig);
}

// ---- greetings

static struct rig_frame *
first_of_kind(u32 to, enum wire_kind kind)
{
	for (u32 i = 0; i < rig.captured_count; i++) {
		if (rig.captured[i].to == to &&
		    *header_at(rig.captured[i].bytes, HEADER_FIELD(kind)) == kind)
			return &rig.captured[i];
	}
	fail_msg("no frame of kind %d was sent", kind);
	return NULL;
}

static void
start_captured(void)
{
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig.capture = true;
	rig.captured_max = 100;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	assert_non_null(rig.captured);
}

static void
greetings_in_a_live_session(void **state)
{
	const struct rig_frame *hello;

	(void)state;
	start_captured();
	rig_connect(&rig);
	rig.capture = false;
	hello = first_of_kind(0, WIRE_HELLO);
	expect_drop(hello->bytes, hello->len, LINK_DROP_LIVE);
	rig_end(&rig);
}

// Node 0 was told a nonce of its own that it has forgotten by then.
static void
a_greeting_that_names_an_old_nonce(void **state)
{
	const struct rig_frame *hello = NULL;

	(void)state;
	start_captured();
	rig_connect(&rig);
	for (u32 i = 0; i < rig.captured_count; i++) {
		const struct rig_frame *f = &rig.captured[i];
		const u8 *seen = f->bytes + WIRE_BODY_AT +
				 offsetof(struct wire_hello_layout, nonce_seen);

		if (f->to == 0 && f->bytes[WIRE_ETHERNET + 1] == WIRE_HELLO &&
		    (seen[0] || seen[1]))
			hello = f;
	}
	if (!hello) {
		fail_msg("no HELLO named a nonce");
		return;
	}
	rig.cut[0][1] = rig.cut[1][0] = true;
	rig_run(&rig, 5 * NS_PER_SECOND);
	expect_drop(hello->bytes, hello->len, LINK_DROP_NONCE);
	rig_end(&rig);
}

// The first beacon of another node; with a zero public key when told so.
static u32
beacon_of(u8 life, bool senseless)
{
	struct links_config config = {
		.incarnation = life, .mtu = 1500, .uuid = { life },
		.cluster_key = "a key of all tests", .secret_key = { life },
		.peers_max = 1, .windows_max = 1, .handshakes_max = 1,
		.key_agreements_max = 1, .grant_pool = 8, .landing_pool = 8,
	};
	u64 size = links_memory_needed(&config);
	void *memory = aligned_alloc(4096, ALIGN_UP(size, 4096ull));
	struct links *links;
	u32 len;

	assert_non_null(memory);
	memset(memory, 0, ALIGN_UP(size, 4096ull));
	links = links_init(memory, size, &config, rig.now);
	assert_non_null(links);
	if (senseless)		// it stands behind the configuration
		memset((u8 *)memory + sizeof(config), 0, 32);
	len = links_output(links, rig.now, frame);
	free(memory);
	return len;
}

static void
greetings_of_many_nodes(void **state)
{
	const struct rig_frame *own;
	u32 len;

	(void)state;
	start_captured();
	rig_connect(&rig);
	own = first_of_kind(RIG_NODES, WIRE_BEACON);
	if (own->bytes[11] != 1)		// node 1's: node 0's is the other
		own++;
	expect_drop(own->bytes, own->len, LINK_DROP_OWN);
	len = beacon_of(50, true);
	expect_drop(frame, len, LINK_DROP_PROOF);
	for (u8 life = 51; life < 55; life++) {
		len = beacon_of(life, false);
		rcap_input(rig.node[0].rcap, rig.now, frame, len);
	}
	len = beacon_of(55, false);		// all handshakes are under way
	expect_drop(frame, len, LINK_DROP_BUDGET);
	rig_end(&rig);
}

// Every place is taken by somebody who cannot make room.
static void
a_full_table(void **state)
{
	static const u8 last[16] = { 54 };

	(void)state;
	rig_start(&rig, RIG_NODES, test_seed(), 1500, 64);
	rig_connect(&rig);
	for (u8 life = 50; life < 55; life++) {
		u32 len = beacon_of(life, false);

		rcap_input(rig.node[0].rcap, rig.now, frame, len);
	}
	// The last of them found no free handshake; something of it is at work.
	links_hold(rig.node[0].links, links_find(rig.node[0].links, last));
	expect_drop(frame, beacon_of(55, false), LINK_DROP_PEERS);
	rig_end(&rig);
}

static void
no_reason_was_left_out(void **state)
{
	(void)state;
	for (u32 i = 0; i < LINK_DROP_COUNT; i++) {
		if (!met[i])
			fail_msg("nothing here is dropped because of: %s",
				 link_drop_text((enum link_drop)i));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_that_are_none),
		cmocka_unit_test(frames_of_somebody_else),
		cmocka_unit_test(requests_and_answers_out_of_turn),
		cmocka_unit_test(greetings_in_a_live_session),
		cmocka_unit_test(a_greeting_that_names_an_old_nonce),
		cmocka_unit_test(greetings_of_many_nodes),
		cmocka_unit_test(a_full_table),
		cmocka_unit_test(no_reason_was_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
