// SPDX-License-Identifier: BSD-2-Clause
// links: libos/message/channel.c harness/testing/host_assert.c
//
// Channels against a queue of what was put: random messages through a small ring, from
// counts that are about to wrap; what a side that lies can do to the other: break the
// channel and nothing else, wherever its lies point; and who is woken, and how often.
// channel_race_test.c runs two threads. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/message/channel.h"

#define SIZE 256u
#define STEPS 200000u
#define LIES 20000u
#define GUARD 0xa5u

static struct channel_end writes, reads;
// Guards on both sides of the ring.
static u8 room[3 * SIZE];
static u8 *const ring = room + SIZE;
static struct channel writer, reader;
static struct prng prng;

static void
begin(u32 count)
{
	memset(room, GUARD, sizeof(room));
	writes = (struct channel_end){ .count = count };
	reads = (struct channel_end){ .count = count };
	channel_open(&writer, true, &writes, &reads, ring, SIZE);
	channel_open(&reader, false, &reads, &writes, ring, SIZE);
}

static void
check_guards(void)
{
	for (u32 i = 0; i < SIZE; i++) {
		assert_int_equal(room[i], GUARD);
		assert_int_equal(room[2 * SIZE + i], GUARD);
	}
}

// Message number n of a run: its length and bytes follow from the number.
static u32
compose(u64 n, u8 message[SIZE])
{
	struct prng own;
	u32 len;

	prng_seed(&own, n);
	len = (u32)prng_below(&own, 4) ? (u32)prng_below(&own, 24) :
	      (u32)prng_below(&own, channel_longest(SIZE) + 1);
	for (u32 i = 0; i < len; i++)
		message[i] = (u8)prng_u64(&own);
	return len;
}

static u32
on_ring(u32 len)
{
	return 4 + (len + 3) / 4 * 4;
}

static void
messages_in_order(void **state)
{
	u64 base, put = 0, got = 0;
	u32 used = 0, len, seen;
	u8 message[SIZE], expected[SIZE];

	(void)state;
	base = test_seed();
	prng_seed(&prng, base);
	begin(0u - 4000);
	for (u32 step = 0; step < STEPS; step++) {
		if (prng_below(&prng, 2)) {
			len = compose(base + put, message);
			if (on_ring(len) > SIZE - used) {
				assert_int_equal(channel_put(&writer, message, len),
						 CHANNEL_WAIT);
				continue;
			}
			assert_int_equal(channel_put(&writer, message, len),
					 CHANNEL_DONE);
			used += on_ring(len);
			put++;
		} else if (got == put) {
			assert_int_equal(channel_get(&reader, message, SIZE, &seen),
					 CHANNEL_WAIT);
		} else {
			len = compose(base + got, expected);
			if (len) {
				assert_int_equal(channel_get(&reader, message,
							     len - 1, &seen),
						 CHANNEL_LONG);
				assert_int_equal(seen, len);
			}
			assert_int_equal(channel_get(&reader, message, len, &seen),
					 CHANNEL_DONE);
			assert_int_equal(seen, len);
			assert_memory_equal(message, expected, len);
			used -= on_ring(len);
			got++;
		}
		assert_int_equal(writes.count - reads.count, used);
	}
	assert_true(got > STEPS / 8);
	check_guards();
}

static void
too_long(void **state)
{
	u8 message[SIZE] = { 0 };
	u32 len;

	(void)state;
	begin(0);
	assert_int_equal(channel_put(&writer, message, SIZE - 3), CHANNEL_LONG);
	assert_int_equal(channel_put(&writer, message, ~0u), CHANNEL_LONG);
	assert_int_equal(channel_put(&writer, message, SIZE - 4), CHANNEL_DONE);
	assert_int_equal(channel_put(&writer, message, 0), CHANNEL_WAIT);
	assert_int_equal(channel_get(&reader, message, SIZE, &len), CHANNEL_DONE);
	assert_int_equal(channel_put(&writer, message, 0), CHANNEL_DONE);
	assert_int_equal(channel_get(&reader, message, 0, &len), CHANNEL_DONE);
	assert_int_equal(len, 0);
}

