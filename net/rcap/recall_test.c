// SPDX-License-Identifier: BSD-2-Clause
// Revocation that the holder sees, between nodes: who gives back in time, who does not,
// who is dead, cut off, rebooted or of an older version; and that the owner's deadline
// is kept whichever it is.
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

#define TAG 0x77ull
#define SOON (100 * NS_PER_MS)
#define HAD 4u			// pages, from 8 on
#define THIRD 2u

static struct rig_node *const owner = &rig.node[0], *const holder = &rig.node[1];
static u64 deadline;

static u32
entry_at(u32 place)
{
	return holder->place[place].remote.slot;
}

static enum wire_code
recall(u32 entry, u64 count, u64 ns)
{
	deadline = rig.now + ns;
	return rcap_recall(owner->rcap, rig.now, &(struct rcap_ask){
		.tag = TAG, .count = count, .deadline = deadline, .entry = entry,
	});
}

static const struct rcap_recalled *
last_recalled(void)
{
	return &owner->recalled[(owner->recalled_count - 1) %
				ARRAY_SIZE(owner->recalled)];
}

static const struct rig_asked *
last_asked(void)
{
	return &holder->asked[(holder->asked_count - 1) % ARRAY_SIZE(holder->asked)];
}

// So many were given, so many taken: it is over, and when.
static void
over(u32 times, u64 given, u64 taken)
{
	const struct rcap_recalled *r = last_recalled();

	assert_int_equal(owner->recalled_count, times);
	assert_int_equal(r->tag, TAG);
	assert_int_equal(r->given, given);
	assert_int_equal(r->taken, taken);
	assert_int_equal(r->environment, ENV);
	if (taken)
		assert_int_equal(owner->recalled_at, deadline);
	else
		assert_true(owner->recalled_at < deadline);
}

static struct rcap_completion
touches(u32 place, u64 page)
{
	struct rcap_submit s =
		rig_submit(&rig, 1, place, OP_WRITE, page * 4096, 8, 0);

	return rig_do(&rig, 1, &s);
}

// The holder may use its first `keep` pages, and the others not.
static void
holds(u32 place, u32 keep)
{
	for (u32 page = 0; page < HAD; page++) {
		struct rcap_completion c = touches(place, page);

		if (page < keep)
			expect(&c, RCAP_DONE, CODE_NONE);
		else
			expect(&c, RCAP_NOT_DONE, keep ? CODE_RANGE : CODE_REVOKED);
	}
}

static void
release(u32 place, u64 keep)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_RELEASE, keep, 0, 0);

	do_expect(&s, RCAP_DONE, CODE_NONE);
}

// The holder was asked, in time, and what for.
static void
was_asked(u32 times, u64 keep, bool gone)
{
	const struct rig_asked *a = last_asked();

	assert_int_equal(holder->asked_count, times);
	assert_int_equal(a->recall.keep, keep);
	assert_int_equal(a->recall.gone, gone);
	if (gone)
		return;
	assert_true(a->at < deadline);
	// As far as clocks tell: microseconds, and the way.
	assert_true(a->deadline + NS_PER_MS > deadline &&
		    a->deadline < deadline + NS_PER_MS);
}

static void
a_holder_gives_a_part(void **state)
{
	u32 place = warm_pair(1500);

	(void)state;
	assert_int_equal(recall(entry_at(place), 3, SOON), CODE_NONE);
	rig_run(&rig, SOON / 2);
	was_asked(1, 1, false);
	assert_int_equal(owner->recalled_count, 0);
	holds(place, HAD);			// until the deadline it may
	assert_int_equal(recall(entry_at(place), 1, SOON), CODE_ASKED);
	deadline = rig.now + SOON / 2;
	release(place, 1);
	over(1, 3, 0);
	holds(place, 1);
	release(place, 3);			// there are no more
	holds(place, 1);
	rig_run(&rig, NS_PER_SECOND);
	over(1, 3, 0);
	was_asked(1, 1, false);			// nor is it told what it gave itself
	rig_end(&rig);
}

