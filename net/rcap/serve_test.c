// SPDX-License-Identifier: BSD-2-Clause
// Weighted service at an owner without room: what is served, request for request, when
// there is room again.
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

#include "net/rcap/test_serve.h"

static void
nothing_waits_without_weights(void **state)
{
	static const u8 weight[] = { 0, RCAP_WEIGHT };

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	assert_int_equal(owner()->weighted, 0);
	assert_int_equal(owner()->serve.count, 0);
	rig_end(&rig);
}

static void
shares_are_as_weights(void **state)
{
	static const u8 weight[] = { 48, 0 };
	u64 first, second;

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	assert_int_equal(owner()->serve.count, 2 * MANY);
	first = served(1);
	second = served(2);
	serve(16);
	assert_int_equal(served(1) - first, 12);
	assert_int_equal(served(2) - second, 4);
	serve(2 * MANY - 16);
	assert_int_equal(served(1) - first, MANY);
	assert_int_equal(served(2) - second, MANY);
	assert_true(rig_wait(&rig, 1, 2 * MANY, NS_PER_SECOND));
	assert_true(rig_wait(&rig, 2, 2 * MANY, NS_PER_SECOND));
	rig_end(&rig);
}

static void
granters_have_the_same(void **state)
{
	static const u8 weight[] = { 255, 16, 16 };
	static const u16 granter[] = { 0, 1, 1 };
	u64 before[4];

	(void)state;
	holders(3, weight, granter);
	ask_all(3, MANY);
	for (u32 i = 1; i <= 3; i++)
		before[i] = served(i);
	serve(24);
	assert_in_range(served(1) - before[1], 11, 13);
	assert_in_range(served(2) - before[2], 5, 7);
	assert_in_range(served(3) - before[3], 5, 7);
	rig_end(&rig);
}

// Whoever derives from it: the share stays one.
static void
deriving_makes_no_new_share(void **state)
{
	static const u8 weight[] = { 32, 0, 32 };
	u64 first, second, third;
	struct rcap_submit s;

	(void)state;
	holders(3, weight, NULL);
	s = rig_submit(&rig, 1, place_of[1], OP_DERIVE, 0, 0, 0);
	s.derive = (struct wire_derive){
		.incarnation = rig.node[2].incarnation, .environment = ENV,
		.rights = WIRE_RIGHT_READ, .count = 4,
	};
	memset(s.derive.uuid, 2 + 1, 16);
	do_expect(&s, RCAP_DONE, CODE_NONE);
	rig_run(&rig, NS_PER_SECOND / 4);
	place_of[2] = rig.node[2].places - 1;
	ask_all(3, MANY);
	assert_int_equal(owner()->serve.shares, 2);
	first = served(1);
	second = served(2);
	third = served(3);
	serve(20);
	assert_in_range(served(1) - first + served(2) - second, 9, 11);
	assert_in_range(served(3) - third, 9, 11);
	rig_end(&rig);
}

// Who came last is not behind for it, nor who was served alone before.
static void
nobody_pays_for_the_past(void **state)
{
	static const u8 weight[] = { 48, 16 };
	u64 first, second;

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	serve(2 * MANY);
	for (u32 i = 0; i < 20; i++) {
		u32 before = rig.node[1].completions;

		ask(1, MANY);
		assert_true(rig_wait(&rig, 1, before + MANY, NS_PER_SECOND));
	}
	assert_true(rig_wait(&rig, 2, 2 * MANY, NS_PER_SECOND));
	rig.node[0].starved = true;
	ask(1, MANY);
	ask(2, MANY);
	rig_run(&rig, ARRIVAL_NS);
	first = served(1);
	second = served(2);
	serve(16);
	assert_in_range(served(1) - first, 11, 13);
	assert_in_range(served(2) - second, 3, 5);
	rig_end(&rig);
}

// However much was served meanwhile: passes wrap around, and who was long away is not
// taken for somebody ahead of all.
static void
nor_for_what_is_half_a_turn_past(void **state)
{
	static const u8 weight[] = { 48, 16 };
	u64 first, second;

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	serve(2 * MANY);
	assert_true(rig_wait(&rig, 1, 2 * MANY, NS_PER_SECOND));
	assert_true(rig_wait(&rig, 2, 2 * MANY, NS_PER_SECOND));
	owner()->serve.pass += (1u << 31) + (1u << 20);
	rig.node[0].starved = true;
	ask(1, MANY);
	rig_run(&rig, ARRIVAL_NS);
	serve(1);
	rig.node[0].starved = true;
	ask(2, MANY);
	rig_run(&rig, ARRIVAL_NS);
	first = served(1);
	second = served(2);
	serve(16);
	assert_in_range(served(1) - first, 11, 13);
	assert_in_range(served(2) - second, 3, 5);
	rig_end(&rig);
}

