// SPDX-License-Identifier: BSD-2-Clause
// What version 1.2 added: frames taken out of a pool and given back, rights that are
// taken away from a capability and from what came from it, blocks that are trimmed,
// zeroed and written for good. Each with every refusal, and under loss.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c net/rcap/asked_rig.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c net/sodium/crypto.c
// links: net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "net/rcap/test_pair.h"

#define POOL_AT 16u		// pages of node 0 that are a pool
#define POOL 8u
#define THIRD 2u

static u32
pool(u8 rights)
{
	pair(1500);
	return rig_export(&rig, 0, 1, ENV, TYPE_POOL, rights, POOL_AT, POOL);
}

static struct rcap_submit
wants(u32 place, u64 base, u32 range, u32 count)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_ALLOC, 0, 0, 0);

	s.alloc = (struct wire_alloc){ .base = base, .range = range, .count = count,
				       .rights = RW, .word = 0x77 };
	return s;
}

// Returns the place of what came.
static u32
take(u32 place, u64 base, u32 range, u32 count, u64 at)
{
	struct rcap_submit s = wants(place, base, range, count);
	u32 before = rig.node[1].places;
	struct rcap_completion c = rig_do(&rig, 1, &s);

	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.old[0], at);
	rig_run(&rig, 20 * NS_PER_MS);
	assert_int_equal(rig.node[1].places, before + 1);
	assert_int_equal(rig.node[1].place[before].grant.word, 0x77);
	assert_int_equal(rig.node[1].place[before].grant.type, TYPE_FRAMES);
	assert_int_equal(rig.node[1].place[before].grant.count, count);
	return before;
}

static void
refused(struct rcap_submit s, enum wire_code code)
{
	do_expect(&s, RCAP_NOT_DONE, code);
}

static void
give(u32 place)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_DROP, 0, 0, 0);

	do_expect(&s, RCAP_DONE, CODE_NONE);
}

static void
frames_are_taken_used_and_given_back(void **state)
{
	u32 from = pool(ALL), first, second;
	struct rcap_submit s;

	(void)state;
	memset(rig.node[0].memory + POOL_AT * 4096, 0x5a, POOL * 4096);
	first = take(from, 0, POOL, 3, 0);
	second = take(from, 0, POOL, 2, 3);
	for (u32 i = 0; i < 3 * 4096; i++)		// nothing of who had them before
		assert_int_equal(rig.node[0].memory[POOL_AT * 4096 + i], 0);
	assert_int_equal(rig.node[0].memory[(POOL_AT + 5) * 4096], 0x5a);
	s = rig_submit(&rig, 1, second, OP_WRITE, 4096, 100, 0);
	fill(near(0), 100);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_memory_equal(rig.node[0].memory + (POOL_AT + 4) * 4096, near(0), 100);
	s.offset = 2 * 4096 - 99;
	refused(s, CODE_RANGE);
	refused(wants(from, 0, POOL, 4), CODE_FRAMES);
	take(from, 0, POOL, 3, 5);
	refused(wants(from, 0, POOL, 1), CODE_FRAMES);
	give(first);
	s = rig_submit(&rig, 1, first, OP_READ, 0, 8, 0);
	refused(s, CODE_REVOKED);
	take(from, 0, POOL, 1, 0);
	take(from, 0, POOL, 2, 1);
	rig_end(&rig);
}

// The pool itself is neither read nor written; nor are frames a pool.
static void
a_pool_is_no_memory(void **state)
{
	u32 from = pool(ALL), plain;

	(void)state;
	plain = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	refused(rig_submit(&rig, 1, from, OP_READ, 0, 8, 0), CODE_TYPE);
	refused(rig_submit(&rig, 1, from, OP_WRITE, 0, 8, 0), CODE_TYPE);
	refused(wants(plain, 0, 4, 1), CODE_TYPE);
	rig_end(&rig);
}

