// SPDX-License-Identifier: BSD-2-Clause
// Who holds what came from a capability, and taking it back from one of them: asked by
// the owner's host and by a holder, with holders alive and dead.
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

#define THIRD 2u		// the node that node 1 derives for

static struct wire_holders head;
static struct wire_holder holder[WIRE_HOLDERS_MAX];

// Node 1 holds 4 pages, from 8 on, and has `count` parts derived for node THIRD.
static u32
three(u32 count)
{
	struct rcap_submit s;
	u32 place;

	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	for (u32 i = 0; i < count; i++) {
		s = rig_submit(&rig, 1, place, OP_DERIVE, 0, 0, 0);
		s.derive = (struct wire_derive){
			.incarnation = rig.node[THIRD].incarnation,
			.environment = 9 + i, .rights = WIRE_RIGHT_READ,
			.base = i % 4, .count = 1,
		};
		memset(s.derive.uuid, THIRD + 1, 16);
		do_expect(&s, RCAP_DONE, CODE_NONE);
	}
	rig_run(&rig, NS_PER_SECOND / 4);
	assert_int_equal(rig.node[THIRD].places, count);
	return place;
}

static void
ask(u32 place, u64 from, u32 room)
{
	struct rcap_submit s =
		rig_submit(&rig, 1, place, OP_HOLDERS, from,
			   WIRE_LENGTH(holders) + room * WIRE_LENGTH(holder), 0);
	struct rcap_completion c = rig_do(&rig, 1, &s);

	expect(&c, RCAP_DONE, CODE_NONE);
	assert_int_equal(c.length, s.length);
	wire_holders_load(&head, near(0));
	assert_true(head.count <= room);
	for (u32 i = 0; i < head.count; i++)
		wire_holder_load(&holder[i], near(WIRE_LENGTH(holders) +
						  i * WIRE_LENGTH(holder)));
}

// With the part that lies in a slot of the owner's: they may have come in any order.
static struct rcap_completion
third_reads(u32 slot)
{
	const struct rig_node *n = &rig.node[THIRD];
	struct rcap_submit s;
	u32 place = 0;

	while (n->place[place].remote.slot != slot)
		assert_true(++place < n->places);
	s = rig_submit(&rig, THIRD, place, OP_READ, 0, 8, 0);
	return rig_do(&rig, THIRD, &s);
}

static void
expel(u32 place, u32 slot, u32 generation, enum rcap_outcome outcome,
      enum wire_code code)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_EXPEL, 0, 0, 0);

	s.expel = (struct wire_expel){ slot, generation };
	do_expect(&s, outcome, code);
}

static void
a_holder_is_told_who_holds_its_parts(void **state)
{
	u32 place = three(7), told = 0;

	(void)state;
	for (head.next = 0; told < 7; told += head.count) {
		ask(place, head.next, 3);
		assert_true(head.count >= 1);
		for (u32 i = 0; i < head.count; i++) {
			assert_int_equal(holder[i].uuid[0], THIRD + 1);
			assert_int_equal(holder[i].incarnation,
					 rig.node[THIRD].incarnation);
			assert_int_equal(holder[i].environment, 9 + told + i);
			assert_int_equal(holder[i].base, (told + i) % 4);
			assert_int_equal(holder[i].count, 1);
			assert_int_equal(holder[i].rights, WIRE_RIGHT_READ);
			assert_int_equal(holder[i].type, TYPE_FRAMES);
			assert_int_equal(holder[i].alive, 1);
		}
	}
	assert_int_equal(told, 7);
	if (head.next) {
		ask(place, head.next, 3);
		assert_int_equal(head.count, 0);
	}
	assert_int_equal(head.next, 0);
	rig_end(&rig);
}

