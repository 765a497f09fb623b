// SPDX-License-Identifier: BSD-2-Clause
// Leases for copies: that they last while the owner says so, that none outlives its
// capability by more than it may, whichever of the two is dead, cut off or has a clock of
// its own, and that they end at once when the owner can still say so.
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

#define PAGE 4096u
#define PHASES 23u		// of a renewal, at which something happens
#define STEP_NS NS_PER_MS
#define WHOLE 1u
#define PART 2u
#define THIRD 2u
#define EXPORTS_MANY 512u

static struct rig_node *const owner = &rig.node[0], *const holder = &rig.node[1];

static u32
begin(u32 place, u64 offset, u32 tag)
{
	const struct rig_place *p = &holder->place[place];

	return rcap_lease(holder->rcap, &(struct rcap_lease_terms){
		.remote = p->remote, .offset = offset, .tag = tag,
		.environment = p->grant.environment,
	});
}

// A lease by a whole capability, proven; its tag.
static u32
lease_of(u32 place)
{
	assert_true(begin(place, 4 * PAGE - 1, WHOLE) < RIG_LEASES);
	rig_run(&rig, 5 * NS_PER_MS);
	assert_true(holder->lease[WHOLE].holds);
	return WHOLE;
}

// Nodes 0 and THIRD have each given node 1 a capability, and credit.
static u32
two_owners(u32 *other)
{
	u32 place[2];

	rig_start(&rig, 3, test_seed(), 1500, 64);
	rig_connect(&rig);
	for (u32 i = 0; i < 2; i++) {
		struct rcap_submit s;

		place[i] = rig_export(&rig, i ? THIRD : 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
		s = rig_submit(&rig, 1, place[i], OP_READ, 0, 8, 0);
		do_expect(&s, RCAP_DONE, CODE_NONE);
	}
	*other = place[1];
	return place[0];
}

static void
revoke(u32 place)
{
	const struct rcap_export *e =
		rcap_entry(owner->rcap, holder->place[place].remote.slot);

	rig_revoke(&rig, 0, e->node);
}

static void
cut(bool off)
{
	rig.cut[0][1] = rig.cut[1][0] = off;
}

// It ended within `most` of the owner's clock since that showed `since`.
static void
ended_within(u32 lease, u64 since, u64 most, enum wire_code code)
{
	const struct rig_lease *l = &holder->lease[lease];
	u64 begun = rig.now;

	while (l->holds && rig.now < begun + 2 * RCAP_LEASE_NS)
		rig_run(&rig, STEP_NS);
	assert_false(l->holds);
	assert_int_equal(l->code, code);
	assert_true(rig_clock(&rig, 0) - since <= most + STEP_NS);
}

// Four reads in a second keep it, and no more state at the owner than its entry.
static void
it_lasts_while_the_owner_says_so(void **state)
{
	u32 place = warm_pair(1500), lease = lease_of(place);
	u64 reads = rcap_counters(owner->rcap)->executed[OP_READ];

	(void)state;
	rig_run(&rig, 10 * NS_PER_SECOND);
	assert_true(holder->lease[lease].holds);
	assert_in_range(rcap_counters(owner->rcap)->executed[OP_READ] - reads, 38, 41);
	assert_int_equal(rcap_counters(holder->rcap)->leased, 1);
	assert_int_equal(rcap_counters(holder->rcap)->lapsed, 0);
	assert_int_equal(holder->completions, 1);	// the read of warm_pair()
	rig_end(&rig);
}

static void
it_bears_loss(void **state)
{
	u32 place = warm_pair(1500), lease = lease_of(place);

	(void)state;
	rig.loss = 100;
	rig.repeat = 50;
	rig_run(&rig, 20 * NS_PER_SECOND);
	assert_true(holder->lease[lease].holds);
	assert_int_equal(holder->lease[lease].begun, 1);
	rig_end(&rig);
}

// While the two can talk, the next read is refused, and that is the end.
static void
revoked_it_ends_with_the_next_read(void **state)
{
	(void)state;
	for (u32 phase = 0; phase < PHASES; phase++) {
		u32 place = warm_pair(1500), lease = lease_of(place);

		rig_run(&rig, phase * RCAP_LEASE_NS / 4 / PHASES);
		revoke(place);
		ended_within(lease, rig_clock(&rig, 0), RCAP_LEASE_NS / 4 + NS_PER_MS,
			     CODE_REVOKED);
		assert_int_equal(rcap_counters(holder->rcap)->lapsed, 1);
		rig_end(&rig);
	}
}

enum trouble { CUT_OFF, OWNER_DEAD, ONE_WAY, WAYS };

// Nobody can say anything: the time does.
static void
silence(enum trouble what, i32 owner_drift, i32 holder_drift)
{
	for (u32 phase = 0; phase < PHASES; phase++) {
		u32 place, lease;
		u64 since;

		rig_start(&rig, 2, test_seed() + phase, 1500, 64);
		rig.drift[0] = owner_drift;
		rig.drift[1] = holder_drift;
		rig_crash(&rig, 0);
		rig_crash(&rig, 1);
		rig_boot(&rig, 0);
		rig_boot(&rig, 1);
		rig_connect(&rig);
		place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
		lease = lease_of(place);
		rig_run(&rig, phase * RCAP_LEASE_NS / 4 / PHASES);
		since = rig_clock(&rig, 0);
		revoke(place);
		if (what == OWNER_DEAD)
			rig_crash(&rig, 0);
		else
			rig.cut[0][1] = true;	// its refusal does not come
		rig.cut[1][0] = what == CUT_OFF;
		ended_within(lease, since, RCAP_LEASE_NS, CODE_NONE);
		rig_end(&rig);
	}
}

static void
cut_off_its_time_ends_it(void **state)
{
	(void)state;
	for (enum trouble what = CUT_OFF; what < WAYS; what++)
		silence(what, 0, 0);
}

// The owner's clock is fast, the holder's slow: an eighth apart, less what the copy may
// take to go.
static void
clocks_may_differ_by_the_margin(void **state)
{
	(void)state;
	silence(CUT_OFF, 60, -60);
	silence(CUT_OFF, -60, 60);
	silence(OWNER_DEAD, 60, -60);
}

// A partition that is shorter than a lease leaves no trace.
static void
a_short_silence_is_borne(void **state)
{
	u32 place = warm_pair(1500), lease = lease_of(place);

	(void)state;
	for (u32 i = 0; i < PHASES; i++) {
		rig_run(&rig, 600 * NS_PER_MS + i * RCAP_LEASE_NS / 4 / PHASES);
		cut(true);
		rig_run(&rig, RCAP_LEASE_NS / 3);
		cut(false);
	}
	assert_true(holder->lease[lease].holds);
	assert_int_equal(holder->lease[lease].begun, 1);
	rig_end(&rig);
}

// What ends it before it has begun.
static void
never_begun(u32 place, u64 offset, enum wire_code code)
{
	const struct rig_lease *l = &holder->lease[PART];
	u32 ended = l->ended, leased = (u32)rcap_counters(holder->rcap)->leased;

	assert_true(begin(place, offset, PART) < RIG_LEASES);
	rig_run(&rig, 5 * NS_PER_MS);
	assert_false(l->holds);
	assert_int_equal(l->ended, ended + 1);
	assert_int_equal(l->code, code);
	assert_int_equal(rcap_counters(holder->rcap)->leased, leased);
}

// The owner's next life knows nothing of it. It begins while the old one still counts as
// silent, so that is what ends the copy; no new lease begins by what it had granted.
static void
another_life_of_the_owner_ends_it(void **state)
{
	u32 place = warm_pair(1500), lease = lease_of(place);

	(void)state;
	rig_crash(&rig, 0);
	rig_boot(&rig, 0);
	ended_within(lease, rig_clock(&rig, 0), RCAP_LEASE_NS, CODE_NONE);
	rig_connect(&rig);
	never_begun(place, 0, CODE_INCARNATION);
	rig_end(&rig);
}

static void
what_may_not_be_read_has_no_lease(void **state)
{
	u32 place = warm_pair(1500), blind, blocks;

	(void)state;
	blind = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, WIRE_RIGHT_WRITE, 0, 1);
	blocks = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, ALL, 0, 1);
	never_begun(place, 4 * PAGE, CODE_RANGE);
	never_begun(blind, 0, CODE_RIGHTS);
	never_begun(blocks, 0, CODE_TYPE);
	revoke(place);
	never_begun(place, 0, CODE_REVOKED);
	rig_crash(&rig, 0);
	rig_run(&rig, 3 * RCAP_LEASE_NS);
	never_begun(place, 0, CODE_PEER);
	rig_end(&rig);
}