static void
what_an_allocation_may_ask_for(void **state)
{
	u32 from = pool(ALL), other;
	struct rcap_submit s;

	(void)state;
	other = rig_export(&rig, 0, 1, ENV, TYPE_POOL, RW, POOL_AT, POOL);
	refused(wants(other, 0, POOL, 1), CODE_RIGHTS);
	other = rig_export(&rig, 0, 1, ENV, TYPE_POOL, ALL & ~WIRE_RIGHT_READ, POOL_AT,
			   POOL);
	refused(wants(other, 0, POOL, 1), CODE_RIGHTS);		// to read, too
	s = wants(other, 0, POOL, 1);
	s.alloc.rights = WIRE_RIGHT_WRITE;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	refused(wants(from, POOL, 1, 1), CODE_RANGE);
	refused(wants(from, 1, POOL, 1), CODE_RANGE);
	refused(wants(from, ~0ull, 1, 1), CODE_RANGE);
	take(from, 5, 2, 2, 5);			// by number, where the asker wants it
	refused(wants(from, 4, 3, 2), CODE_FRAMES);
	s = wants(from, 0, POOL, 0);
	assert_false(rcap_sensible(&s));
	s = wants(from, 0, POOL, WIRE_ALLOC_MAX + 1);
	assert_false(rcap_sensible(&s));
	s = wants(from, 0, 1, 2);
	assert_false(rcap_sensible(&s));
	s = wants(from, 0, WIRE_ALLOC_RANGE + 1, 1);
	assert_false(rcap_sensible(&s));
	rig_end(&rig);
}

// While what was given up is being cleaned up, who asks waits instead of being refused.
static void
frames_that_are_coming_back_are_waited_for(void **state)
{
	u32 from = pool(ALL), first, before;
	struct rcap_submit s = { 0 };

	(void)state;
	first = take(from, 0, POOL, POOL, 0);
	rig.node[0].unclean = true;
	give(first);
	before = rig.node[1].completions;
	s = wants(from, 0, POOL, 1);
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, NS_PER_SECOND);
	assert_int_equal(rig.node[1].completions, before);
	rig.node[0].unclean = false;
	assert_true(rig_wait(&rig, 1, before + 1, NS_PER_SECOND));
	assert_int_equal(rig.node[1].completion[before].outcome, RCAP_DONE);
	rig_end(&rig);
}

// No place for what was taken, a pool that goes, an asker that dies: the frames come
// back.
static void
frames_in_transit_come_back(void **state)
{
	u32 from = pool(ALL), one;
	struct rcap_submit s;

	(void)state;
	rig.node[1].places_max = rig.node[1].places;
	s = wants(from, 0, POOL, POOL);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig_run(&rig, 50 * NS_PER_MS);
	assert_int_equal(rig.node[0].grant_code, CODE_PLACE);
	rig.node[1].places_max = RIG_PLACES;
	one = take(from, 0, POOL, POOL, 0);
	rig_crash(&rig, 1);
	rig_boot(&rig, 1);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	from = rig_export(&rig, 0, 1, ENV, TYPE_POOL, ALL, POOL_AT, POOL);
	one = take(from, 0, POOL, POOL, 0);
	rig_revoke(&rig, 0, 0);				// what the first export came from
	s = rig_submit(&rig, 1, one, OP_READ, 0, 8, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig_end(&rig);
}

static void
a_pool_takes_along_what_was_taken_from_it(void **state)
{
	u32 from, one;
	u32 root;

	(void)state;
	pair(1500);
	root = rig_root(&rig, 0);
	from = rig_export_below(&rig, 0, root, 1, ENV, TYPE_POOL, ALL, POOL_AT, POOL);
	one = take(from, 0, POOL, 2, 0);
	rcap_host_revoke(&rig.node[0], root, false);
	refused(rig_submit(&rig, 1, one, OP_READ, 0, 8, 0), CODE_REVOKED);
	refused(wants(from, 0, POOL, 1), CODE_REVOKED);
	rig_end(&rig);
}

static u32
entry_of(u32 place)
{
	return rig.node[1].place[place].remote.slot;
}

static void
ends_behind(u32 place, u64 pages)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, pages * 4096, 8, 0);

	refused(s, CODE_RANGE);
	s.offset = pages * 4096 - 8;
	do_expect(&s, RCAP_DONE, CODE_NONE);
}

