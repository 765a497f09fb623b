// SPDX-License-Identifier: BSD-2-Clause
// Filters against a brute-force oracle. The oracle evaluates atoms one by one,
// as kernel/abi/ring.h words them, on every frame of a small universe: atoms
// are drawn so that only UNIVERSE_BITS scattered bits matter, and all their
// assignments are tried. SEED=n replays a run.
//
// links: kernel/filter/filter.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "kernel/filter/filter.h"
#include "kernel/filter/oracle_rig.h"

#define UNIVERSE_BITS 8u
#define FRAMES (1u << UNIVERSE_BITS)
#define ROUNDS 3000

// The bits of the universe: byte and bit in a frame, chosen so that atoms at
// different offsets share them.
static const struct {
	u8 byte;
	u8 bit;
} universe[UNIVERSE_BITS] = {
	{ 0, 7 }, { 3, 0 }, { 4, 4 }, { 5, 1 },
	{ 12, 3 }, { 13, 6 }, { 62, 2 }, { 63, 5 },
};

static const u32 offsets[] = { 0, 1, 2, 3, 4, 10, 12, 59, 60 };

static struct prng prng;

static void
frame_of(u8 *frame, u32 assignment)
{
	memset(frame, 0, FILTER_WINDOW);
	for (u32 i = 0; i < UNIVERSE_BITS; i++) {
		if (assignment >> i & 1)
			frame[universe[i].byte] |= (u8)(1u << universe[i].bit);
	}
}

static u32
random_list(struct ring_atom *atoms)
{
	u32 count = (u32)prng_below(&prng, 5);

	for (u32 i = 0; i < count; i++) {
		u8 all[FILTER_WINDOW];
		u32 offset = offsets[prng_below(&prng, ARRAY_SIZE(offsets))];
		u32 r = (u32)prng_u64(&prng);

		frame_of(all, FRAMES - 1);
		atoms[i].offset = offset;
		atoms[i].mask = be32_load(all + offset) & (r | r >> 7);
		atoms[i].value = atoms[i].mask & (u32)prng_u64(&prng);
	}
	return count;
}

static void
check_pair(const struct ring_atom *a, u32 na, const struct ring_atom *b, u32 nb)
{
	struct filter fa, fb;
	struct filter_window w;
	u8 frame[FILTER_WINDOW];
	bool some_a = false, some_b = false, both = false, inside = true;

	fa = (struct filter){ 0 };
	fb = (struct filter){ 0 };

	bool ok_a = filter_add(&fa, a, na), ok_b = filter_add(&fb, b, nb);

	for (u32 i = 0; i < FRAMES; i++) {
		frame_of(frame, i);
		filter_load(&w, frame, sizeof(frame));

		bool in_a = oracle_accepts(a, na, frame, sizeof(frame));
		bool in_b = oracle_accepts(b, nb, frame, sizeof(frame));

		some_a |= in_a;
		some_b |= in_b;
		both |= in_a && in_b;
		inside &= !in_a || in_b;
		if (ok_a)
			assert_int_equal(filter_accepts(&fa, &w), in_a);
	}
	assert_int_equal(ok_a, some_a);
	assert_int_equal(ok_b, some_b);
	if (!ok_a || !ok_b)
		return;
	assert_int_equal(filter_overlap(&fa, &fb), both);
	assert_int_equal(filter_overlap(&fb, &fa), both);
	assert_int_equal(filter_within(&fa, &fb), inside);
	if (inside)
		assert_true(filter_extent(&fa) >= filter_extent(&fb));
}

static void
test_oracle(void **state)
{
	struct ring_atom a[8], b[8];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		u32 na = random_list(a), nb = random_list(b);

		check_pair(a, na, b, nb);
		// A list and its own extension: narrowing as programs do it.
		memcpy(b, a, na * sizeof(a[0]));
		nb = na + random_list(b + na) % (8 - na + 1);
		check_pair(b, nb, a, na);
	}
}

static void
test_short_frames(void **state)
{
	struct ring_atom atoms[8];
	u8 frame[FILTER_WINDOW + 8];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct filter f;
		struct filter_window w;
		u32 count = random_list(atoms);
		u32 len = (u32)prng_below(&prng, sizeof(frame) + 1);
		u8 *exact = malloc(len ? len : 1);

		frame_of(frame, (u32)prng_below(&prng, FRAMES));
		memcpy(exact, frame, len);
		f = (struct filter){ 0 };
		if (filter_add(&f, atoms, count)) {
			filter_load(&w, exact, len);
			assert_int_equal(filter_accepts(&f, &w),
				oracle_accepts(atoms, count, exact, len));
		}
		free(exact);
	}
}

static void
test_malformed(void **state)
{
	static const struct ring_atom bad[] = {
		{ 61, 0xff, 0x01 },			// runs past the window
		{ 0xfffffffc, 0xff, 0x01 },
		{ 12, 0xffff0000, 0x08000001 },		// value outside its mask
	};
	static const struct ring_atom ipv4 = { 12, 0xffff0000, 0x08000000 };
	static const struct ring_atom arp = { 10, 0x0000ffff, 0x00000806 };
	struct filter f, before;

	(void)state;
	f = (struct filter){ 0 };
	assert_true(filter_add(&f, &ipv4, 1));
	assert_int_equal(filter_extent(&f), 14);
	before = f;
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(filter_add(&f, &bad[i], 1));
		assert_memory_equal(&f, &before, sizeof(f));
	}
	// The same bytes through another offset: a contradiction.
	assert_false(filter_add(&f, &arp, 1));
	assert_memory_equal(&f, &before, sizeof(f));
	assert_true(filter_add(&f, &ipv4, 1));
	assert_memory_equal(&f, &before, sizeof(f));
}

static void
test_ports(void **state)
{
	static const struct ring_atom tcp[] = {
		{ 12, 0xffff0000, 0x08000000 }, { 20, 0x000000ff, 0x00000006 },
	};
	static const struct ring_atom port[] = {
		{ 12, 0xffff0000, 0x08000000 }, { 20, 0x000000ff, 0x00000006 },
		{ 36, 0xffff0000, 0x00500000 },
	};
	static const struct ring_atom other[] = {
		{ 36, 0xffff0000, 0x1f900000 },
	};
	struct filter all, any_tcp, port_80, port_8080;

	(void)state;
	all = (struct filter){ 0 };
	any_tcp = (struct filter){ 0 };
	port_80 = (struct filter){ 0 };
	port_8080 = (struct filter){ 0 };
	assert_true(filter_add(&any_tcp, tcp, ARRAY_SIZE(tcp)));
	assert_true(filter_add(&port_80, port, ARRAY_SIZE(port)));
	assert_true(filter_add(&port_8080, other, ARRAY_SIZE(other)));
	assert_true(filter_within(&port_80, &any_tcp));
	assert_true(filter_within(&any_tcp, &all));
	assert_false(filter_within(&any_tcp, &port_80));
	assert_false(filter_overlap(&port_80, &port_8080));
	assert_true(filter_overlap(&any_tcp, &port_8080));
	assert_false(filter_within(&port_8080, &any_tcp));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_short_frames),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_ports),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
