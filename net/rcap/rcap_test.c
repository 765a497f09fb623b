// SPDX-License-Identifier: BSD-2-Clause
// Remote capabilities, one operation after the other: what each does, and every
// refusal with its code; revocation, delegation to a third node, slots used again.
// net/rcap/faults_test.c has what loss, silence and crashes do. All invariants are
// walked after every step; net/rcap/test_pair.h has the two nodes.
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

static void
reads_and_writes(u16 mtu)
{
	u32 place = pair(mtu);

	assert_int_equal(links_whole(rig.node[1].links, rig_peer(&rig, 1, 0)),
			 mtu > 1500);
	fill(far(0), 4 * 4096);
	for (u32 i = 0; i < 60; i++) {
		u32 len = 1 + (u32)prng_below(&rig.prng, 4096);
		u64 offset = prng_below(&rig.prng, 4 * 4096 - len + 1);
		u64 local = prng_below(&rig.prng, 8 * 4096 - len);
		struct rcap_submit s;

		s = rig_submit(&rig, 1, place, OP_READ, offset, len, local);
		do_expect(&s, RCAP_DONE, CODE_NONE);
		assert_memory_equal(near(local), far(offset), len);
		fill(near(local), len);
		s.op = OP_WRITE;
		do_expect(&s, RCAP_DONE, CODE_NONE);
		assert_memory_equal(near(local), far(offset), len);
	}
	rig_end(&rig);
}

static void
reads_and_writes_in_parts(void **state)
{
	(void)state;
	reads_and_writes(1500);
}

static void
reads_and_writes_whole(void **state)
{
	(void)state;
	reads_and_writes(9000);
}

static void
mcas_takes_the_first_clause_that_matches(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_MCAS, 64, 8, 0);
	struct rcap_completion c;

	(void)state;
	put64(far(64), 0xab00000000000005);
	fill(far(4096), 4096);
	s.pieces = 3;
	s.clause[0] = (struct rcap_clause){ .compare = { 6 },
					    .compare_mask = { 0xff } };
	s.clause[1] = (struct rcap_clause){
		.compare = { 5 }, .compare_mask = { 0xff }, .swap = { 0xee77 },
		.swap_mask = { 0xff }, .chain_offset = 4096, .chain_length = 4096
	};
	s.clause[2] = (struct rcap_clause){ .swap = { 1 }, .swap_mask = { ~0ull } };
	c = rig_do(&rig, 1, &s);
	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.clause, 1);
	assert_int_equal(c.old[0], 0xab00000000000005);
	assert_int_equal(c.length, 4096);
	assert_memory_equal(near(0), far(4096), 4096);
	assert_int_equal(get64(far(64)), 0xab00000000000077);
	s.pieces = 2;		// neither 6 nor 5 is there any more
	c = rig_do(&rig, 1, &s);
	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.clause, WIRE_CLAUSE_NONE);
	assert_int_equal(c.length, 0);
	assert_int_equal(get64(far(64)), 0xab00000000000077);
	rig_end(&rig);
}

static void
mcas_on_sixteen_bytes(void **state)
{
	u32 place = pair(9000);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_MCAS, 32, 16, 0);
	struct rcap_completion c;

	(void)state;
	put64(far(32), 1);
	put64(far(40), 2);
	s.pieces = 1;
	s.clause[0] = (struct rcap_clause){
		{ 1, 2 }, { ~0ull, ~0ull }, { 3, 4 }, { ~0ull, ~0ull }, 0, 0, 0
	};
	c = rig_do(&rig, 1, &s);
	assert_int_equal(c.clause, 0);
	assert_int_equal(c.old[1], 2);
	assert_int_equal(get64(far(32)), 3);
	assert_int_equal(get64(far(40)), 4);
	s.clause[0].compare[0] = 3;	// the upper half does not match
	c = rig_do(&rig, 1, &s);
	assert_int_equal(c.clause, WIRE_CLAUSE_NONE);
	assert_int_equal(get64(far(40)), 4);
	rig_end(&rig);
}

static void
words_are_added_to_and_notified(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit add = rig_submit(&rig, 1, place, OP_FETCH_ADD, 8, 8, 0);
	struct rcap_submit tell = rig_submit(&rig, 1, place, OP_NOTIFY, 20, 4, 0);
	struct rcap_completion c;
	u32 changed;

	(void)state;
	put64(far(8), ~0ull);
	put64(far(16), 0xffffffff00000000);
	add.addend = 3;
	c = rig_do(&rig, 1, &add);
	assert_int_equal(c.old[0], ~0ull);
	assert_int_equal(get64(far(8)), 2);
	changed = rig.node[0].changed;
	do_expect(&tell, RCAP_DONE, CODE_NONE);
	assert_int_equal(get64(far(16)), 0);	// wrapped, and no carry beyond it
	assert_int_equal(rig.node[0].changed, changed + 1);
	rig_end(&rig);
}

