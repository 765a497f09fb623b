// SPDX-License-Identifier: BSD-2-Clause
// Reads of one session that were asked for before anything is sent go in one frame: which
// do, how many, and what becomes of each when the frame is lost, or one of them is old.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c net/rcap/asked_rig.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c
// links: net/link/ask.c net/link/grant.c net/link/seal.c net/link/input.c
// links: net/link/time.c net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c
// links: net/sodium/crypto.c net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "net/rcap/state.h"
#include "net/rcap/test_pair.h"

#define CAPTURED 4096u
#define MANY 20u

// Two nodes whose frames are kept, with credit for all that is asked for at a time.
static u32
begin(u32 behind)
{
	u32 place;

	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig_crash(&rig, 0);
	rig.behind[0] = (u8)behind;
	rig_boot(&rig, 0);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	for (u32 i = 0; i < 4 * MANY; i++) {
		struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);

		assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	}
	assert_true(rig_wait(&rig, 1, 4 * MANY, NS_PER_SECOND));
	rig.captured_max = CAPTURED;
	rig.captured = calloc(CAPTURED, sizeof(*rig.captured));
	assert_non_null(rig.captured);
	rig.capture = true;
	return place;
}

static struct wire_frame
captured(u32 index)
{
	const struct rig_frame *f = &rig.captured[index];
	struct wire_frame frame;

	assert_int_equal(wire_parse(&frame, f->bytes, f->len), WIRE_FINE);
	return frame;
}

// Frames of requests since the last look; *requests becomes what they ask for.
static u32
asked(u32 *requests)
{
	u32 frames = 0;

	*requests = 0;
	for (u32 i = 0; i < rig.captured_count; i++) {
		struct wire_frame frame = captured(i);

		if (frame.header.kind != WIRE_REQUEST)
			continue;
		frames++;
		*requests += 1 + (frame.request.flags & WIRE_FLAG_MORE
					  ? frame.payload_len / WIRE_LENGTH(request) : 0);
	}
	rig.captured_count = 0;
	return frames;
}

// Asks for so many words, of which each has its own number. Nothing is sent yet but what
// fills a frame.
static void
read_words(u32 place, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 8 * i, 8, 64 * i);

		le64_store(far(8 * i), 1000 + i);
		assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	}
}

static void
words_are_right(u32 count)
{
	for (u32 i = 0; i < count; i++)
		assert_int_equal(le64_load(near(64 * i)), 1000 + i);
}

static void
reads_go_together(void **state)
{
	u32 place = begin(0), before = rig.node[1].completions, requests;

	(void)state;
	read_words(place, MANY);
	rcap_flush(rig.node[1].rcap, rig.now);
	assert_int_equal(asked(&requests), 3);
	assert_int_equal(requests, MANY);
	assert_true(rig_wait(&rig, 1, before + MANY, NS_PER_SECOND));
	words_are_right(MANY);
	assert_int_equal(asked(&requests), 0);
	rig_end(&rig);
}

static void
an_older_owner_gets_one_a_frame(void **state)
{
	u32 place = begin(1), before = rig.node[1].completions, requests;

	(void)state;
	read_words(place, MANY);
	rcap_flush(rig.node[1].rcap, rig.now);
	assert_int_equal(asked(&requests), MANY);
	assert_true(rig_wait(&rig, 1, before + MANY, NS_PER_SECOND));
	words_are_right(MANY);
	rig_end(&rig);
}

// What has an effect goes alone, behind what was asked for before it.
static void
what_changes_something_goes_alone(void **state)
{
	u32 place = begin(0), before = rig.node[1].completions, requests;
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_NOTIFY, 0, 4, 0);

	(void)state;
	read_words(place, 2);
	assert_int_equal(asked(&requests), 0);
	assert_int_not_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	assert_int_equal(captured(0).request.op, OP_READ);
	assert_int_equal(captured(1).request.op, OP_NOTIFY);
	assert_int_equal(asked(&requests), 2);
	assert_int_equal(requests, 3);
	assert_true(rig_wait(&rig, 1, before + 3, NS_PER_SECOND));
	rig_end(&rig);
}

