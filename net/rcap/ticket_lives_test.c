// SPDX-License-Identifier: BSD-2-Clause
// What becomes of tickets when the owner, the maker or the redeemer dies, comes back, is
// cut off or has no room; what the wire shows of the secret that signs them; and nodes
// that speak an older version.
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

// ---- the maker

static void
the_maker_lost_it(void **state)
{
	const struct rcap_export *entry;
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	entry = rcap_entry(rig.node[OWNER].rcap,
			   rig.node[MAKER].place[place].remote.slot);
	rig_revoke(&rig, OWNER, entry->node);
	refused(ticket, CODE_REVOKED);
	// Cleaned up behind it, and the slot given to somebody else.
	rcap_unexport(rig.node[OWNER].rcap,
		      rig.node[MAKER].place[place].remote.slot);
	refused(ticket, CODE_REVOKED);
	rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, ALL, 8, 4);
	refused(ticket, CODE_REVOKED);
	rig_end(&rig);
}

// Dead, its word stands; in another life it does not, and what came of it goes.
static void
the_maker_dies_and_comes_back(void **state)
{
	u8 first[LEN], second[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, first);
	make(2, MINUTE_NS, second);
	rig_crash(&rig, MAKER);
	rig_run(&rig, 3 * NS_PER_SECOND);
	redeems(first);
	third_expects(OP_READ, 0, CODE_NONE);
	rig_boot(&rig, MAKER);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	third_expects(OP_READ, 0, CODE_REVOKED);
	refused(second, CODE_LIFE);
	rig_end(&rig);
}

// ---- the redeemer

static void
the_redeemer_lives_another_life(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	rig_crash(&rig, REDEEMER);
	rig_boot(&rig, REDEEMER);
	rig_run(&rig, 3 * NS_PER_SECOND);
	rig_connect(&rig);
	refused(ticket, CODE_HOLDER);
	rig_end(&rig);
}

// It redeemed, and died before it got anything: what was derived is taken back.
static void
the_redeemer_dies_meanwhile(void **state)
{
	struct rig_node *owner = &rig.node[OWNER];
	struct rcap_submit s;
	u8 ticket[LEN];
	u32 id, ended;

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	ended = owner->grants_ended;
	s = redemption(REDEEMER, WHO, ticket);
	id = rcap_submit(rig.node[REDEEMER].rcap, rig.now, &s);
	assert_int_not_equal(id, RCAP_NONE);
	rig.cut[OWNER][REDEEMER] = true;		// the request gets there
	rig_run(&rig, NS_PER_MS);
	assert_int_equal(rcap_counters(owner->rcap)->executed[OP_REDEEM], 1);
	rig_crash(&rig, REDEEMER);
	rig_run(&rig, 5 * NS_PER_SECOND);
	assert_int_equal(owner->grants_ended, ended + 1);
	assert_int_equal(owner->grant_code, CODE_SESSION);
	rig_end(&rig);
}

// It is told that it may have run, and holds nothing; the ticket is spent.
static void
a_partition_comes_between(void **state)
{
	struct rcap_submit s;
	struct rcap_completion c;
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	s = redemption(REDEEMER, WHO, ticket);
	rig.cut[OWNER][REDEEMER] = true;
	c = rig_do(&rig, REDEEMER, &s);
	expect(&c, RCAP_UNKNOWN_FINAL, CODE_SESSION);
	rig_run(&rig, 5 * NS_PER_SECOND);
	rig.cut[OWNER][REDEEMER] = false;
	rig_run(&rig, 3 * NS_PER_SECOND);
	refused(ticket, CODE_SPENT);
	rig_end(&rig);
}

// No place: the grant comes back, and the ticket is spent. A host asks before.
static void
the_redeemer_has_no_place(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	rig.node[REDEEMER].places_max = 0;
	redeem_as(REDEEMER, WHO, ticket, RCAP_DONE, CODE_NONE);
	rig_run(&rig, 10 * NS_PER_MS);
	assert_int_equal(rig.node[OWNER].grant_code, CODE_PLACE);
	rig.node[REDEEMER].places_max = RIG_PLACES;
	refused(ticket, CODE_SPENT);
	rig_end(&rig);
}

// ---- the owner