static void
a_holder_ignores_it(void **state)
{
	u32 place = warm_pair(1500);

	(void)state;
	assert_int_equal(recall(entry_at(place), 3, SOON), CODE_NONE);
	rig_run(&rig, SOON + NS_PER_MS);
	over(1, 0, 3);
	assert_int_equal(last_recalled()->first, 9);
	was_asked(2, 1, true);
	holds(place, 1);
	assert_int_equal(recall(entry_at(place), 9, SOON), CODE_NONE);
	rig_run(&rig, SOON + NS_PER_MS);
	over(2, 0, 1);				// all that there is
	was_asked(4, 0, true);
	holds(place, 0);
	rig_end(&rig);
}

static void
a_holder_gives_less_than_it_should(void **state)
{
	u32 place = warm_pair(1500);

	(void)state;
	assert_int_equal(recall(entry_at(place), 3, SOON), CODE_NONE);
	release(place, 3);
	rig_run(&rig, 2 * SOON);
	over(1, 1, 2);
	holds(place, 1);
	rig_end(&rig);
}

static void
a_holder_drops_it(void **state)
{
	u32 place = warm_pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_DROP, 0, 0, 0);

	(void)state;
	assert_int_equal(recall(entry_at(place), 2, SOON), CODE_NONE);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rcap_taken(owner->rcap, entry_at(place));	// as the host cleans up
	rcap_unexport(owner->rcap, entry_at(place));
	over(1, 2, 0);
	rig_run(&rig, NS_PER_SECOND);
	was_asked(1, 2, false);
	assert_int_equal(owner->recalled_count, 1);
	rig_end(&rig);
}

// What is taken without being asked for is told as well, and what was never held not.
static void
a_holder_is_told_what_goes(void **state)
{
	u32 place = warm_pair(1500);
	u32 node = rcap_entry(owner->rcap, entry_at(place))->node;

	(void)state;
	rcap_host_shorten(owner, node, 3);
	rig_run(&rig, NS_PER_MS);
	was_asked(1, 3, true);
	holds(place, 3);
	rig_revoke(&rig, 0, node);
	rcap_taken(owner->rcap, entry_at(place));
	rcap_unexport(owner->rcap, entry_at(place));
	rig_run(&rig, NS_PER_MS);
	was_asked(2, 0, true);
	assert_int_equal(rcap_counters(owner->rcap)->untold, 0);
	rig_end(&rig);
}

enum loss_of { DEAD, CUT_OFF, REBOOTED, OLDER, DEAD_AND_ASKED };

// However it is with the holder, the owner has it all when the deadline comes.
static void
deadline_holds(enum loss_of what)
{
	u32 place;

	rig_start(&rig, 2, test_seed(), 1500, 64);
	if (what == OLDER) {
		rig.behind[1] = 1;
		rig_crash(&rig, 1);
		rig_boot(&rig, 1);
	}
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, HAD);
	if (what == DEAD)
		rig_crash(&rig, 1);
	if (what == CUT_OFF)
		rig.cut[0][1] = rig.cut[1][0] = true;
	assert_int_equal(recall(what == DEAD ? 0 : entry_at(place), HAD, SOON),
			 CODE_NONE);
	rig_run(&rig, SOON / 2);
	if (what == REBOOTED || what == DEAD_AND_ASKED) {
		assert_int_equal(holder->asked_count, 1);
		rig_crash(&rig, 1);
	}
	if (what == REBOOTED)
		rig_boot(&rig, 1);
	rig_run(&rig, SOON);
	over(1, 0, HAD);
	if (what == OLDER) {
		assert_int_equal(holder->asked_count, 0);
		holds(place, 0);
	}
}

static void
the_dead_keep_nobody_waiting(void **state)
{
	(void)state;
	deadline_holds(DEAD);
	rig_end(&rig);
	deadline_holds(DEAD_AND_ASKED);
	rig_end(&rig);
}

// When the link is whole again, the holder learns what it lost.
static void
nor_do_those_who_are_cut_off(void **state)
{
	(void)state;
	deadline_holds(CUT_OFF);
	rig_run(&rig, 5 * NS_PER_SECOND);
	assert_int_equal(holder->asked_count, 0);
	rig.cut[0][1] = rig.cut[1][0] = false;
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	was_asked(1, 0, true);
	rig_end(&rig);
}

// A new life holds nothing, and is told nothing.
static void
nor_do_those_who_begin_anew(void **state)
{
	(void)state;
	deadline_holds(REBOOTED);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	assert_int_equal(holder->asked_count, 0);
	rig_end(&rig);
}

