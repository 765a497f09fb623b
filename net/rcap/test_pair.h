// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Two nodes of the rig for tests with cmocka: node 1 holds four pages of node 0 and
// does operations on them.

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

static inline u64
test_seed(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : 1;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

// Two nodes; node 1 holds 4 pages of node 0, from page 8 on. Returns the place.
static inline u32
pair(u16 mtu)
{
	rig_start(&rig, 2, test_seed(), mtu, 64);
	rig_connect(&rig);
	rig_run(&rig, NS_PER_SECOND);	// the probes find what the path carries
	return rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, ALL, 8, 4);
}

static inline u8 *
far(u64 offset)
{
	return rig.node[0].memory + 8 * 4096 + offset;
}

static inline u8 *
near(u64 local)
{
	return rig.node[1].memory + local;
}

static inline void
fill(u8 *at, u32 len)
{
	for (u32 i = 0; i < len; i++)
		at[i] = (u8)prng_u64(&rig.prng);
}

static inline void
expect(const struct rcap_completion *c, enum rcap_outcome outcome,
       enum wire_code code)
{
	assert_int_equal(c->outcome, outcome);
	assert_int_equal(c->code, code);
}

static inline void
do_expect(const struct rcap_submit *submit, enum rcap_outcome outcome,
	  enum wire_code code)
{
	struct rcap_completion c = rig_do(&rig, 1, submit);

	expect(&c, outcome, code);
}

// The same, and node 1 has credit for more.
static inline u32
warm_pair(u16 mtu)
{
	u32 place = pair(mtu);
	struct rcap_submit s = rig_submit(&rig, 1, place, OP_READ, 0, 8, 0);

	do_expect(&s, RCAP_DONE, CODE_NONE);
	return place;
}

static inline void
put64(u8 *at, u64 value)
{
	memcpy(at, &value, 8);
}

static inline u64
get64(const u8 *at)
{
	u64 value;

	memcpy(&value, at, 8);
	return value;
}