static void
messages_need_an_endpoint_and_a_buffer(void **state)
{
	u32 place = pair(1500);
	struct rcap *owner = rig.node[0].rcap;
	struct rcap_submit s;

	(void)state;
	assert_true(rcap_endpoint_open(owner, 1, 3));
	assert_true(rcap_service_open(owner, 80, 1));
	assert_false(rcap_service_open(owner, 80, 1));
	place = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT, WIRE_RIGHT_WRITE, 1, 1);
	s = rig_submit(&rig, 1, place, OP_SEND, 0, 100, 512);
	fill(near(512), 100);
	do_expect(&s, RCAP_NOT_DONE, CODE_BUFFER);
	assert_true(rcap_post(owner, 1, 4096, 99, 11, 0));
	do_expect(&s, RCAP_NOT_DONE, CODE_BUFFER);
	s.length = 99;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(rig.node[0].messages, 1);
	assert_int_equal(rig.node[0].message[0].tag, 11);
	assert_int_equal(rig.node[0].message[0].length, 99);
	assert_int_equal(rig.node[0].message[0].environment, ENV);
	assert_memory_equal(rig.node[0].memory + 4096, near(512), 99);
	s.remote.slot = WIRE_SLOT_NONE;
	s.offset = 80;
	assert_true(rcap_post(owner, 1, 4096, 200, 12, 0x600d));
	do_expect(&s, RCAP_DONE, CODE_NONE);
	s.offset = 81;
	do_expect(&s, RCAP_NOT_DONE, CODE_SERVICE);
	rcap_endpoint_close(owner, 1);
	s.offset = 80;
	do_expect(&s, RCAP_NOT_DONE, CODE_SERVICE);
	rig_end(&rig);
}

static void
blocks(u16 mtu)
{
	u32 place;
	struct rcap_submit s;

	pair(mtu);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 3);
	s = rig_submit(&rig, 1, place, OP_BLOCK_WRITE, 4096, 4096, 8192);
	fill(near(8192), 4096);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_memory_equal(rig.node[0].disk + 5 * 4096, near(8192), 4096);
	s.op = OP_BLOCK_READ;
	s.local = 16384;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_memory_equal(near(16384), near(8192), 4096);
	s.op = OP_BLOCK_FLUSH;
	s.offset = s.length = 0;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 3 * 4096, 4096, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	s.offset = 512;
	do_expect(&s, RCAP_NOT_DONE, CODE_ALIGNMENT);
	s.op = OP_READ;
	do_expect(&s, RCAP_NOT_DONE, CODE_TYPE);
	rig.node[0].block_fails = true;
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, 4096, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_DEVICE);
	s.op = OP_BLOCK_WRITE;
	do_expect(&s, RCAP_UNKNOWN_FINAL, CODE_DEVICE);
	rig_end(&rig);
}

static void
blocks_in_parts(void **state)
{
	(void)state;
	blocks(1500);
}

static void
blocks_whole(void **state)
{
	(void)state;
	blocks(9000);
}

// A disk that takes longer than any timer, and one whose queue is full for a
// while: the answer comes, the operation ran once.
static void
slow_and_busy_disks_are_waited_for(void **state)
{
	u32 place;
	struct rcap_submit s;
	u32 before;

	(void)state;
	pair(1500);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 3);
	s = rig_submit(&rig, 1, place, OP_BLOCK_WRITE, 0, 4096, 8192);
	rig.node[0].block_ns = 3 * NS_PER_SECOND;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(rcap_counters(rig.node[0].rcap)->executed[OP_BLOCK_WRITE],
			 1);
	rig.node[0].block_full = true;
	before = rig.node[1].completions;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, NS_PER_SECOND);
	assert_int_equal(rig.node[1].completions, before);
	rig.node[0].block_full = false;
	assert_true(rig_wait(&rig, 1, before + 1, 5 * NS_PER_SECOND));
	assert_int_equal(rcap_counters(rig.node[0].rcap)->executed[OP_BLOCK_WRITE],
			 2);
	rig_end(&rig);
}