// What of an allocation is given up, taken by force, or lost with the pool's end is the
// pool's again, to the last frame, and nobody has it twice.
static void
parts_of_an_allocation_come_back(void **state)
{
	u32 from = pool(ALL), first = take(from, 0, POOL, 4, 0), second, third;
	struct rcap_submit s = rig_submit(&rig, 1, first, OP_RELEASE, 1, 0, 0);
	struct rcap_ask ask = { .count = 3 };

	(void)state;
	refused(wants(from, 0, POOL, 5), CODE_FRAMES);
	memset(rig.node[0].memory + POOL_AT * 4096, 0x5a, POOL * 4096);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	ends_behind(first, 1);
	second = take(from, 0, POOL, 7, 1);
	for (u32 i = 4096; i < POOL * 4096; i++)
		assert_int_equal(rig.node[0].memory[POOL_AT * 4096 + i], 0);
	refused(wants(from, 0, POOL, 1), CODE_FRAMES);

	ask.entry = entry_of(second);
	ask.deadline = rig.now + NS_PER_SECOND / 10;
	assert_int_equal(rcap_recall(rig.node[0].rcap, rig.now, &ask), CODE_NONE);
	refused(wants(from, 0, POOL, 1), CODE_FRAMES);		// until then it has them
	rig_run(&rig, NS_PER_SECOND / 5);
	ends_behind(second, 4);
	third = take(from, 0, POOL, 3, 5);
	refused(wants(from, 0, POOL, 1), CODE_FRAMES);

	rcap_host_shorten(&rig.node[0], rcap_entry(rig.node[0].rcap,
						   entry_of(from))->node, 3);
	ends_behind(first, 1);
	ends_behind(second, 2);
	refused(rig_submit(&rig, 1, third, OP_READ, 0, 8, 0), CODE_REVOKED);
	refused(wants(from, 0, 3, 1), CODE_FRAMES);
	refused(wants(from, 0, 4, 1), CODE_RANGE);
	give(first);
	give(second);
	take(from, 0, 3, 3, 0);
	rig_end(&rig);
}

// Answers are lost and told again: as many frames are taken as were asked for.
static void
exactly_once_under_loss(void **state)
{
	u32 from = pool(ALL), done = 0;

	(void)state;
	rig.loss = rig.repeat = 250;
	for (u32 i = 0; i < POOL; i++) {
		struct rcap_submit s = wants(from, 0, POOL, 1);
		struct rcap_completion c = rig_do(&rig, 1, &s);

		expect(&c, RCAP_DONE, CODE_NONE);
		assert_false(done >> c.old[0] & 1);
		done |= 1u << c.old[0];
	}
	assert_int_equal(done, (1u << POOL) - 1);
	rig.loss = rig.repeat = 0;
	refused(wants(from, 0, POOL, 1), CODE_FRAMES);
	rig_end(&rig);
}

// ---- fewer rights

static u32
three(u8 rights)
{
	struct rcap_submit s;
	u32 place;

	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	s = rig_submit(&rig, 1, place, OP_DERIVE, 0, 0, 0);
	s.derive = (struct wire_derive){
		.incarnation = rig.node[THIRD].incarnation,
		.environment = 9, .rights = rights, .count = 4,
	};
	memset(s.derive.uuid, THIRD + 1, 16);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig_run(&rig, NS_PER_SECOND / 4);
	assert_int_equal(rig.node[THIRD].places, 1);
	return place;
}

static struct rcap_submit
keeps(u32 place, u32 slot, u32 generation, u8 rights)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_PROTECT, 0, 0, 0);

	s.protect = (struct wire_protect){ slot, generation, rights, 0, 0 };
	return s;
}

static void
third(u8 op, enum wire_code code)
{
	struct rcap_submit s = rig_submit(&rig, THIRD, 0, op, 0, 8, 0);
	struct rcap_completion c = rig_do(&rig, THIRD, &s);

	assert_int_equal(c.code, code);
}