// The end of the range goes, and with it the copies that reach there.
static void
a_shorter_capability_ends_what_reaches_beyond(void **state)
{
	u32 place = warm_pair(1500), all = lease_of(place);
	u32 node = rcap_entry(owner->rcap, holder->place[place].remote.slot)->node;

	(void)state;
	assert_true(begin(place, PAGE - 1, PART) < RIG_LEASES);
	rig_run(&rig, 5 * NS_PER_MS);
	rcap_host_shorten(owner, node, 3);
	ended_within(all, rig_clock(&rig, 0), RCAP_LEASE_NS / 4 + NS_PER_MS, CODE_RANGE);
	rig_run(&rig, 2 * RCAP_LEASE_NS);
	assert_true(holder->lease[PART].holds);
	rig_end(&rig);
}

// The holder gives some up, with a read on its way or without; names come again only
// when nothing is on its way any more.
static void
names_are_used_again(void **state)
{
	u32 place = warm_pair(1500), lease[RIG_LEASES];

	(void)state;
	for (u32 round = 0; round < 8; round++) {
		for (u32 i = 0; i < RIG_LEASES; i++) {
			lease[i] = begin(place, i, i);
			assert_int_equal(lease[i], i);
		}
		assert_int_equal(begin(place, 0, 0), RCAP_NONE);
		rig_run(&rig, round % 2 ? 5 * NS_PER_MS : 1);
		for (u32 i = 0; i < RIG_LEASES; i++) {
			assert_true(holder->lease[i].holds == (round % 2 == 1));
			rcap_lease_end(holder->rcap, i);
			holder->lease[i].holds = false;
		}
		assert_int_equal(begin(place, 0, 0) == RCAP_NONE, round % 2 == 0);
		if (round % 2)
			rcap_lease_end(holder->rcap, 0);
		rig_run(&rig, NS_PER_SECOND);
		for (u32 i = 0; i < RIG_LEASES; i++)
			assert_int_equal(holder->lease[i].ended, 0);
	}
	rig_end(&rig);
}

