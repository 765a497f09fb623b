// SPDX-License-Identifier: BSD-2-Clause
// Tickets: made by a holder without a word to the owner, redeemed once by whom they
// name, refused each with its own code when they were altered, spent, expired, stolen, or
// say more than their maker has. ticket_lives_test.c has what deaths and partitions do.
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

#include "net/rcap/test_ticket.h"

#define FORGED 2000u

// ---- what a ticket is good for

static void
it_becomes_a_child_of_its_makers(void **state)
{
	const struct rig_node *n = &rig.node[REDEEMER];
	const struct rcap_export *above, *below;
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	fill(far(4096), 64);
	redeems(ticket);
	assert_int_equal(n->place[0].grant.word, WORD);
	assert_int_equal(n->place[0].grant.count, 2);
	assert_int_equal(n->place[0].grant.rights, WIRE_RIGHT_READ);
	third_expects(OP_READ, 0, CODE_NONE);
	assert_memory_equal(n->memory, far(4096), 8);	// the maker's second page
	third_expects(OP_READ, 8192, CODE_RANGE);
	third_expects(OP_WRITE, 0, CODE_RIGHTS);
	above = rcap_entry(rig.node[OWNER].rcap,
			   rig.node[MAKER].place[place].remote.slot);
	below = rcap_entry(rig.node[OWNER].rcap, n->place[0].remote.slot);
	assert_true(rcap_host_below(&rig.node[OWNER], below->node, above->node));
	rcap_host_revoke(&rig.node[OWNER], above->node, false);
	third_expects(OP_READ, 0, CODE_REVOKED);
	rig_end(&rig);
}

// What was redeemed with DERIVE makes tickets of its own.
static void
it_is_passed_on(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(4);
	terms.rights = ALL;
	make(1, MINUTE_NS, ticket);
	redeems(ticket);
	terms.rights = WIRE_RIGHT_READ;
	terms.incarnation = rig.node[STRANGER].incarnation;
	memset(terms.uuid, STRANGER + 1, 16);
	terms.base = 0;
	rcap_ticket_write(rig.node[REDEEMER].rcap, rig.now,
			  &(struct rcap_ticket_terms){
				  .remote = &rig.node[REDEEMER].place[0].remote,
				  .secret = &rig.node[REDEEMER].place[0].secret,
				  .to = &terms, .lifetime_ns = MINUTE_NS,
				  .environment = WHO, .serial = 1,
			  }, ticket);
	redeem_as(STRANGER, WHO, ticket, RCAP_DONE, CODE_NONE);
	rig_run(&rig, 10 * NS_PER_MS);
	assert_int_equal(rig.node[STRANGER].places, 1);
	rig_revoke(&rig, OWNER, rcap_entry(rig.node[OWNER].rcap,
			rig.node[MAKER].place[place].remote.slot)->node);
	struct rcap_submit s = rig_submit(&rig, STRANGER, 0, OP_READ, 0, 8, 0);
	struct rcap_completion c = rig_do(&rig, STRANGER, &s);

	expect(&c, RCAP_NOT_DONE, CODE_REVOKED);
	rig_end(&rig);
}

// The maker is cut off from everybody: it sends nothing for it, and nobody is asked.
static void
the_owner_is_not_asked(void **state)
{
	u8 ticket[LEN];
	u64 sent;

	(void)state;
	begin(3);
	for (u32 i = 0; i < 3; i++)
		rig.cut[MAKER][i] = rig.cut[i][MAKER] = true;
	rig_run(&rig, 5 * NS_PER_SECOND);
	sent = rig.node[MAKER].sent;
	make(1, MINUTE_NS, ticket);
	assert_int_equal(rig.node[MAKER].sent, sent);
	redeems(ticket);
	third_expects(OP_READ, 0, CODE_NONE);
	rig_end(&rig);
}

// ---- once

static void
it_is_good_once(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	redeems(ticket);
	refused(ticket, CODE_SPENT);
	refused(ticket, CODE_SPENT);
	rig_end(&rig);
}

// In whatever order: against a list of those that were redeemed.
static void
serials_agree_with_a_list(void **state)
{
	static bool spent[401];
	u8 ticket[LEN];
	u32 newest = 0;

	(void)state;
	begin(3);
	memset(spent, 0, sizeof(spent));
	rig.node[REDEEMER].places_max = RIG_PLACES;
	for (u32 i = 0; i < 600; i++) {
		u32 low = newest > 40 ? newest - 40 : 0;
		u32 serial = MIN(low + 1 + (u32)prng_below(&rig.prng, 44), 400u);
		bool gone = spent[serial] || newest >= serial + RCAP_TICKETS;

		make(serial, MINUTE_NS, ticket);
		if (gone) {
			refused(ticket, CODE_SPENT);
			continue;
		}
		redeems(ticket);
		spent[serial] = true;
		newest = MAX(newest, serial);
		give_up(REDEEMER);
	}
	assert_true(newest > RCAP_TICKETS + 8);
	rig_end(&rig);
}

// Lost and doubled frames change nothing of it.
static void
it_is_good_once_through_loss(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	rig.loss = 200;
	rig.repeat = 200;
	rig.delay = 300;
	for (u32 i = 1; i <= 8; i++) {
		make(i, MINUTE_NS, ticket);
		redeems(ticket);
		refused(ticket, CODE_SPENT);
	}
	rig_end(&rig);
}

