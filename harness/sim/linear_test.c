// SPDX-License-Identifier: BSD-2-Clause
// links: harness/sim/linear.c harness/testing/host_assert.c
//
// Histories with known verdicts, good and bad; and thousands of small random ones,
// judged a second time by trying every order of every subset.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "harness/sim/linear.h"
#include "kernel/base/prng.h"

#define SMALL 5u
#define ROUNDS 20000u

static struct linear_op
operation(enum linear_kind kind, u64 called, u64 returned, u64 next, u64 answer)
{
	return (struct linear_op){ .kind = (u8)kind, .called = called,
				   .returned = returned, .next = next,
				   .answer = answer, .mute = kind == LINEAR_WRITE };
}

static struct linear_op
maybe(struct linear_op op)
{
	op.unknown = true;
	return op;
}

#define READ(called, returned, value) operation(LINEAR_READ, called, returned, 0, value)
#define WRITE(called, returned, value) operation(LINEAR_WRITE, called, returned, value, 0)
#define ADD(called, returned, more, was) operation(LINEAR_ADD, called, returned, more, was)

static struct linear_op
swap(u64 called, u64 returned, u64 expected, u64 next, u64 answer)
{
	struct linear_op op = operation(LINEAR_SWAP, called, returned, next, answer);

	op.expected = expected;
	return op;
}

#define JUDGE(last, ...)						       \
	linear_judge((const struct linear_op[]){ __VA_ARGS__ },		       \
		     sizeof((const struct linear_op[]){ __VA_ARGS__ }) /       \
			     sizeof(struct linear_op), 0, last)

static void
test_good(void **state)
{
	(void)state;
	assert_int_equal(linear_judge(NULL, 0, 7, 7), LINEAR_YES);
	assert_int_equal(JUDGE(1, WRITE(0, 1, 1), READ(2, 3, 1)), LINEAR_YES);
	// Together, in either order.
	assert_int_equal(JUDGE(1, WRITE(0, 9, 1), READ(1, 2, 0)), LINEAR_YES);
	assert_int_equal(JUDGE(1, WRITE(0, 9, 1), READ(1, 2, 1)), LINEAR_YES);
	// Two swaps of one value: one of them must find the other's.
	assert_int_equal(JUDGE(1, swap(0, 9, 0, 1, 0), swap(0, 9, 0, 2, 1)), LINEAR_YES);
	assert_int_equal(JUDGE(5, ADD(0, 9, 2, 3), ADD(0, 9, 3, 0)), LINEAR_YES);
}

static void
test_bad(void **state)
{
	(void)state;
	assert_int_equal(linear_judge(NULL, 0, 7, 8), LINEAR_NO);
	// A stale read, a lost update, a swap that two won, an addition made twice.
	assert_int_equal(JUDGE(1, WRITE(0, 1, 1), READ(2, 3, 0)), LINEAR_NO);
	assert_int_equal(JUDGE(2, ADD(0, 1, 2, 0), ADD(2, 3, 2, 0)), LINEAR_NO);
	assert_int_equal(JUDGE(2, swap(0, 9, 0, 1, 0), swap(0, 9, 0, 2, 0)), LINEAR_NO);
	assert_int_equal(JUDGE(4, ADD(0, 1, 2, 0)), LINEAR_NO);
	// Each reader alone could be right, but they saw two writes in two orders.
	assert_int_equal(JUDGE(2, WRITE(0, 20, 1), WRITE(0, 20, 2), READ(1, 2, 1),
			       READ(3, 4, 2), READ(5, 6, 1)), LINEAR_NO);
	// New, then old.
	assert_int_equal(JUDGE(1, WRITE(0, 20, 1), READ(1, 2, 1), READ(3, 4, 0)),
			 LINEAR_NO);
}

static void
test_unknown(void **state)
{
	(void)state;
	assert_int_equal(JUDGE(0, maybe(WRITE(0, 1, 1))), LINEAR_YES);
	assert_int_equal(JUDGE(1, maybe(WRITE(0, 1, 1))), LINEAR_YES);
	assert_int_equal(JUDGE(1, maybe(WRITE(0, 9, 1)), READ(2, 3, 0), READ(4, 5, 1)),
			 LINEAR_YES);
	// Not after it was said to be over; not twice; not taken back.
	assert_int_equal(JUDGE(1, maybe(WRITE(0, 1, 1)), READ(2, 3, 0)), LINEAR_NO);
	assert_int_equal(JUDGE(4, maybe(ADD(0, 1, 2, 0))), LINEAR_NO);
	assert_int_equal(JUDGE(0, maybe(WRITE(0, 9, 1)), READ(2, 3, 1)), LINEAR_NO);
	assert_int_equal(JUDGE(3, WRITE(0, 1, 3), maybe(swap(0, 9, 0, 5, 0))), LINEAR_YES);
}