static void
the_owner_lives_another_life(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	rig_crash(&rig, OWNER);
	rig_boot(&rig, OWNER);
	rig_run(&rig, 4 * NS_PER_SECOND);
	rig_connect(&rig);
	rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, ALL, 8, 4);
	refused(ticket, CODE_INCARNATION);
	rig_end(&rig);
}

// A full table refuses, and the ticket stays good.
static void
the_owner_has_no_room(void **state)
{
	u8 ticket[LEN];
	u32 last = 0;

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	for (u32 i = 1; i < RIG_EXPORTS; i++)
		last = rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, RW, 8, 4);
	refused(ticket, CODE_TABLE);
	rcap_unexport(rig.node[OWNER].rcap,
		      rig.node[MAKER].place[last].remote.slot);
	redeems(ticket);
	rig_end(&rig);
}

// ---- on the wire

static bool
heard(const struct rig_frame *frame, const void *bytes, u32 len)
{
	for (u32 at = 0; at + len <= frame->len; at++) {
		if (!memcmp(frame->bytes + at, bytes, len))
			return true;
	}
	return false;
}

// Whoever hears all frames has not heard the secret, whatever turn the keys are at.
static void
the_secret_is_not_heard(void **state)
{
	u32 found = 0;

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig.rekey_bits = 8;
	rig.captured_max = 4000;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	assert_non_null(rig.captured);
	for (u32 i = 0; i < 3; i++) {
		rig_crash(&rig, i);
		rig_boot(&rig, i);
	}
	rig_connect(&rig);
	rig.capture = true;
	rig.loss = 50;
	terms = (struct wire_derive){
		.incarnation = rig.node[REDEEMER].incarnation,
		.environment = WHO, .rights = RW, .count = 1,
	};
	memset(terms.uuid, REDEEMER + 1, 16);
	for (u32 i = 0; i < 340; i++) {
		u8 ticket[LEN];

		place = rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, ALL, 8, 4);
		make(1, MINUTE_NS, ticket);
		redeems(ticket);
		give_up(MAKER);
		give_up(REDEEMER);
	}
	assert_true(links_counters(rig.node[OWNER].links)->rekeys >= 3);
	for (u32 i = 0; i < rig.captured_count; i++) {
		const struct rig_frame *f = &rig.captured[i];

		for (u32 p = 0; p < rig.node[MAKER].places; p++) {
			found += heard(f, &rig.node[MAKER].place[p].grant.word, 8);
			assert_false(heard(f, rig.node[MAKER].place[p].secret.key, 16));
		}
	}
	assert_true(found > 0);
	rig_end(&rig);
}

// With who speaks an older version everything is as it was, without tickets.
static void
older_versions_do_without(void **state)
{
	u8 ticket[LEN];

	(void)state;
	begin(3);
	make(1, MINUTE_NS, ticket);
	rig_crash(&rig, OWNER);
	rig.behind[OWNER] = 1;
	rig_boot(&rig, OWNER);
	rig_run(&rig, 4 * NS_PER_SECOND);
	rig_connect(&rig);
	place = rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, ALL, 8, 4);
	assert_false(rig.node[MAKER].place[place].secret_known);
	refused(ticket, CODE_VERSION);
	rig_end(&rig);
	begin(3);
	rig_crash(&rig, MAKER);
	rig.behind[MAKER] = 1;
	rig_boot(&rig, MAKER);
	rig_run(&rig, 4 * NS_PER_SECOND);
	rig_connect(&rig);
	place = rig_export(&rig, OWNER, MAKER, ENV, TYPE_FRAMES, ALL, 8, 4);
	assert_false(rig.node[MAKER].place[place].secret_known);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_maker_lost_it),
		cmocka_unit_test(the_maker_dies_and_comes_back),
		cmocka_unit_test(the_redeemer_lives_another_life),
		cmocka_unit_test(the_redeemer_dies_meanwhile),
		cmocka_unit_test(a_partition_comes_between),
		cmocka_unit_test(the_redeemer_has_no_place),
		cmocka_unit_test(the_owner_lives_another_life),
		cmocka_unit_test(the_owner_has_no_room),
		cmocka_unit_test(the_secret_is_not_heard),
		cmocka_unit_test(older_versions_do_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