// A disk answers in an order of its own: what many overtake is not asked for again.
static void
blocks_that_others_overtake_are_not_asked_for_again(void **state)
{
	const struct links_counters *c;
	struct rcap_submit s;
	u32 place, first;
	u64 resends;

	(void)state;
	warm_pair(1500);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 3);
	s = rig_submit(&rig, 1, place, OP_BLOCK_READ, 0, 4096, 8192);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	c = links_counters(rig.node[1].links);
	resends = c->resends;
	first = rig.node[1].completions;
	rig.node[0].block_ns = 2 * NS_PER_MS;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, 50 * NS_PER_US);		// the disk has it
	rig.node[0].block_ns = 100 * NS_PER_US;
	for (u32 i = 0; i < 8; i++)
		do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_true(rig_wait(&rig, 1, first + 9, NS_PER_SECOND));
	assert_int_equal(c->resends, resends);
	assert_int_equal(rcap_counters(rig.node[0].rcap)->executed[OP_BLOCK_READ], 10);

	// An answer that is lost is asked for all the same.
	first = rig.node[1].completions;
	rig.cut[0][1] = true;
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, 5 * NS_PER_MS);
	rig.cut[0][1] = false;
	assert_true(rig_wait(&rig, 1, first + 1, NS_PER_SECOND));
	assert_int_equal(rig.node[1].completion[first].outcome, RCAP_DONE);
	assert_true(c->resends > resends);
	rig_end(&rig);
}

// ---- refusals: each with its own code, nothing is touched, the link stands

static void
every_refusal_has_its_code_and_touches_nothing(void **state)
{
	u32 place = pair(1500);
	u32 reader = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, WIRE_RIGHT_READ, 8, 4);
	u32 session = links_session(rig.node[1].links, 0);
	struct rcap_submit good =
		rig_submit(&rig, 1, place, OP_WRITE, 0, 64, 0), s;
	static u8 before[RIG_PAGES * 4096];

	(void)state;
	fill(rig.node[0].memory, RIG_PAGES * 4096);
	memcpy(before, rig.node[0].memory, sizeof(before));
	fill(near(0), 64);

	s = good;
	s.remote.slot = 31;
	do_expect(&s, RCAP_NOT_DONE, CODE_SLOT);
	s = good;
	s.remote.slot = 5000;
	do_expect(&s, RCAP_NOT_DONE, CODE_SLOT);
	s = good;
	s.remote.generation++;
	do_expect(&s, RCAP_NOT_DONE, CODE_GENERATION);
	s = good;
	s.environment++;
	do_expect(&s, RCAP_NOT_DONE, CODE_HOLDER);
	s = good;
	s.offset = 4 * 4096 - 63;
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	s.offset = ~0ull - 4096;
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	s = rig_submit(&rig, 1, reader, OP_WRITE, 0, 4096, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_RIGHTS);
	s = rig_submit(&rig, 1, reader, OP_FETCH_ADD, 0, 8, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_RIGHTS);
	s = rig_submit(&rig, 1, place, OP_BLOCK_WRITE, 0, 4096, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_TYPE);
	s = rig_submit(&rig, 1, place, OP_FETCH_ADD, 4, 8, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_ALIGNMENT);
	s = good;
	s.remote.incarnation ^= 1;
	do_expect(&s, RCAP_NOT_DONE, CODE_INCARNATION);
	s = good;
	s.remote.peer = 5;
	do_expect(&s, RCAP_NOT_DONE, CODE_PEER);
	s = rig_submit(&rig, 1, place, OP_MCAS, 0, 8, 0);
	s.pieces = 1;
	s.clause[0].chain_offset = 4 * 4096 - 8;
	s.clause[0].chain_length = 9;
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	assert_memory_equal(rig.node[0].memory, before, sizeof(before));

	rig_revoke(&rig, 0, 0);		// the root of `place`
	do_expect(&good, RCAP_NOT_DONE, CODE_REVOKED);
	assert_memory_equal(rig.node[0].memory, before, sizeof(before));
	s = rig_submit(&rig, 1, reader, OP_READ, 0, 64, 128);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(rcap_counters(rig.node[0].rcap)->walks, 2);
	assert_int_equal(links_session(rig.node[1].links, 0), session);
	rig_end(&rig);
}

static void
senseless_submissions_are_not_taken(void **state)
{
	u32 place = pair(1500);
	struct rcap_submit good = rig_submit(&rig, 1, place, OP_READ, 0, 64, 0), s;

	(void)state;
	assert_true(rcap_sensible(&good));
	s = good;
	s.length = 0;
	assert_false(rcap_sensible(&s));
	s.length = 4097;
	assert_false(rcap_sensible(&s));
	s = good;
	s.op = OP_GRANT;
	assert_false(rcap_sensible(&s));
	s.op = OP_COUNT;
	assert_int_equal(rcap_submit(rig.node[1].rcap, rig.now, &s), RCAP_NONE);
	s = good;
	s.remote.slot = WIRE_SLOT_NONE;
	assert_false(rcap_sensible(&s));
	s = good;
	s.op = OP_MCAS;
	s.length = 8;
	assert_false(rcap_sensible(&s));
	s.pieces = 4;
	assert_false(rcap_sensible(&s));
	rig_end(&rig);
}

// ---- capabilities on their way