static void
nor_does_an_older_version(void **state)
{
	(void)state;
	deadline_holds(OLDER);
	rig_end(&rig);
}

// Frames are lost; a session ends and another begins: it is asked all the same.
static void
a_request_is_sent_until_it_is_heard(void **state)
{
	u32 place = warm_pair(1500);

	(void)state;
	rig.loss = 600;
	assert_int_equal(recall(entry_at(place), 3, NS_PER_SECOND / 2), CODE_NONE);
	for (u32 i = 0; i < 480 && !holder->asked_count; i++)
		rig_run(&rig, NS_PER_MS);
	assert_int_equal(holder->asked_count, 1);
	assert_true(holder->asked[0].at < deadline);
	rig.loss = 0;
	rig_run(&rig, 3 * NS_PER_SECOND);
	assert_int_equal(owner->recalled_count, 1);
	rig_connect(&rig);
	rig.cut[0][1] = rig.cut[1][0] = true;
	holder->asked_count = 0;
	assert_int_equal(recall(entry_at(place), 1, 9 * NS_PER_SECOND), CODE_NONE);
	rig_run(&rig, 3 * NS_PER_SECOND);
	assert_int_equal(links_session(owner->links, rig_peer(&rig, 0, 1)), 0);
	rig.cut[0][1] = rig.cut[1][0] = false;
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	was_asked(1, 0, false);
	rig_end(&rig);
}

// A part that was derived for a third node goes, or gets shorter, with what it is of.
// Who is asked for too much has not heard it: it is asked again when it may have room.
static void
a_full_holder_is_asked_again(void **state)
{
	u32 place = warm_pair(1500);

	(void)state;
	holder->asked_full = true;
	assert_int_equal(recall(entry_at(place), 3, SOON), CODE_NONE);
	rig_run(&rig, SOON / 4);
	assert_int_equal(holder->asked_count, 0);
	holder->asked_full = false;
	rig_run(&rig, SOON / 2);
	was_asked(1, 1, false);
	rig_run(&rig, SOON);
	over(1, 0, 3);
	rig_end(&rig);
}

static void
third_parties_lose_with_the_holder(void **state)
{
	struct rcap_submit s;
	u32 place;

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, HAD);
	for (u32 base = 0; base <= 2; base += 2) {
		s = rig_submit(&rig, 1, place, OP_DERIVE, 0, 0, 0);
		s.derive = (struct wire_derive){
			.incarnation = rig.node[THIRD].incarnation,
			.environment = 9, .rights = RW, .base = base, .count = 2,
		};
		memset(s.derive.uuid, THIRD + 1, 16);
		do_expect(&s, RCAP_DONE, CODE_NONE);
		rig_run(&rig, NS_PER_SECOND / 4);
	}
	assert_int_equal(rig.node[THIRD].places, 2);
	assert_int_equal(recall(entry_at(place), 3, SOON), CODE_NONE);
	rig_run(&rig, 2 * SOON);
	over(1, 0, 3);
	holds(place, 1);
	assert_int_equal(rig.node[THIRD].asked_count, 2);
	for (u32 i = 0; i < 2; i++) {
		const struct rig_asked *a = &rig.node[THIRD].asked[i];
		bool first = a->remote.slot == rig.node[THIRD].place[0].remote.slot;

		assert_int_equal(a->recall.gone, 1);
		assert_int_equal(a->recall.keep, first ? 1 : 0);
	}
	rig_end(&rig);
}

// Two owners number their tables alike: each speaks of its own.
static void
an_owner_speaks_of_its_own(void **state)
{
	u32 place;

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, HAD);
	rig_export(&rig, 2, 1, ENV, TYPE_FRAMES, ALL, 8, HAD);
	assert_int_equal(holder->place[0].remote.slot, holder->place[1].remote.slot);
	assert_int_equal(rcap_recall(rig.node[2].rcap, rig.now, &(struct rcap_ask){
		.count = 1, .deadline = rig.now + SOON }), CODE_NONE);
	rig_run(&rig, 2 * SOON);
	assert_int_equal(last_asked()->remote.peer, rig_peer(&rig, 1, 2));
	holds(place, HAD);
	rig_end(&rig);
}