static void
closing(void **state)
{
	u8 message[8] = { 1 };
	u32 len;

	(void)state;
	begin(0);
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
	channel_close(&writer);
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_CLOSED);
	begin(0);
	channel_close(&reader);
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_CLOSED);
}

static void
one_wake_a_nap(void **state)
{
	u8 message[8] = { 0 };
	u32 len;

	(void)state;
	begin(0);
	// Both are busy: nobody is woken.
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
	assert_false(channel_wakes(&writer));
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
	assert_false(channel_wakes(&reader));
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_WAIT);
		assert_true(channel_nap(&reader));
		assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
		assert_true(channel_wakes(&writer));
		assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
		assert_false(channel_wakes(&writer));
		channel_rise(&reader);
		assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
		assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
	}
	// What came before the nap forbids it.
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_WAIT);
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
	assert_false(channel_nap(&reader));
	channel_rise(&reader);
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_WAIT);
	channel_close(&writer);
	assert_false(channel_nap(&reader));
	channel_rise(&reader);
	// A nap that began with all of the ring seen is not over before more is put.
	begin(0);
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_WAIT);
	assert_true(channel_nap(&reader));
	assert_false(channel_wakes(&writer));
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
	assert_true(channel_wakes(&writer));
	channel_rise(&reader);
	// A writer that waits for room.
	begin(0);
	while (channel_put(&writer, message, 8) == CHANNEL_DONE)
		;
	assert_true(channel_nap(&writer));
	assert_int_equal(channel_get(&reader, message, 8, &len), CHANNEL_DONE);
	assert_true(channel_wakes(&reader));
	channel_rise(&writer);
	assert_int_equal(channel_put(&writer, message, 8), CHANNEL_DONE);
}

// Counts that cannot be, told by the other side.
static void
impossible_counts(void **state)
{
	static const u32 lies[] = { SIZE + 4, 1, 2, 1u << 31, ~0u, 0u - 4 };
	u8 message[SIZE] = { 0 };
	u32 len;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(lies); i++) {
		begin(0);
		writes.count = lies[i];
		assert_int_equal(channel_get(&reader, message, SIZE, &len),
				 CHANNEL_BROKEN);
		writes.count = 0;
		assert_int_equal(channel_get(&reader, message, SIZE, &len),
				 CHANNEL_BROKEN);
		assert_int_equal(reads.count, 0);
		begin(0);
		assert_int_equal(channel_put(&writer, message, 100), CHANNEL_DONE);
		reads.count = lies[i];
		if (lies[i] <= 104 && lies[i] % 4 == 0)
			continue;
		assert_int_equal(channel_put(&writer, message, 200), CHANNEL_BROKEN);
		assert_int_equal(writes.count, 104);
	}
}

// Whatever stands in the ring and in the words, a reader reads within the ring, into
// its buffer, and ends.
static void
any_lie(void **state)
{
	u8 buffer[SIZE + 64];

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 i = 0; i < LIES; i++) {
		u32 size = (u32)prng_below(&prng, SIZE + 1), len, got = 0;
		enum channel_result result;

		begin((u32)prng_u64(&prng) & ~3u);
		for (u32 at = 0; at < SIZE; at++)
			ring[at] = prng_below(&prng, 3) ? 0 : (u8)prng_u64(&prng);
		writes.count += (u32)prng_below(&prng, SIZE / 4 + 2) * 4;
		if (prng_below(&prng, 8) == 0)
			writes.count = (u32)prng_u64(&prng);
		writes.naps = (u32)prng_u64(&prng);
		memset(buffer, GUARD, sizeof(buffer));
		while ((result = channel_get(&reader, buffer, size, &len)) ==
		       CHANNEL_DONE) {
			assert_true(len <= size);
			got += on_ring(len);
			assert_true(got <= SIZE);
		}
		assert_true(result != CHANNEL_CLOSED);
		for (u32 at = size; at < sizeof(buffer); at++)
			assert_int_equal(buffer[at], GUARD);
		assert_false(channel_wakes(&reader) && channel_wakes(&reader));
		check_guards();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_in_order),
		cmocka_unit_test(too_long),
		cmocka_unit_test(closing),
		cmocka_unit_test(one_wake_a_nap),
		cmocka_unit_test(impossible_counts),
		cmocka_unit_test(any_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
