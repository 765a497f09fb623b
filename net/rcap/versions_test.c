// SPDX-License-Identifier: BSD-2-Clause
// A requester and an owner of each release before: what that owner's release lacks ends
// here as NOT_DONE, CODE_VERSION, and no frame is sent for it; what it has goes there.
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

#include "net/rcap/test_pair.h"

#define CAPTURED 4096u

// Node 1 holds all of node 0's pages, which speaks an older version.
static u32
begin(u32 behind)
{
	rig_start(&rig, 2, test_seed(), 1500, 64);
	rig_crash(&rig, 0);
	rig.behind[0] = (u8)behind;
	rig_boot(&rig, 0);
	rig_connect(&rig);
	assert_int_equal(links_version(rig.node[1].links, rig_peer(&rig, 1, 0))->ops,
			 wire_version[WIRE_MINOR - behind].ops);
	rig.captured_max = CAPTURED;
	rig.captured = calloc(CAPTURED, sizeof(*rig.captured));
	assert_non_null(rig.captured);
	rig.capture = true;
	return rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
}

// One that rcap_sensible() takes.
static struct rcap_submit
sensible(u32 place, u32 op)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, (u8)op, 0,
					  wire_op_info[op].shortest, 0);

	if (op == OP_MCAS || op == OP_READV || op == OP_PUTV)
		s.pieces = 1;
	if (op == OP_READV)
		s.piece[0].length = s.length;
	if (op == OP_PUTV)
		s.change.piece[0].length = 1;
	if (op == OP_ALLOC)
		s.alloc = (struct wire_alloc){ .range = 1, .count = 1 };
	if (op == OP_REDEEM)
		s.remote.slot = WIRE_SLOT_NONE;
	assert_true(rcap_sensible(&s));
	return s;
}

// Frames with operations that node 1 has sent since the last look.
static u32
requests(void)
{
	u32 count = 0;

	assert_true(rig.captured_count < CAPTURED);
	for (u32 i = 0; i < rig.captured_count; i++)
		count += rig.captured[i].to == 0 &&
			 rig.captured[i].bytes[WIRE_ETHERNET + 1] == WIRE_REQUEST;
	rig.captured_count = 0;
	return count;
}

static void
goes_if(bool has, struct rcap_submit s)
{
	struct rcap_completion c;

	requests();
	c = rig_do(&rig, 1, &s);
	if (has) {
		assert_int_not_equal(c.code, CODE_VERSION);
		assert_true(requests() > 0);
	} else {
		expect(&c, RCAP_NOT_DONE, CODE_VERSION);
		assert_int_equal(requests(), 0);
	}
}

static void
only_what_the_owner_has_is_sent(void **state)
{
	(void)state;
	for (u32 behind = 0; behind <= WIRE_MINOR; behind++) {
		u32 place = begin(behind), ops = wire_version[WIRE_MINOR - behind].ops;

		for (u32 op = 1; op < OP_COUNT; op++) {
			// DROP ends the capability: last.
			if (op == OP_GRANT || op == OP_RECALL || op == OP_DROP)
				continue;
			goes_if(op <= ops, sensible(place, op));
		}
		goes_if(true, sensible(place, OP_DROP));
		rig_end(&rig);
	}
}

// An MCAS whose chain is not a READ is one of 1.1.
static void
chains_are_of_a_version_too(void **state)
{
	(void)state;
	for (u32 behind = 0; behind <= WIRE_MINOR; behind++) {
		u32 place = begin(behind);
		struct rcap_submit s = sensible(place, OP_MCAS);

		s.clause[0].chain_length = 4;
		goes_if(true, s);
		s.clause[0].chain = CHAIN_NOTIFY;
		goes_if(wire_version[WIRE_MINOR - behind].ops >= OP_READV, s);
		s.clause[0].chain = CHAIN_WRITE;
		goes_if(wire_version[WIRE_MINOR - behind].ops >= OP_READV, s);
		rig_end(&rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_owner_has_is_sent),
		cmocka_unit_test(chains_are_of_a_version_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