// ---- refused

static void
no_bit_of_it_can_be_changed(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	for (u32 bit = 0; bit < 8 * LEN; bit++) {
		struct rcap_submit s;
		struct rcap_completion c;
		u32 at = bit / 8;

		ticket[at] ^= (u8)(1u << bit % 8);
		s = redemption(REDEEMER, WHO, ticket);
		c = rig_do(&rig, REDEEMER, &s);
		assert_int_equal(c.outcome, RCAP_NOT_DONE);
		if (at >= 16 && at < 24)
			assert_int_equal(c.code, CODE_INCARNATION);
		else if (at >= 40 && at < 48)
			assert_int_equal(c.code, CODE_LIFE);
		else if (at < 52 || at >= 60)
			assert_int_equal(c.code, CODE_TICKET);
		ticket[at] ^= (u8)(1u << bit % 8);
	}
	assert_int_equal(rig.node[REDEEMER].places, 0);
	redeems(ticket);
	rig_end(&rig);
}

// Who holds a capability of the same owner has a secret, and not this one.
static void
another_holder_cannot_make_it(void **state)
{
	const struct rig_place *own;
	u8 ticket[LEN], mine[LEN];
	u64 word;

	(void)state;
	begin(3);
	own = &rig.node[REDEEMER].place[rig_export(&rig, OWNER, REDEEMER, WHO,
						   TYPE_FRAMES, ALL, 16, 1)];
	make(1, MINUTE_NS, ticket);
	rcap_ticket_write(rig.node[MAKER].rcap, rig.now,
			  &(struct rcap_ticket_terms){
				  .remote = &rig.node[MAKER].place[place].remote,
				  .secret = &own->secret, .to = &terms,
				  .lifetime_ns = MINUTE_NS, .environment = ENV,
				  .serial = 1,
			  }, mine);
	assert_memory_equal(mine, ticket, 112);
	refused(mine, CODE_TICKET);
	for (u32 i = 0; i < FORGED; i++) {
		struct rcap_submit s;
		struct rcap_completion c;

		for (u32 half = 0; half < 2; half++) {
			word = prng_u64(&rig.prng);
			memcpy(mine + LEN - 16 + half * 8, &word, 8);
		}
		s = redemption(REDEEMER, WHO, mine);
		c = rig_do(&rig, REDEEMER, &s);
		expect(&c, RCAP_NOT_DONE, CODE_TICKET);
	}
	rig_end(&rig);
}

static void
nobody_else_redeems_it(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(4);
	make(1, MINUTE_NS, ticket);
	redeem_as(REDEEMER, WHO + 1, ticket, RCAP_NOT_DONE, CODE_HOLDER);
	redeem_as(STRANGER, WHO, ticket, RCAP_NOT_DONE, CODE_HOLDER);
	redeem_as(MAKER, WHO, ticket, RCAP_NOT_DONE, CODE_HOLDER);
	assert_int_equal(rig.node[STRANGER].places, 0);
	redeems(ticket);
	rig_end(&rig);
}

static void
its_time_is_over(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, 300 * NS_PER_MS, ticket);
	rig_run(&rig, 290 * NS_PER_MS);
	redeems(ticket);
	make(2, 300 * NS_PER_MS, ticket);
	rig_run(&rig, 301 * NS_PER_MS);
	refused(ticket, CODE_EXPIRED);
	// A lifetime beyond the end of all clocks is one until then.
	make(3, ~0ull, ticket);
	rig_run(&rig, 3 * NS_PER_SECOND);
	redeems(ticket);
	rig_end(&rig);
}

// A kernel that signs more than its node has.
static void
more_than_the_maker_has_is_refused(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	terms.rights = ALL | 4;
	make(1, MINUTE_NS, ticket);
	refused(ticket, CODE_RIGHTS);
	terms.rights = RW;
	terms.base = 3;
	make(1, MINUTE_NS, ticket);
	refused(ticket, CODE_RANGE);
	terms.base = 4;
	terms.count = 1;
	make(1, MINUTE_NS, ticket);
	refused(ticket, CODE_RANGE);
	terms.base = 0;
	terms.count = 0;
	make(1, MINUTE_NS, ticket);
	refused(ticket, CODE_RANGE);
	place = rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, RW, 8, 4);
	terms.count = 1;
	make(1, MINUTE_NS, ticket);
	refused(ticket, CODE_RIGHTS);		// without DERIVE
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_becomes_a_child_of_its_makers),
		cmocka_unit_test(it_is_passed_on),
		cmocka_unit_test(the_owner_is_not_asked),
		cmocka_unit_test(it_is_good_once),
		cmocka_unit_test(serials_agree_with_a_list),
		cmocka_unit_test(it_is_good_once_through_loss),
		cmocka_unit_test(no_bit_of_it_can_be_changed),
		cmocka_unit_test(another_holder_cannot_make_it),
		cmocka_unit_test(nobody_else_redeems_it),
		cmocka_unit_test(its_time_is_over),
		cmocka_unit_test(more_than_the_maker_has_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