// Reads that an owner does not answer, and nobody waits for any more, leave leases by others.
static void
who_is_silent_leaves_room(void **state)
{
	u32 other, place = two_owners(&other), ended = 0, lease;

	(void)state;
	rig.cut[0][1] = true;
	for (lease = begin(place, 0, 0); lease != RCAP_NONE; lease = begin(place, 0, 0)) {
		rig_run(&rig, 1);
		rcap_lease_end(holder->rcap, lease);
		assert_true(++ended < RIG_LEASES);
	}
	assert_true(ended > 1);
	assert_true(begin(other, 0, PART) < RIG_LEASES);
	rig_run(&rig, 5 * NS_PER_MS);
	assert_true(holder->lease[PART].holds);
	rig.cut[0][1] = false;
	rig_run(&rig, 3 * NS_PER_SECOND);
	assert_true(holder->lease[PART].holds);
	assert_true(begin(place, 0, 0) < RIG_LEASES);
	rig_end(&rig);
}

// A first read that takes longer than a lease lasts proves nothing: the next one does.
static void
an_old_answer_begins_nothing(void **state)
{
	u32 place = warm_pair(1500), lease = PART;
	u64 asked = rig.now;

	(void)state;
	assert_true(begin(place, 0, lease) < RIG_LEASES);
	rig.cut[0][1] = true;			// the read runs; its answer does not come
	rig_run(&rig, RCAP_LEASE_NS - RCAP_LEASE_MARGIN_NS + 10 * NS_PER_MS);
	rig.cut[0][1] = false;
	assert_false(holder->lease[lease].holds);
	while (!holder->lease[lease].holds && !holder->lease[lease].ended)
		rig_run(&rig, STEP_NS);
	assert_true(holder->lease[lease].holds);
	assert_true(rig.now > asked + RCAP_LEASE_NS - RCAP_LEASE_MARGIN_NS);
	revoke(place);
	cut(true);
	ended_within(lease, rig.now, RCAP_LEASE_NS, CODE_NONE);
	rig_end(&rig);
}

// Whatever happens in whatever order: what was revoked is nowhere a lease later.
static void
no_copy_outlives_its_capability(void **state)
{
	u64 revoked_at = 0;
	u32 place, lapses = 0, refusals = 0;
	struct rig_lease *l = &holder->lease[PART];

	(void)state;
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig.exports_max = EXPORTS_MANY;
	rig_crash(&rig, 0);
	rig_boot(&rig, 0);
	rig.loss = 50;
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	assert_true(begin(place, 0, PART) < RIG_LEASES);
	for (u32 i = 0; i < 3000; i++) {
		rig_run(&rig, prng_below(&rig.prng, 50 * NS_PER_MS));
		if (prng_below(&rig.prng, 20) == 0)
			cut(prng_below(&rig.prng, 3) == 0);
		if (!revoked_at && prng_below(&rig.prng, 40) == 0) {
			revoke(place);
			revoked_at = rig.now;
		}
		if (l->holds)
			assert_true(!revoked_at || rig.now - revoked_at <
				    RCAP_LEASE_NS - RCAP_LEASE_MARGIN_NS);
		if (l->holds || !l->ended)
			continue;
		lapses += l->code == CODE_NONE;
		refusals += l->code == CODE_REVOKED;
		if (revoked_at) {
			cut(false);
			rig_connect(&rig);
			place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
			revoked_at = 0;
		}
		l->ended = 0;
		assert_true(begin(place, 0, PART) < RIG_LEASES);
	}
	assert_true(lapses > 3 && refusals > 3);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_lasts_while_the_owner_says_so),
		cmocka_unit_test(it_bears_loss),
		cmocka_unit_test(revoked_it_ends_with_the_next_read),
		cmocka_unit_test(cut_off_its_time_ends_it),
		cmocka_unit_test(clocks_may_differ_by_the_margin),
		cmocka_unit_test(another_life_of_the_owner_ends_it),
		cmocka_unit_test(a_short_silence_is_borne),
		cmocka_unit_test(what_may_not_be_read_has_no_lease),
		cmocka_unit_test(a_shorter_capability_ends_what_reaches_beyond),
		cmocka_unit_test(names_are_used_again),
		cmocka_unit_test(who_is_silent_leaves_room),
		cmocka_unit_test(an_old_answer_begins_nothing),
		cmocka_unit_test(no_copy_outlives_its_capability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