// What is revoked while it waits is refused; nobody reads it then.
static void
what_is_revoked_is_not_served(void **state)
{
	static const u8 weight[] = { 48, 0 };
	u64 before;

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	before = rcap_counters(owner())->executed[OP_READ];
	rig_revoke(&rig, 0, rcap_entry(owner(), rig.node[1].place[place_of[1]].remote.slot)
				    ->node);
	rig.node[0].starved = false;
	assert_true(rig_wait(&rig, 1, 2 * MANY, NS_PER_SECOND));
	assert_true(rig_wait(&rig, 2, 2 * MANY, NS_PER_SECOND));
	for (u32 i = MANY; i < 2 * MANY; i++) {
		expect(&rig.node[1].completion[i], RCAP_NOT_DONE, CODE_REVOKED);
		expect(&rig.node[2].completion[i], RCAP_DONE, CODE_NONE);
	}
	assert_int_equal(rcap_counters(owner())->executed[OP_READ] - before, MANY);
	rig_end(&rig);
}

// Asked again and again while it waits, it runs once.
static void
each_is_served_once(void **state)
{
	static const u8 weight[] = { 48, 0 };
	u64 before;

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	before = rcap_counters(owner())->executed[OP_READ];
	rig_run(&rig, 20 * NS_PER_MS);
	assert_true(links_counters(rig.node[2].links)->resends > 0);
	assert_int_equal(owner()->serve.count, 2 * MANY);
	serve(2 * MANY);
	assert_int_equal(owner()->serve.count, 0);
	rig_run(&rig, NS_PER_SECOND / 2);
	assert_int_equal(rcap_counters(owner())->executed[OP_READ] - before, 2 * MANY);
	assert_int_equal(rig.node[2].completions, 2 * MANY);
	rig_end(&rig);
}

// What waited when its session ended runs no more, nor does it in the next one.
static void
nothing_outlives_its_session(void **state)
{
	static const u8 weight[] = { 48, 0 };
	u64 before;

	(void)state;
	holders(2, weight, NULL);
	ask_all(2, MANY);
	before = rcap_counters(owner())->executed[OP_READ];
	rig.cut[0][1] = rig.cut[0][2] = true;
	rig_run(&rig, 3 * NS_PER_SECOND);
	assert_int_equal(owner()->serve.count, 2 * MANY);
	assert_int_equal(rig.node[1].completions, 2 * MANY);
	rig.cut[0][1] = rig.cut[0][2] = false;
	rig.node[0].starved = false;
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);
	assert_int_equal(owner()->serve.count, 0);
	assert_int_equal(rcap_counters(owner())->executed[OP_READ], before);
	rig_end(&rig);
}

// There is a bound, and a part of it for who comes last: what finds no place asks again,
// and does not go before those that wait.
static void
what_waits_is_bounded(void **state)
{
	static const u8 weight[] = { 48, 0, 0 };
	u64 before, third;

	(void)state;
	holders(3, weight, NULL);
	ask_all(3, 30);
	assert_in_range(owner()->serve.count, WAITERS_MAX / 4 * 3, WAITERS_MAX);
	assert_int_equal(owner()->serve.shares, 3);
	before = rcap_counters(owner())->executed[OP_READ];
	rig_run(&rig, 20 * NS_PER_MS);
	assert_int_equal(rcap_counters(owner())->executed[OP_READ], before);
	third = served(3);
	serve(20);
	assert_in_range(served(3) - third, 3, 5);
	for (u32 i = 1; i <= 3; i++)
		assert_true(rig_wait(&rig, i, 60, NS_PER_SECOND));
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_without_weights),
		cmocka_unit_test(shares_are_as_weights),
		cmocka_unit_test(granters_have_the_same),
		cmocka_unit_test(deriving_makes_no_new_share),
		cmocka_unit_test(nobody_pays_for_the_past),
		cmocka_unit_test(nor_for_what_is_half_a_turn_past),
		cmocka_unit_test(what_is_revoked_is_not_served),
		cmocka_unit_test(each_is_served_once),
		cmocka_unit_test(nothing_outlives_its_session),
		cmocka_unit_test(what_waits_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
