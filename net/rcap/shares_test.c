// SPDX-License-Identifier: BSD-2-Clause
// The owner's tables when holders take what they can: who derives without end leaves
// room to others, and so does a node that answers no grant, or sends blocks in part.
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

#include "net/rcap/state.h"
#include "net/rcap/test_pair.h"

#define OWNER 0u
#define THIRD 3u
#define LEAST 4u		// of a share, whatever others have

// Nodes 1 and 2 hold pages, for which node THIRD has no capability yet.
static void
begin(u8 type, u32 place[3])
{
	rig_start(&rig, 4, test_seed(), 1500, 64);
	rig_connect(&rig);
	for (u32 i = 1; i <= 2; i++)
		place[i] = rig_export(&rig, OWNER, i, ENV, type, ALL, 8, 8);
}

static struct rcap_completion
derive(u32 node, u32 place, u8 rights)
{
	struct rcap_submit s = rig_submit(&rig, node, place, OP_DERIVE, 0, 0, 0);

	s.derive = (struct wire_derive){
		.incarnation = rig.node[THIRD].incarnation, .environment = ENV,
		.rights = rights, .count = 1,
	};
	memset(s.derive.uuid, THIRD + 1, 16);
	return rig_do(&rig, node, &s);
}

// Returns how many it got before it was refused, and for which reason.
static u32
derive_all(u32 node, u32 place, enum wire_code *code)
{
	struct rcap_completion c = derive(node, place, ALL);
	u32 got = 0;

	for (; c.outcome == RCAP_DONE; c = derive(node, place, ALL)) {
		got++;
		rig_run(&rig, NS_PER_MS);
	}
	assert_int_equal(c.outcome, RCAP_NOT_DONE);
	*code = (enum wire_code)c.code;
	return got;
}

