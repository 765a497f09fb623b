// SPDX-License-Identifier: BSD-2-Clause
// What taking back costs, and that it holds from the call on: one to 1,024 holders that
// all add to one counter while it is revoked, some of them alive, some on a node that is
// dead or cut off. Time here is the rig's and frames are counted, so a host's speed is
// nothing to it. `build/host/net/rcap/revocation_test` prints the table that is in
// docs/remote-capabilities.md.
//
//	V1  from the call on no operation has effect, however many hold it and whoever
//	    of them is dead
//	V2  the owner sends nothing for it, and waits for nothing
//	V3  what was reported NOT_DONE has had no effect, then or later; DONE, one
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

#define HOLDERS_MOST 1024u
#define IN_FLIGHT 48u
#define ROUNDS 60u		// before the call
#define DEAD 2u			// the node that half of the holders may be on

static u64 done, not_done, unknown;
static u32 told;		// completions of node 1 that were counted

static void
start(void)
{
	rig_start(&rig, 3, test_seed(), 1500, 64);
	// With what the table keeps for other environments.
	rig.exports_max = HOLDERS_MOST + HOLDERS_MOST / 32;
	for (u32 i = 0; i < rig.nodes; i++) {
		rig_crash(&rig, i);
		rig_boot(&rig, i);
	}
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);	// what the paths carry is known
	done = not_done = unknown = 0;
	told = 0;
}

// A root in the owner's tree, and below it one capability for each holder; with
// `dead`, every second one on node DEAD. Returns the root.
static u32
grant_all(u32 holders, bool dead)
{
	u32 root = rig_root(&rig, 0);

	for (u32 i = 0; i < holders; i++)
		rig_export_below(&rig, 0, root, dead && i % 2 ? DEAD : 1, ENV + i,
				 TYPE_FRAMES, ALL, 8, 4);
	return root;
}

// Node 1 keeps so many adds open as fit, through any of what it holds.
static void
add_more(void)
{
	const struct rig_node *n = &rig.node[1];

	for (u32 open = 0; open < IN_FLIGHT; open++) {
		struct rcap_submit s =
			rig_submit(&rig, 1, (u32)prng_below(&rig.prng, n->places),
				   OP_FETCH_ADD, 0, 8, 0);

		s.addend = 1;
		if (rcap_submit(n->rcap, rig.now, &s) == RCAP_NONE)
			return;
	}
}

static void
count_completions(void)
{
	const struct rig_node *n = &rig.node[1];

	for (; told < n->completions; told++) {
		const struct rcap_completion *c =
			&n->completion[told % ARRAY_SIZE(n->completion)];

		done += c->outcome == RCAP_DONE;
		not_done += c->outcome == RCAP_NOT_DONE;
		unknown += c->outcome == RCAP_UNKNOWN_FINAL;
	}
}

static void
run_a_while(u32 rounds)
{
	for (u32 i = 0; i < rounds; i++) {
		add_more();
		rig_run(&rig, 100 * NS_PER_US);
		count_completions();
		assert_true(done <= get64(far(0)));			// V3
	}
}

enum how { ALIVE, HALF_DEAD, HALF_CUT_OFF };

static void
revoke(u32 holders, enum how how)
{
	struct rig_node *owner = &rig.node[0];
	u64 at_call, sent, walks;
	u32 root;

	start();
	put64(far(0), 0);
	root = grant_all(holders, how != ALIVE);
	if (how == HALF_DEAD)
		rig_crash(&rig, DEAD);
	if (how == HALF_CUT_OFF)
		rig.cut[0][DEAD] = rig.cut[DEAD][0] = true;
	rig.loss = 20;
	rig.repeat = 20;
	// The frame that asks for credit may be lost: then it is asked again later.
	for (u32 i = 0; i < 100 && done < 500; i++)
		run_a_while(ROUNDS);
	assert_true(done >= 500);
	sent = owner->sent;
	walks = owner->walks;
	rig_revoke(&rig, 0, root);
	assert_int_equal(owner->sent, sent);				// V2
	assert_int_equal(owner->walks, walks);
	at_call = get64(far(0));
	run_a_while(ROUNDS);
	assert_int_equal(get64(far(0)), at_call);			// V1
	rig_run(&rig, 5 * NS_PER_SECOND);
	count_completions();
	assert_int_equal(get64(far(0)), at_call);
	assert_true(done <= at_call && at_call <= done + unknown);	// V3
	assert_int_equal(unknown, 0);
	print_message("%4u holders%s: %llu adds DONE before, %llu refused; in the call "
		      "0 frames, 0 walks; behind it %.2f walks a refusal\n", holders,
		      how == ALIVE ? "" : how == HALF_DEAD ? ", half dead"
							   : ", half cut off",
		      (unsigned long long)done, (unsigned long long)not_done,
		      (double)(owner->walks - walks) / (double)not_done);
	// One walk for each refusal and copy of one, whoever else held it.
	assert_true(owner->walks - walks <= 2 * not_done + IN_FLIGHT);
	rig_end(&rig);
}

static void
all_alive(void **state)
{
	(void)state;
	for (u32 holders = 1; holders <= HOLDERS_MOST; holders *= 32)
		revoke(holders, ALIVE);
}

static void
half_of_them_dead(void **state)
{
	(void)state;
	revoke(64, HALF_DEAD);
	revoke(HOLDERS_MOST, HALF_DEAD);
}

static void
half_of_them_cut_off(void **state)
{
	(void)state;
	revoke(64, HALF_CUT_OFF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_alive),
		cmocka_unit_test(half_of_them_dead),
		cmocka_unit_test(half_of_them_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