// Requests beyond the table are refused; one who is only to be told makes room.
static void
the_table_has_an_end(void **state)
{
	u32 root, gone = 0;

	(void)state;
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig_connect(&rig);
	root = rig_root(&rig, 0);
	for (u32 i = 0; i < 10; i++) {
		rig.granter = i < 6 || i == 9 ? 1 : 2;
		rig_export_below(&rig, 0, root, 1, ENV, TYPE_FRAMES, ALL, 8, HAD);
	}
	rig.cut[0][1] = rig.cut[1][0] = true;
	for (u32 i = 0; i < 6; i++)
		assert_int_equal(recall(entry_at(i), 1, SOON), CODE_NONE);
	// The rest is for other granters.
	assert_int_equal(recall(entry_at(9), 1, SOON), CODE_TABLE);
	for (u32 i = 6; i < 8; i++)
		assert_int_equal(recall(entry_at(i), 1, SOON), CODE_NONE);
	assert_int_equal(recall(entry_at(8), 1, SOON), CODE_TABLE);
	rig_run(&rig, 2 * SOON);
	assert_int_equal(owner->recalled_count, 8);
	assert_int_equal(recall(entry_at(8), 1, SOON), CODE_NONE);
	assert_int_equal(rcap_counters(owner->rcap)->untold, 1);
	rig_run(&rig, 2 * SOON);
	assert_int_equal(owner->recalled_count, 9);
	rig.cut[0][1] = rig.cut[1][0] = false;
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	assert_true(holder->asked_count <= ARRAY_SIZE(holder->asked));
	for (u32 i = 0; i < holder->asked_count; i++)
		gone += holder->asked[i].recall.gone;
	assert_int_equal(gone, 8);
	holds(8, 3);
	rig_end(&rig);
}

static void
nobody_submits_a_recall(void **state)
{
	u32 place = warm_pair(1500);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_RECALL, 0, 0, 0);

	(void)state;
	assert_false(rcap_sensible(&s));
	s.remote.slot = WIRE_SLOT_NONE;
	assert_false(rcap_sensible(&s));
	rig_end(&rig);
}

// Requests, gifts and losses of frames at random, against a count of pages: what was
// asked for is given or taken, and nothing besides.
static void
pages_are_accounted_for(void **state)
{
	u32 given = 0, taken = 0;

	(void)state;
	for (u32 round = 0; round < 30; round++) {
		u32 place = warm_pair(1500), has = HAD;

		prng_seed(&rig.prng, test_seed() * 1000 + round);
		rig.loss = rig.repeat = 100;
		while (has > 1) {
			u32 asked = 1 + (u32)prng_below(&rig.prng, has - 1);
			u32 gives = (u32)prng_below(&rig.prng, asked + 1);
			u32 before = owner->recalled_count;

			assert_int_equal(recall(entry_at(place), asked,
						5 * NS_PER_SECOND), CODE_NONE);
			if (gives)
				release(place, has - gives);
			rig_run(&rig, 5 * NS_PER_SECOND);
			over(before + 1, gives, asked - gives);
			has -= asked;
			given += gives;
			taken += asked - gives;
			holds(place, has);
		}
		rig_end(&rig);
	}
	assert_true(given > 10 && taken > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_holder_gives_a_part),
		cmocka_unit_test(a_holder_ignores_it),
		cmocka_unit_test(a_holder_gives_less_than_it_should),
		cmocka_unit_test(a_holder_drops_it),
		cmocka_unit_test(a_holder_is_told_what_goes),
		cmocka_unit_test(the_dead_keep_nobody_waiting),
		cmocka_unit_test(nor_do_those_who_are_cut_off),
		cmocka_unit_test(nor_do_those_who_begin_anew),
		cmocka_unit_test(nor_does_an_older_version),
		cmocka_unit_test(a_request_is_sent_until_it_is_heard),
		cmocka_unit_test(a_full_holder_is_asked_again),
		cmocka_unit_test(third_parties_lose_with_the_holder),
		cmocka_unit_test(an_owner_speaks_of_its_own),
		cmocka_unit_test(the_table_has_an_end),
		cmocka_unit_test(nobody_submits_a_recall),
		cmocka_unit_test(pages_are_accounted_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
