// SPDX-License-Identifier: BSD-2-Clause
// Before it has heard a frame of the session, a node echoes 0. That is no reading: taken
// for one, it would keep the owner's lease going when the clock's 32 bits have just
// wrapped, while the requester has given up.
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

#define WRAP_NS ((1ull << 32) * NS_PER_US)
#define BEFORE_NS (300 * NS_PER_MS)

static u32
session(u32 node)
{
	return links_session(rig.node[node].links, rig_peer(&rig, node, 1 - node));
}

// The first node to come up hears nothing more of the other, whose clock wraps then.
static void
no_lease_by_a_clock_that_wraps(void **state)
{
	u32 first, other;

	(void)state;
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig.now = WRAP_NS - BEFORE_NS;
	while (rig_peer(&rig, 0, 1) == LINK_NONE || rig_peer(&rig, 1, 0) == LINK_NONE ||
	       (!session(0) && !session(1))) {
		assert_true(rig.now < WRAP_NS - BEFORE_NS / 2);
		rig_run(&rig, NS_PER_US);
	}
	first = session(0) ? 0 : 1;
	other = 1 - first;
	rig.cut[other][first] = true;
	rig_run(&rig, 10 * NS_PER_MS);
	assert_true(session(other));
	rig_run(&rig, LINK_LAPSE_NS);
	assert_false(session(other));
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_lease_by_a_clock_that_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