static void
rights_are_taken_from_another(void **state)
{
	u32 place = three(RW);
	const struct rcap_remote *theirs = &rig.node[THIRD].place[0].remote;
	struct rcap_submit s = keeps(place, theirs->slot, theirs->generation,
				     WIRE_RIGHT_READ);

	(void)state;
	third(OP_WRITE, CODE_NONE);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	third(OP_WRITE, CODE_RIGHTS);
	third(OP_FETCH_ADD, CODE_RIGHTS);
	third(OP_READ, CODE_NONE);
	s.protect.rights = RW;				// they only go
	refused(s, CODE_RIGHTS);
	s.protect.rights = 0;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	third(OP_READ, CODE_RIGHTS);
	s = rig_submit(&rig, 1, place, OP_WRITE, 0, 8, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);		// the one above keeps its own
	rig_end(&rig);
}

static void
rights_are_taken_from_all_below(void **state)
{
	u32 place = three(RW);
	struct rcap_submit s = keeps(place, WIRE_SLOT_NONE, 0,
				     WIRE_RIGHT_READ | WIRE_RIGHT_DERIVE);

	(void)state;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	third(OP_WRITE, CODE_RIGHTS);
	third(OP_READ, CODE_NONE);
	refused(rig_submit(&rig, 1, place, OP_WRITE, 0, 8, 0), CODE_RIGHTS);
	s = rig_submit(&rig, 1, place, OP_HOLDERS, 0, 64, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(near(WIRE_LENGTH(holders))[offsetof(struct wire_holder_layout,
							     rights)],
			 WIRE_RIGHT_READ);		// as it is now
	s = rig_submit(&rig, 1, place, OP_DERIVE, 0, 0, 0);
	s.derive = (struct wire_derive){
		.incarnation = rig.node[THIRD].incarnation, .environment = 9,
		.rights = RW, .count = 1,
	};
	memset(s.derive.uuid, THIRD + 1, 16);
	refused(s, CODE_RIGHTS);			// nor are they passed on
	rig_end(&rig);
}

static void
whose_rights_may_be_taken(void **state)
{
	u32 place = three(ALL), other;
	const struct rcap_remote *theirs = &rig.node[THIRD].place[0].remote;
	struct rcap_submit s;

	(void)state;
	refused(keeps(place, theirs->slot, theirs->generation + 1, 0), CODE_ENTRY);
	refused(keeps(place, 1000, 1, 0), CODE_ENTRY);
	refused(keeps(place, rig.node[1].place[place].remote.slot, 1, 0), CODE_ENTRY);
	refused(keeps(place, WIRE_SLOT_NONE, 1, 0), CODE_ENTRY);
	refused(keeps(place, theirs->slot, theirs->generation, 255), CODE_RIGHTS);
	other = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	refused(keeps(other, theirs->slot, theirs->generation, 0), CODE_ENTRY);
	other = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	refused(keeps(other, theirs->slot, theirs->generation, 0), CODE_RIGHTS);
	s = keeps(other, WIRE_SLOT_NONE, 0, WIRE_RIGHT_READ);	// its own it may
	do_expect(&s, RCAP_DONE, CODE_NONE);
	refused(rig_submit(&rig, 1, other, OP_WRITE, 0, 8, 0), CODE_RIGHTS);
	third(OP_WRITE, CODE_NONE);
	rig_end(&rig);
}

// ---- blocks

static void
blocks_are_zeroed_and_trimmed(void **state)
{
	u32 place;
	struct rcap_submit s;

	(void)state;
	pair(1500);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 6);
	memset(rig.node[0].disk, 0x5a, RIG_BLOCKS * 4096);
	s = rig_submit(&rig, 1, place, OP_BLOCK_ZERO, 4096, 3 * 4096, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	for (u32 i = 0; i < RIG_BLOCKS * 4096; i++)
		assert_int_equal(rig.node[0].disk[i],
				 i >= 5 * 4096 && i < 8 * 4096 ? 0 : 0x5a);
	s = rig_submit(&rig, 1, place, OP_BLOCK_TRIM, 5 * 4096, 4096, 0);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(rig.node[0].disk[9 * 4096 - 1], 0x5a);
	assert_int_equal(rig.node[0].disk[9 * 4096], 0xee);
	assert_int_equal(rig.node[0].disk[10 * 4096], 0x5a);
	s.length = 2 * 4096;
	refused(s, CODE_RANGE);
	s.offset = 512;
	s.length = 4096;
	refused(s, CODE_ALIGNMENT);
	s.length = 4097;
	assert_false(rcap_sensible(&s));
	s.length = (1u << 20) + 4096;
	assert_false(rcap_sensible(&s));
	rig.node[0].unable = true;
	s = rig_submit(&rig, 1, place, OP_BLOCK_ZERO, 0, 4096, 0);
	refused(s, CODE_UNABLE);
	s.op = OP_BLOCK_TRIM;
	refused(s, CODE_UNABLE);
	rig.node[0].unable = false;
	rig.node[0].block_fails = true;
	do_expect(&s, RCAP_UNKNOWN_FINAL, CODE_DEVICE);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, WIRE_RIGHT_READ, 4, 6);
	refused(rig_submit(&rig, 1, place, OP_BLOCK_ZERO, 0, 4096, 0), CODE_RIGHTS);
	rig_end(&rig);
}

