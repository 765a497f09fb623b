// SPDX-License-Identifier: BSD-2-Clause
// Credits that somebody keeps from others: a peer that was granted the whole pool, and
// never says that it keeps to less.
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

#include "net/link/state.h"
#include "net/rcap/test_pair.h"

#define PAGE 4096u
#define POOL 64u
#define WRITES 20u
#define WISH_NS (100 * NS_PER_MS)

static struct link_peer *
peer_of(u32 node, u32 other)
{
	return &rig.node[node].links->peer[rig_peer(&rig, node, other)];
}

// What node 2 says: that it wants everything, and has heard of no lowering.
static void
wish(void)
{
	struct link_peer *peer = peer_of(2, 0);
	u8 frame[WIRE_FRAME_MAX];
	u32 len;

	peer->turn_kept = 0;
	peer->want = POOL;
	len = say_idle(rig.node[2].links, rig.now, peer, frame);
	rig_deliver(&rig, 0, frame, len);
	peer->want = 0;
}

static void
nobody_keeps_what_others_want(void **state)
{
	struct rcap_submit s;
	u32 place;

	(void)state;
	rig_start(&rig, 3, test_seed(), 1500, POOL);
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
	rig_run(&rig, 2 * NS_PER_SECOND);
	rig.cut[2][0] = true;			// but for its wishes
	wish();
	assert_int_equal(peer_of(0, 2)->kept, POOL);
	s = rig_submit(&rig, 1, place, OP_WRITE, 0, PAGE, 0);
	for (u32 i = 0; i < WRITES; i++)
		assert_true(rcap_submit(rig.node[1].rcap, rig.now, &s) != RCAP_NONE);
	for (u32 i = 0; i < 4 * NS_PER_SECOND / WISH_NS; i++) {
		wish();
		rig_run(&rig, WISH_NS);
	}
	assert_true(links_live(rig.node[0].links, rig.now, rig_peer(&rig, 0, 2)));
	assert_int_equal(rig.node[1].completions, WRITES);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_keeps_what_others_want),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