// They are asked for again, each by its own number.
static void
a_lost_frame_loses_none(void **state)
{
	u32 place = begin(0), before = rig.node[1].completions, requests;

	(void)state;
	rig.cut[1][0] = true;
	read_words(place, WIRE_TOGETHER_MAX);
	assert_int_equal(asked(&requests), 1);
	rig.cut[1][0] = false;
	assert_true(rig_wait(&rig, 1, before + WIRE_TOGETHER_MAX, NS_PER_SECOND));
	words_are_right(WIRE_TOGETHER_MAX);
	assert_true(links_counters(rig.node[1].links)->resends >= WIRE_TOGETHER_MAX);
	rig_end(&rig);
}

// Without a buffer the frame is a lost one; and of another session its numbers mean
// nothing.
static void
none_goes_without_a_buffer_or_its_session(void **state)
{
	u32 place = begin(0), before = rig.node[1].completions, requests;
	const struct rcap_counters *counters = rcap_counters(rig.node[1].rcap);

	(void)state;
	read_words(place, 2);
	rig.node[1].starved = true;
	rcap_flush(rig.node[1].rcap, rig.now);
	rig.node[1].starved = false;
	assert_int_equal(counters->dropped[RCAP_DROP_BUFFER], 1);
	assert_true(rig_wait(&rig, 1, before + 2, NS_PER_SECOND));
	asked(&requests);
	read_words(place, 2);
	rig.node[1].rcap->together.session++;
	rcap_flush(rig.node[1].rcap, rig.now);
	assert_int_equal(counters->dropped[RCAP_DROP_SESSION], 1);
	assert_int_equal(asked(&requests), 0);
	assert_true(rig_wait(&rig, 1, before + 4, NS_PER_SECOND));
	rig_end(&rig);
}

// One whose number is over is dropped and counted, and those behind it run.
static void
each_is_judged_by_itself(void **state)
{
	u32 place = begin(0);
	const struct rcap_remote *r = &rig.node[1].place[place].remote;
	const struct links_counters *c = links_counters(rig.node[0].links);
	u16 peer = rig_peer(&rig, 1, 0);
	struct link_plan plan = { .frames = 1, .landing = 1 };
	struct wire_request body = {
		.op = OP_READ, .environment = ENV, .slot = r->slot,
		.generation = r->generation, .length = 8,
	}, bodies[3] = { body, body, body };
	static u8 frame[WIRE_FRAME_MAX];
	struct links_counters before;
	u64 ran = rcap_counters(rig.node[0].rcap)->executed[OP_READ];
	u32 len;

	(void)state;
	assert_int_equal(links_open(rig.node[1].links, rig.now, peer, &plan,
				    &bodies[2].number), LINK_OPENED);
	bodies[0].number = bodies[2].number - WIRE_WINDOW;
	bodies[1].number = bodies[2].number - WIRE_WINDOW - 1;
	len = links_requests(rig.node[1].links, rig.now, peer, frame, bodies, 3);
	before = *c;
	rcap_input(rig.node[0].rcap, rig.now, frame, len);
	assert_int_equal(c->received, before.received + 1);
	assert_int_equal(c->further, before.further + 1);
	assert_int_equal(c->dropped[LINK_DROP_NUMBER], before.dropped[LINK_DROP_NUMBER] + 2);
	assert_int_equal(c->accepted, before.accepted);
	assert_int_equal(rcap_counters(rig.node[0].rcap)->executed[OP_READ], ran + 1);
	links_close(rig.node[1].links, rig.now, peer, bodies[2].number);
	links_check(rig.node[0].links);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_go_together),
		cmocka_unit_test(an_older_owner_gets_one_a_frame),
		cmocka_unit_test(what_changes_something_goes_alone),
		cmocka_unit_test(a_lost_frame_loses_none),
		cmocka_unit_test(none_goes_without_a_buffer_or_its_session),
		cmocka_unit_test(each_is_judged_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