// ---- every order of every subset

static bool
follows(const struct linear_op *op, u64 *value)
{
	u64 was = *value;

	if (!op->unknown && !op->mute && op->answer != was)
		return false;
	if (op->kind == LINEAR_WRITE)
		*value = op->next;
	else if (op->kind == LINEAR_ADD)
		*value = was + op->next;
	else if (op->kind == LINEAR_SWAP && was == op->expected)
		*value = op->next;
	return true;
}

static bool
any_order(const struct linear_op *op, u32 count, u32 done, u64 value, u64 last)
{
	bool whole = value == last;

	for (u32 i = 0; i < count; i++)
		whole &= (done >> i & 1) || op[i].unknown;
	if (whole)
		return true;
	for (u32 i = 0; i < count; i++) {
		u64 after = value;
		bool ready = !(done >> i & 1);

		// Nothing known that returned before it was called is missing, and
		// nothing that was called after its end has been.
		for (u32 j = 0; j < count; j++) {
			if (!(done >> j & 1) && !op[j].unknown)
				ready &= op[j].returned >= op[i].called;
			if (done >> j & 1)
				ready &= op[j].called <= op[i].returned;
		}
		if (ready && follows(&op[i], &after) &&
		    any_order(op, count, done | 1u << i, after, last))
			return true;
	}
	return false;
}

static void
draw(struct prng *prng, struct linear_op *op)
{
	u64 called = prng_below(prng, 8);

	*op = operation((enum linear_kind)prng_below(prng, 4), called,
			called + prng_below(prng, 6), prng_below(prng, 3),
			prng_below(prng, 3));
	op->expected = prng_below(prng, 3);
	op->unknown = prng_below(prng, 4) == 0;
}

static void
test_small_ones_as_by_trying_all(void **state)
{
	u32 verdicts[2] = { 0, 0 };
	struct prng prng;

	(void)state;
	prng_seed(&prng, 11);
	for (u32 round = 0; round < ROUNDS; round++) {
		struct linear_op op[SMALL];
		u32 count = 1 + (u32)prng_below(&prng, SMALL);
		u64 last = prng_below(&prng, 3);
		bool good;

		for (u32 i = 0; i < count; i++)
			draw(&prng, &op[i]);
		good = any_order(op, count, 0, 0, last);
		assert_int_equal(linear_judge(op, count, 0, last),
				 good ? LINEAR_YES : LINEAR_NO);
		verdicts[good]++;
	}
	assert_true(verdicts[0] > ROUNDS / 20 && verdicts[1] > ROUNDS / 20);
}

// As many at once as an honest store could have had, and then one wrong answer.
static void
test_long_ones(void **state)
{
	static struct linear_op op[LINEAR_OPS_MAX];
	struct prng prng;

	(void)state;
	prng_seed(&prng, 12);
	for (u32 round = 0; round < 6; round++) {
		u64 value = 0;

		for (u32 i = 0; i < LINEAR_OPS_MAX; i++) {
			u64 at = 10 * i + 100, was = value;

			op[i] = operation((enum linear_kind)prng_below(&prng, 4),
					  at - prng_below(&prng, 40),
					  at + prng_below(&prng, 40), 1 + i, was);
			op[i].expected = prng_below(&prng, 2) ? was : 0;
			op[i].unknown = round % 2 && prng_below(&prng, 10) == 0;
			if (!op[i].unknown || prng_below(&prng, 2))
				follows(&op[i], &value);
		}
		assert_int_equal(linear_judge(op, LINEAR_OPS_MAX, 0, value), LINEAR_YES);
		// Where many may or may not have run there is too much to try for a NO.
		if (round % 2 == 0)
			assert_int_equal(linear_judge(op, LINEAR_OPS_MAX, 0, value + 1),
					 LINEAR_NO);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_small_ones_as_by_trying_all),
		cmocka_unit_test(test_long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