// The last blocks of a long operation are the disk's as well as its first.
static void
a_long_operation_holds_all_its_blocks(void **state)
{
	u32 place;
	struct rcap_submit s;

	(void)state;
	pair(1500);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 6);
	rig.node[0].block_ns = NS_PER_SECOND;
	s = rig_submit(&rig, 1, place, OP_BLOCK_ZERO, 4096, 3 * 4096, 0);
	assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	rig_run(&rig, 100 * NS_PER_MS);
	assert_false(rcap_blocks_busy(rig.node[0].rcap, 0, 5));
	assert_true(rcap_blocks_busy(rig.node[0].rcap, 5, 1));
	assert_true(rcap_blocks_busy(rig.node[0].rcap, 7, 5));
	assert_false(rcap_blocks_busy(rig.node[0].rcap, 8, 5));
	rig_run(&rig, 2 * NS_PER_SECOND);
	assert_false(rcap_blocks_busy(rig.node[0].rcap, 0, RIG_BLOCKS));
	rig_end(&rig);
}

static void
written_for_good(u16 mtu)
{
	u32 place;
	struct rcap_submit s;

	pair(mtu);
	place = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, RW, 4, 6);
	s = rig_submit(&rig, 1, place, OP_BLOCK_FUA, 4096, 4096, 8192);
	fill(near(8192), 4096);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_memory_equal(rig.node[0].disk + 5 * 4096, near(8192), 4096);
	assert_int_equal(rig.node[0].flushed, 1);
	s.offset = 6 * 4096;
	refused(s, CODE_RANGE);
	s.offset = 8;
	refused(s, CODE_ALIGNMENT);
	s.offset = 0;
	rig.loss = 200;
	do_expect(&s, RCAP_DONE, CODE_NONE);
	assert_int_equal(rig.node[0].flushed, 2);
	rig_end(&rig);
}

static void
blocks_are_written_for_good(void **state)
{
	(void)state;
	written_for_good(1500);
	written_for_good(9000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_taken_used_and_given_back),
		cmocka_unit_test(a_pool_is_no_memory),
		cmocka_unit_test(what_an_allocation_may_ask_for),
		cmocka_unit_test(frames_that_are_coming_back_are_waited_for),
		cmocka_unit_test(frames_in_transit_come_back),
		cmocka_unit_test(a_pool_takes_along_what_was_taken_from_it),
		cmocka_unit_test(parts_of_an_allocation_come_back),
		cmocka_unit_test(exactly_once_under_loss),
		cmocka_unit_test(rights_are_taken_from_another),
		cmocka_unit_test(rights_are_taken_from_all_below),
		cmocka_unit_test(whose_rights_may_be_taken),
		cmocka_unit_test(blocks_are_zeroed_and_trimmed),
		cmocka_unit_test(a_long_operation_holds_all_its_blocks),
		cmocka_unit_test(blocks_are_written_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
