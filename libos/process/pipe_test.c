// SPDX-License-Identifier: BSD-2-Clause
// links: libos/process/pipe.c harness/testing/host_assert.c
//
// The ring of a pipe against a plain array: random pieces in and out, from counts that
// are about to wrap; and what a side that lies can do to the other: nothing but break
// the pipe. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/process/pipe.h"

#define TOTAL 3000000u
#define PIECE_MAX (PIPE_BYTES + 100)

static struct pipe ring;
static struct prng prng;

static u8
byte_at(u64 i)
{
	return (u8)(i * 13 + i / 255);
}

static u64
put_some(u64 sent)
{
	static u8 piece[PIECE_MAX];
	u64 len = prng_below(&prng, PIECE_MAX);
	u32 room = PIPE_BYTES - pipe_used(&ring);
	u32 put;

	for (u64 i = 0; i < len; i++)
		piece[i] = byte_at(sent + i);
	put = pipe_put(&ring, piece, len);
	assert_int_equal(put, MIN(len, (u64)room));
	return put;
}

static u64
get_some(u64 taken)
{
	static u8 piece[PIECE_MAX];
	u64 len = prng_below(&prng, PIECE_MAX);
	u32 used = pipe_used(&ring);
	u32 got = pipe_get(&ring, piece, len);

	assert_int_equal(got, MIN(len, (u64)used));
	for (u32 i = 0; i < got; i++)
		assert_int_equal(piece[i], byte_at(taken + i));
	return got;
}

static void
bytes_in_order(void **state)
{
	u64 sent = 0, taken = 0;

	(void)state;
	prng_seed(&prng, test_seed());
	ring = (struct pipe){ 0 };
	ring.reader.count = ring.writer.count = 0u - TOTAL / 2;	// wraps half-way
	while (taken < TOTAL) {
		if (prng_below(&prng, 2))
			sent += put_some(sent);
		else
			taken += get_some(taken);
		assert_int_equal(pipe_used(&ring), sent - taken);
	}
}

static void
lies(void **state)
{
	static const u32 wrong[] = { PIPE_BYTES + 1, 1u << 31, ~0u };
	u8 piece[64] = { 0 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		ring = (struct pipe){ 0 };
		ring.writer.count = wrong[i];
		assert_int_equal(pipe_used(&ring), PIPE_BAD);
		assert_int_equal(pipe_get(&ring, piece, 64), PIPE_BAD);
		assert_int_equal(pipe_put(&ring, piece, 64), PIPE_BAD);
		assert_int_equal(ring.reader.count, 0);
	}
}

static void
holders(void **state)
{
	struct pipe_end end = { 0 };

	(void)state;
	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		assert_true(pipe_hold(&end, pipe_holder(i, 100 + i)));
		assert_true(pipe_hold(&end, pipe_holder(i, 100 + i)));
	}
	assert_false(pipe_hold(&end, pipe_holder(60, 1)));
	pipe_release(&end, pipe_holder(60, 1));
	assert_int_equal(end.closes, 0);
	pipe_release(&end, pipe_holder(2, 102));
	assert_int_equal(end.closes, 1);
	assert_true(pipe_hold(&end, pipe_holder(60, 1)));
	assert_false(pipe_hold(&end, pipe_holder(61, 1)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_in_order),
		cmocka_unit_test(lies),
		cmocka_unit_test(holders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