static void
one_is_expelled_and_the_others_stay(void **state)
{
	u32 place = three(3);
	u32 slot[3];

	(void)state;
	ask(place, 0, WIRE_HOLDERS_MAX);
	assert_int_equal(head.count, 3);
	for (u32 i = 0; i < 3; i++)
		slot[i] = holder[i].slot;
	expel(place, slot[1], 2, RCAP_NOT_DONE, CODE_ENTRY);
	expel(place, 1000, 1, RCAP_NOT_DONE, CODE_ENTRY);
	expel(place, rig.node[1].place[place].remote.slot, 1, RCAP_NOT_DONE,
	      CODE_ENTRY);			// its own is not below itself
	assert_int_equal(third_reads(slot[1]).outcome, RCAP_DONE);
	expel(place, slot[1], 1, RCAP_DONE, CODE_NONE);
	assert_int_equal(third_reads(slot[0]).outcome, RCAP_DONE);
	assert_int_equal(third_reads(slot[1]).code, CODE_REVOKED);
	assert_int_equal(third_reads(slot[2]).outcome, RCAP_DONE);
	ask(place, 0, WIRE_HOLDERS_MAX);
	assert_int_equal(head.count, 2);
	rig_end(&rig);
}

// Nor may anybody ask, or expel, what does not come from a capability of theirs.
static void
others_are_nobodys_business(void **state)
{
	u32 place = three(1), other;
	struct rcap_submit s;

	(void)state;
	other = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, RW, 8, 4);
	s = rig_submit(&rig, 1, other, OP_HOLDERS, 0, 64, 0);
	do_expect(&s, RCAP_NOT_DONE, CODE_RIGHTS);
	other = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	ask(other, 0, 4);
	assert_int_equal(head.count, 0);
	ask(place, 0, 4);
	assert_int_equal(head.count, 1);
	expel(other, holder[0].slot, holder[0].generation, RCAP_NOT_DONE, CODE_ENTRY);
	assert_int_equal(third_reads(holder[0].slot).outcome, RCAP_DONE);
	rig_end(&rig);
}

// A dead holder is told of as such, and expelled without being waited for.
static void
the_dead_are_expelled_as_fast(void **state)
{
	u32 place = three(2);
	u64 began;

	(void)state;
	rig_crash(&rig, THIRD);
	rig_run(&rig, 3 * NS_PER_SECOND);
	ask(place, 0, 4);
	assert_int_equal(head.count, 2);
	assert_int_equal(holder[0].alive, 0);
	began = rig.now;
	expel(place, holder[0].slot, holder[0].generation, RCAP_DONE, CODE_NONE);
	assert_true(rig.now - began < NS_PER_MS);
	ask(place, 0, 4);
	assert_int_equal(head.count, 1);
	rig_end(&rig);
}

// The host removes a node whose GRANT is on its way: the entry is there until that ends,
// and nobody may take it for one of what is in the node's place.
static void
an_entry_may_outlive_its_node(void **state)
{
	u32 place = three(0), slot;
	const struct rcap_export *entry;
	struct rcap_submit s;

	(void)state;
	rig.cut[0][THIRD] = rig.cut[THIRD][0] = true;
	s = rig_submit(&rig, 1, place, OP_DERIVE, 0, 0, 0);
	s.derive = (struct wire_derive){
		.incarnation = rig.node[THIRD].incarnation,
		.environment = 9, .rights = WIRE_RIGHT_READ, .count = 1,
	};
	memset(s.derive.uuid, THIRD + 1, 16);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	slot = !rig.node[1].place[place].remote.slot;
	entry = rcap_entry(rig.node[0].rcap, slot);
	assert_non_null(entry);
	ask(place, 0, 3);
	assert_int_equal(head.count, 1);
	rig.node[0].tree[entry->node].used = false;
	ask(place, 0, 3);
	assert_int_equal(head.count, 0);
	expel(place, slot, entry->generation, RCAP_NOT_DONE, CODE_ENTRY);
	assert_ptr_equal(entry, rcap_entry(rig.node[0].rcap, slot));
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_holder_is_told_who_holds_its_parts),
		cmocka_unit_test(one_is_expelled_and_the_others_stay),
		cmocka_unit_test(others_are_nobodys_business),
		cmocka_unit_test(the_dead_are_expelled_as_fast),
		cmocka_unit_test(an_entry_may_outlive_its_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
