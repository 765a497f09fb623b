// SPDX-License-Identifier: BSD-2-Clause
// A full table of peers: who gets the place of whom, and what becomes of capabilities.
// Node 0 has two places, for nodes 1 to 3.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c net/rcap/asked_rig.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c
// links: net/sodium/crypto.c
// links: net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/rcap/test_rig.h"

#define ENV 7u
#define ALL (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE | WIRE_RIGHT_DERIVE)
#define FORGET_NS (10 * NS_PER_SECOND)
#define SOON_NS (5 * NS_PER_SECOND)	// a lease, beacons, a handshake

static struct rig rig;

// Node 0 alone has few places; all but node 3 have met.
static void
begin(void)
{
	rig_start(&rig, 4, 1, 1500, 32);
	for (u32 i = 0; i < 4; i++) {
		rig.places[i] = i ? 8 : 2;
		rig.forget_ns = FORGET_NS;
		rig_crash(&rig, i);
	}
	for (u32 i = 0; i < 3; i++)
		rig_boot(&rig, i);
	rig_run(&rig, SOON_NS);
}

static void
cut(u32 node, bool is)
{
	for (u32 i = 0; i < 4; i++)
		rig.cut[i][node] = rig.cut[node][i] = is;
}

static bool
knows(u32 node, u32 other)
{
	return rig_peer(&rig, node, other) != LINK_NONE;
}

static bool
meets(u32 node, u32 other)
{
	return knows(node, other) &&
	       links_session(rig.node[node].links, rig_peer(&rig, node, other));
}

static u64
refused(void)
{
	return links_counters(rig.node[0].links)->dropped[LINK_DROP_PEERS];
}

static void
reads(u32 node, u32 place, enum wire_code code)
{
	struct rcap_submit s = rig_submit(&rig, node, place, OP_READ, 0, 8, 0);
	struct rcap_completion c;

	s.remote.peer = rig_peer(&rig, node, 0);
	c = rig_do(&rig, node, &s);
	assert_int_equal(c.code, code);
	assert_int_equal(c.outcome, code ? RCAP_NOT_DONE : RCAP_DONE);
}

// The host's clean-up behind what the core revokes.
static void
clean_up(void)
{
	struct rig_node *n = &rig.node[0];

	for (u32 i = 0; i < RIG_EXPORTS; i++) {
		const struct rcap_export *e = rcap_entry(n->rcap, i);

		if (e && n->tree[e->node].revoked)
			rcap_unexport(n->rcap, i);
	}
}

// Who holds nothing makes room as soon as its lease has run out.
static void
who_has_nothing_makes_room(void **state)
{
	(void)state;
	begin();
	cut(1, true);
	rig_boot(&rig, 3);
	rig_run(&rig, SOON_NS);
	assert_true(meets(0, 3) && !knows(0, 1));
	rig_end(&rig);
}

// Who is cut off and holds something keeps both, as long as nobody was silent for long.
static void
a_holder_keeps_its_place(void **state)
{
	u32 place;

	(void)state;
	begin();
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 0, 2);
	rig_export(&rig, 0, 2, ENV, TYPE_FRAMES, ALL, 4, 2);
	cut(1, true);
	rig_boot(&rig, 3);
	rig_run(&rig, SOON_NS);
	assert_true(knows(0, 1) && !knows(0, 3));
	assert_true(refused() > 0);
	cut(1, false);
	rig_run(&rig, SOON_NS);
	reads(1, place, CODE_NONE);
	assert_false(knows(0, 3));
	rig_end(&rig);
}

// When it was silent for long, what it holds is taken back, and it learns that.
static void
a_silent_holder_makes_room_at_last(void **state)
{
	u32 place, other;

	(void)state;
	begin();
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 0, 2);
	other = rig_export(&rig, 0, 2, ENV, TYPE_FRAMES, ALL, 4, 2);
	cut(1, true);
	rig_boot(&rig, 3);
	rig_run(&rig, FORGET_NS + SOON_NS);
	assert_false(knows(0, 3));		// not before the host has cleaned up
	assert_int_equal(rcap_counters(rig.node[0].rcap)->crowded, 1);
	clean_up();
	rig_run(&rig, SOON_NS);
	assert_true(meets(0, 3) && !knows(0, 1));
	reads(2, other, CODE_NONE);
	// It comes back when there is room for it again.
	rig_crash(&rig, 3);
	cut(1, false);
	rig_run(&rig, SOON_NS);
	assert_true(meets(0, 1));
	reads(1, place, CODE_REVOKED);
	rig_end(&rig);
}

// It comes back between the two: it was told, and keeps its place.
static void
it_comes_back_meanwhile(void **state)
{
	u32 place;

	(void)state;
	begin();
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 0, 2);
	rig_export(&rig, 0, 2, ENV, TYPE_FRAMES, ALL, 4, 2);
	cut(1, true);
	rig_boot(&rig, 3);
	rig_run(&rig, FORGET_NS + SOON_NS);
	cut(1, false);
	rig_run(&rig, SOON_NS);
	assert_true(meets(0, 1));
	reads(1, place, CODE_REVOKED);
	clean_up();
	rig_run(&rig, SOON_NS);
	assert_true(meets(0, 1) && !knows(0, 3));
	rig_end(&rig);
}

// What is held of a silent node keeps its place, until it is given up.
static void
an_owner_keeps_its_place(void **state)
{
	u16 owner;

	(void)state;
	begin();
	owner = rig_peer(&rig, 0, 1);
	rcap_hold(rig.node[0].rcap, owner);
	rcap_hold(rig.node[0].rcap, owner);
	rig_export(&rig, 0, 2, ENV, TYPE_FRAMES, ALL, 4, 2);
	cut(1, true);
	rig_boot(&rig, 3);
	rig_run(&rig, FORGET_NS + SOON_NS);
	assert_true(knows(0, 1) && !knows(0, 3));
	rcap_let(rig.node[0].rcap, owner);
	rig_run(&rig, SOON_NS);
	assert_true(knows(0, 1) && !knows(0, 3));
	rcap_let(rig.node[0].rcap, owner);
	rig_run(&rig, SOON_NS);
	assert_true(meets(0, 3) && !knows(0, 1));
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_nothing_makes_room),
		cmocka_unit_test(a_holder_keeps_its_place),
		cmocka_unit_test(a_silent_holder_makes_room_at_last),
		cmocka_unit_test(it_comes_back_meanwhile),
		cmocka_unit_test(an_owner_keeps_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