static void
who_derives_without_end_leaves_room(void **state)
{
	enum wire_code code;
	u32 place[3], got, more;

	(void)state;
	begin(TYPE_FRAMES, place);
	got = derive_all(1, place[1], &code);
	assert_int_equal(code, CODE_SHARE);
	assert_in_range(got, LEAST, RIG_EXPORTS / 3);
	// Nor by those that it had derived.
	assert_int_equal(derive(THIRD, 0, RW).code, CODE_SHARE);
	more = derive_all(2, place[2], &code);
	assert_int_equal(code, CODE_SHARE);
	assert_in_range(more, LEAST, got);
	// What goes makes room for all.
	for (u32 i = 0; i < got; i++)
		rcap_unexport(rig.node[OWNER].rcap, rig.node[THIRD].place[i].remote.slot);
	assert_int_equal(derive(2, place[2], RW).outcome, RCAP_DONE);
	rig_run(&rig, NS_PER_MS);
	// And the owner grants on.
	for (u32 i = more + 3; i < RIG_EXPORTS; i++)
		rig_export(&rig, OWNER, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	rig_end(&rig);
}

static void
a_pool_is_no_way_around(void **state)
{
	struct rcap_completion c = { .outcome = RCAP_DONE };
	u32 place[3], got = 0;

	(void)state;
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig_connect(&rig);
	place[1] = rig_export(&rig, OWNER, 1, ENV, TYPE_POOL, ALL, 4, RIG_PAGES - 4);
	while (c.outcome == RCAP_DONE) {
		struct rcap_submit s = rig_submit(&rig, 1, place[1], OP_ALLOC, 0, 0, 0);

		s.alloc = (struct wire_alloc){
			.range = RIG_PAGES - 4, .count = 1, .rights = RW,
		};
		c = rig_do(&rig, 1, &s);
		got += c.outcome == RCAP_DONE;
		rig_run(&rig, NS_PER_MS);
	}
	expect(&c, RCAP_NOT_DONE, CODE_SHARE);
	assert_in_range(got, LEAST, RIG_EXPORTS / 3);
	rig_end(&rig);
}

// Grants until that is refused. Returns how many were made.
static u32
grant_all(u16 granter)
{
	struct rcap_grant grant = {
		.type = TYPE_FRAMES, .rights = ALL, .base = 8, .count = 1,
		.environment = ENV, .granter = granter,
		.peer = rig_peer(&rig, OWNER, 1), .incarnation = rig.node[1].incarnation,
	};
	u32 made = 0;

	for (;; made++) {
		grant.node = rig_root(&rig, OWNER);
		grant.node_generation = rig.node[OWNER].tree[grant.node].generation;
		if (rcap_export(rig.node[OWNER].rcap, rig.now, &grant) == RCAP_NONE)
			return made;
		rig_run(&rig, 2 * NS_PER_MS);
	}
}

// A hostile environment grants what it can, and a holder derives for it: all but a 64th of
// the table. Each that comes later has four entries of that, until there are none.
static void
who_grants_without_end_leaves_room(void **state)
{
	enum wire_code code;
	u32 first;

	(void)state;
	rig_start(&rig, 4, test_seed(), 1500, 64);
	rig.exports_max = 1000;
	rig_crash(&rig, OWNER);
	rig_boot(&rig, OWNER);
	rig_connect(&rig);
	assert_int_equal(grant_all(1), 1000 - 15);
	rig_run(&rig, NS_PER_SECOND / 4);
	first = rig.node[1].places - 1;
	assert_int_equal(derive_all(1, first, &code), 0);
	assert_int_equal(code, CODE_TABLE);
	for (u16 granter = 2; granter <= 4; granter++)
		assert_int_equal(grant_all(granter), 4);
	assert_int_equal(grant_all(5), 3);
	assert_int_equal(grant_all(6), 0);
	rcap_unexport(rig.node[OWNER].rcap, rig.node[1].place[0].remote.slot);
	assert_int_equal(grant_all(1), 0);
	assert_int_equal(grant_all(6), 1);
	rig_end(&rig);
}

// Grants to node 1, which has no buffers for answers, leave records for those to node 2.
static void
who_answers_no_grant_leaves_room(void **state)
{
	struct rcap_grant grant = {
		.type = TYPE_FRAMES, .rights = RW, .base = 8, .count = 1,
		.environment = ENV,
	};
	u32 place[3], sent = 0;

	(void)state;
	begin(TYPE_FRAMES, place);
	rig.node[1].starved = true;
	grant.peer = rig_peer(&rig, OWNER, 1);
	grant.incarnation = rig.node[1].incarnation;
	grant.node = rig_root(&rig, OWNER);
	grant.node_generation = rig.node[OWNER].tree[grant.node].generation;
	while (rcap_export(rig.node[OWNER].rcap, rig.now, &grant) != RCAP_NONE) {
		assert_true(++sent < rig.node[OWNER].rcap->config.grants_max);
		grant.node = rig_root(&rig, OWNER);
		grant.node_generation = rig.node[OWNER].tree[grant.node].generation;
	}
	assert_true(sent > 1);
	rig_run(&rig, NS_PER_SECOND);
	rig_export(&rig, OWNER, 2, ENV, TYPE_FRAMES, RW, 8, 4);
	rig.node[1].starved = false;
	rig_run(&rig, 3 * NS_PER_SECOND);
	rig_export(&rig, OWNER, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	rig_end(&rig);
}

static void
recall(u32 holder, u32 place)
{
	struct rcap_ask ask = {
		.count = 1, .deadline = rig.now + NS_PER_SECOND / 2,
		.entry = rig.node[holder].place[place].remote.slot,
	};

	assert_int_equal(rcap_recall(rig.node[OWNER].rcap, rig.now, &ask), CODE_NONE);
}

// Nor do recalls that node 1 does not answer keep those to node 2 from being heard in time.
static void
who_answers_no_recall_leaves_room(void **state)
{
	u32 place[3], mine[RIG_EXPORTS], count = 5;

	(void)state;
	begin(TYPE_FRAMES, place);
	for (u32 i = 0; i < count; i++)
		mine[i] = rig_export(&rig, OWNER, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	assert_true(count > (rig.node[OWNER].rcap->config.grants_max + 1) / 2);
	rig.node[1].starved = true;
	for (u32 i = 0; i < count; i++)
		recall(1, mine[i]);
	rig_run(&rig, NS_PER_MS);
	recall(2, place[2]);
	rig_run(&rig, NS_PER_SECOND / 4);
	assert_int_equal(rig.node[2].asked_count, 1);
	rig_end(&rig);
}

// The first parts of what nodes 1 and 2 write are lost, again and again: what the owner
// has of the rest takes all of its pages, and the third finds one all the same.
static void
parts_of_blocks_make_room(void **state)
{
	u32 last = BLOCK_BYTES - wire_part_at(wire_parts(BLOCK_BYTES, false) - 1);
	u32 place[4], before;
	struct rcap_submit s;

	(void)state;
	rig_start(&rig, 4, test_seed(), 1500, 64);
	rig_connect(&rig);
	for (u32 i = 1; i <= THIRD; i++)
		place[i] = rig_export(&rig, OWNER, i, ENV, TYPE_BLOCKS, ALL, 0, RIG_BLOCKS);
	for (u32 i = 1; i <= 2; i++) {
		rig.narrow[i][OWNER] = WIRE_BODY_AT + WIRE_LENGTH(request) + last + WIRE_TAG;
		s = rig_submit(&rig, i, place[i], OP_BLOCK_WRITE, 0, BLOCK_BYTES, 0);
		for (u32 n = 0; n < 6; n++)
			assert_true(rcap_submit(rig.node[i].rcap, rig.now, &s) != RCAP_NONE);
	}
	rig_run(&rig, NS_PER_SECOND / 2);
	for (u32 i = 0; i < rig.node[OWNER].rcap->config.staging_count; i++)
		assert_int_equal(rig.node[OWNER].rcap->ticket[i].state, TICKET_GATHER);
	s = rig_submit(&rig, THIRD, place[THIRD], OP_BLOCK_READ, 0, BLOCK_BYTES, 0);
	before = rig.node[THIRD].completions;
	for (u32 n = 0; n < 6; n++)
		assert_true(rcap_submit(rig.node[THIRD].rcap, rig.now, &s) != RCAP_NONE);
	assert_true(rig_wait(&rig, THIRD, before + 6, 10 * NS_PER_SECOND));
	for (u32 i = 1; i <= 2; i++) {
		rig.narrow[i][OWNER] = 0;
		assert_true(rig_wait(&rig, i, 6, 10 * NS_PER_SECOND));
		for (u32 n = 0; n < 6; n++)
			expect(&rig.node[i].completion[n], RCAP_DONE, CODE_NONE);
	}
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_derives_without_end_leaves_room),
		cmocka_unit_test(a_pool_is_no_way_around),
		cmocka_unit_test(who_grants_without_end_leaves_room),
		cmocka_unit_test(who_answers_no_grant_leaves_room),
		cmocka_unit_test(who_answers_no_recall_leaves_room),
		cmocka_unit_test(parts_of_blocks_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
