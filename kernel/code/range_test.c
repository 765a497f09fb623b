// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/code/range.c kernel/code/arith.c harness/testing/host_assert.c
//
// Intervals against numbers: whatever an operation gives for members of two
// intervals lies in the result, and members for which a comparison holds survive
// being narrowed by it. Intervals and members are drawn near the places where
// something wraps or changes its sign. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "kernel/code/arith.h"
#include "kernel/code/range.h"

#define ROUNDS 400000u

static struct prng prng;

// Small, or close to a power of two, or anything.
static u64
draw(void)
{
	u64 near = 1ull << prng_below(&prng, 64);

	switch (prng_below(&prng, 4)) {
	case 0:	return prng_below(&prng, 70);
	case 1:	return near + prng_below(&prng, 5) - 2;
	case 2:	return 0 - prng_below(&prng, 70);
	default: return prng_u64(&prng);
	}
}

static struct range
draw_range(void)
{
	u64 a = draw();
	u64 b = prng_below(&prng, 3) ? a + prng_below(&prng, 9) : draw();

	return a < b ? (struct range){ a, b } : (struct range){ b, a };
}

static u64
draw_member(struct range a)
{
	u64 width = a.max - a.min;

	switch (prng_below(&prng, 4)) {
	case 0:	return a.min;
	case 1:	return a.max;
	default: return a.min + (width == ~0ull ? prng_u64(&prng)
						: prng_below(&prng, width + 1));
	}
}

static bool
holds(struct range a, u64 member)
{
	return member >= a.min && member <= a.max;
}

static void
operations(void **state)
{
	static const i16 extensions[] = { 0, 8, 16, 32 };

	(void)state;
	for (u32 i = 0; i < ROUNDS; i++) {
		struct range a = draw_range(), b = draw_range();
		enum code_alu op = (enum code_alu)prng_below(&prng, CODE_END);
		bool wide = prng_below(&prng, 2);
		i16 offset = 0;

		if (op == CODE_NEG)
			b = range_one(0);
		if (op == CODE_DIV || op == CODE_MOD)
			offset = (i16)prng_below(&prng, 2);
		if (op == CODE_MOV)
			offset = extensions[prng_below(&prng, wide ? 4 : 3)];

		struct range result = range_calculate(op, wide, offset, a, b);

		for (u32 j = 0; j < 8; j++) {
			u64 x = draw_member(a), y = draw_member(b);
			u64 z = code_calculate(op, wide, offset, x, y);

			if (!holds(result, z))
				fail_msg("op %u wide %u offset %d: %llx, %llx: %llx "
					 "not in [%llx, %llx]", op, wide, offset,
					 (unsigned long long)x, (unsigned long long)y,
					 (unsigned long long)z,
					 (unsigned long long)result.min,
					 (unsigned long long)result.max);
		}
	}
}

static void
check_assumption(enum code_jump op, bool wide, bool outcome, struct range a,
		 struct range b)
{
	struct range x = a, y = b;
	bool possible = range_assume(op, wide, outcome, &x, &y);

	for (u32 j = 0; j < 8; j++) {
		u64 m = draw_member(a), n = draw_member(b);

		if (code_holds(op, wide, m, n) != outcome)
			continue;
		if (!possible || !holds(x, m) || !holds(y, n))
			fail_msg("jump %u wide %u outcome %u: %llx, %llx lost", op,
				 wide, outcome, (unsigned long long)m,
				 (unsigned long long)n);
	}
	if (possible) {
		assert_true(x.min <= x.max && x.min >= a.min && x.max <= a.max);
		assert_true(y.min <= y.max && y.min >= b.min && y.max <= b.max);
	}
}

static void
comparisons(void **state)
{
	(void)state;
	for (u32 i = 0; i < ROUNDS; i++) {
		enum code_jump op = (enum code_jump)prng_below(&prng, CODE_JUMP_COUNT);

		if (op == CODE_JA || op == CODE_CALL || op == CODE_EXIT)
			continue;
		check_assumption(op, prng_below(&prng, 2), prng_below(&prng, 2),
				 draw_range(), draw_range());
	}
}

// What the intervals must be able to tell, or no loop would ever be accepted.
static void
sharp(void **state)
{
	struct range i = { 0, 63 }, n = { 0, 64 }, minus = range_one(~0ull);

	(void)state;
	i = range_calculate(CODE_ADD, true, 0, i, range_one(1));
	assert_true(i.min == 1 && i.max == 64);
	i = range_calculate(CODE_ADD, true, 0, i, minus);
	assert_true(i.min == 0 && i.max == 63);
	assert_true(range_assume(CODE_JLT, true, true, &i, &n));
	assert_true(n.min == 1);
	i = range_one(64);
	assert_false(range_assume(CODE_JLT, true, true, &i, &n));
	i = n = range_one(64);
	assert_false(range_assume(CODE_JNE, true, true, &i, &n));
	n = RANGE_ALL;
	assert_true(range_assume(CODE_JSGT, true, true, &n, &minus));
	assert_true(n.max == ~0ull >> 1);
	n = range_calculate(CODE_AND, false, 0, RANGE_ALL, range_one(7));
	assert_true(n.min == 0 && n.max == 7);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(operations), cmocka_unit_test(comparisons),
		cmocka_unit_test(sharp),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(all, NULL, NULL);
}