static void
a_holder_derives_for_a_third_node_and_takes_it_back(void **state)
{
	struct rcap_submit s, third;
	u32 place;

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	s = rig_submit(&rig, 1, place, OP_DERIVE, 0, 0, 0);
	s.derive = (struct wire_derive){
		.incarnation = rig.node[2].incarnation,
		.environment = 9,
		.rights = WIRE_RIGHT_READ,
		.base = 1,
		.count = 2,
		.word = 77,
	};
	memset(s.derive.uuid, 3, 16);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig_run(&rig, NS_PER_SECOND / 4);
	assert_int_equal(rig.node[2].places, 1);
	assert_int_equal(rig.node[2].place[0].grant.word, 77);
	assert_int_equal(rig.node[2].place[0].grant.count, 2);
	third = rig_submit(&rig, 2, 0, OP_READ, 0, 4096, 0);
	fill(far(4096), 4096);
	assert_int_equal(rig_do(&rig, 2, &third).outcome, RCAP_DONE);
	assert_memory_equal(rig.node[2].memory, far(4096), 4096);
	third.op = OP_WRITE;
	assert_int_equal(rig_do(&rig, 2, &third).code, CODE_RIGHTS);

	s.derive.rights = RW;		// more than the node itself is fine,
	s.derive.count = 4;		// but not beyond its range,
	do_expect(&s, RCAP_NOT_DONE, CODE_RANGE);
	s.derive.count = 2;
	s.derive.incarnation++;		// nor for a life that is over
	do_expect(&s, RCAP_NOT_DONE, CODE_NODE);

	s = rig_submit(&rig, 1, place, OP_REVOKE, 0, 0, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	third.op = OP_READ;
	assert_int_equal(rig_do(&rig, 2, &third).code, CODE_REVOKED);
	s.op = OP_DROP;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_REVOKED);
	rig_end(&rig);
}

static void
a_grant_that_finds_no_place_leaves_no_entry(void **state)
{
	struct rcap_grant grant = {
		.type = TYPE_FRAMES, .rights = RW, .environment = ENV,
		.node = 0, .base = 1, .count = 1
	};
	u32 entry;

	(void)state;
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig_connect(&rig);
	rig.node[1].places_max = 0;
	rig.node[0].tree[0].used = true;
	grant.peer = rig_peer(&rig, 0, 1);
	grant.incarnation = rig.node[1].incarnation;
	entry = rcap_export(rig.node[0].rcap, rig.now, &grant);
	assert_true(entry != RCAP_NONE);
	rig_run(&rig, NS_PER_SECOND / 4);
	assert_int_equal(rig.node[0].grants_ended, 1);
	assert_int_equal(rig.node[0].grant_code, CODE_PLACE);
	assert_null(rcap_entry(rig.node[0].rcap, entry));
	grant.incarnation ^= 2;
	assert_int_equal(rcap_export(rig.node[0].rcap, rig.now, &grant), RCAP_NONE);
	rig_end(&rig);
}

static void
a_slot_is_never_the_same_twice(void **state)
{
	u32 place = pair(1500), again;
	struct rcap_submit old = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);

	(void)state;
	rcap_unexport(rig.node[0].rcap, old.remote.slot);
	do_expect(&old, RCAP_NOT_DONE, CODE_REVOKED);
	old.remote.generation++;	// not given out yet
	do_expect(&old, RCAP_NOT_DONE, CODE_SLOT);
	old.remote.generation--;
	again = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	assert_int_equal(rig.node[1].place[again].remote.slot, old.remote.slot);
	do_expect(&old, RCAP_NOT_DONE, CODE_REVOKED);
	old.remote.generation += 2;
	do_expect(&old, RCAP_NOT_DONE, CODE_GENERATION);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_in_parts),
		cmocka_unit_test(reads_and_writes_whole),
		cmocka_unit_test(mcas_takes_the_first_clause_that_matches),
		cmocka_unit_test(mcas_on_sixteen_bytes),
		cmocka_unit_test(words_are_added_to_and_notified),
		cmocka_unit_test(messages_need_an_endpoint_and_a_buffer),
		cmocka_unit_test(blocks_in_parts),
		cmocka_unit_test(blocks_whole),
		cmocka_unit_test(slow_and_busy_disks_are_waited_for),
		cmocka_unit_test(blocks_that_others_overtake_are_not_asked_for_again),
		cmocka_unit_test(every_refusal_has_its_code_and_touches_nothing),
		cmocka_unit_test(senseless_submissions_are_not_taken),
		cmocka_unit_test(a_holder_derives_for_a_third_node_and_takes_it_back),
		cmocka_unit_test(a_grant_that_finds_no_place_leaves_no_entry),
		cmocka_unit_test(a_slot_is_never_the_same_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
