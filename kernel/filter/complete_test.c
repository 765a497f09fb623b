// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/filter/complete.c harness/testing/host_assert.c
//
// What a receiver would find: with the pseudo header's sum in place before, the sum
// over it and the segment is 0xffff after. And nothing else has changed.
// SEED=n replays a run.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "kernel/filter/complete.h"

#define ROUNDS 20000
#define LEN_MAX 1514u

// Ones' complement addition, byte by byte.
static u32
add(u32 sum, const u8 *at, u32 len)
{
	for (u32 i = 0; i < len; i++) {
		sum += i % 2 ? at[i] : (u32)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void
receivers_find_it_right(void **state)
{
	struct prng prng = { 0 };
	u64 seed = test_seed();

	(void)state;
	prng_seed(&prng, seed);
	for (u32 round = 0; round < ROUNDS; round++) {
		u32 start = 14 + (u32)prng_below(&prng, 60);
		u32 offset = 2 * (u32)prng_below(&prng, 20);
		u32 total = start + offset + 2 +
			    (u32)prng_below(&prng, LEN_MAX - start - offset - 1);
		u8 *frame = malloc(total), before[LEN_MAX];
		u8 pseudo[12];

		assert_non_null(frame);
		for (u32 i = 0; i < total; i++)
			frame[i] = round % 8 ? (u8)prng_u64(&prng) : 0;
		for (u32 i = 0; i < sizeof(pseudo); i++)
			pseudo[i] = round % 16 ? (u8)prng_u64(&prng) : 0;
		be16_store(frame + start + offset, (u16)add(0, pseudo, 12));
		memcpy(before, frame, total);
		complete_checksum(frame, start, offset, total);
		assert_int_equal(add(add(0, pseudo, 12), frame + start,
				     total - start), 0xffff);
		assert_int_not_equal(be16_load(frame + start + offset), 0);
		memcpy(before + start + offset, frame + start + offset, 2);
		assert_memory_equal(before, frame, total);
		free(frame);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receivers_find_it_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
