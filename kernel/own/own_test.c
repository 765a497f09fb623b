// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/own/own.c harness/testing/host_assert.c
//
// Ownership of frames against a reference model that keeps, for each frame, its
// state, owner and pins in the plainest way. Random allocation, release, pins;
// conservation after every step. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "kernel/own/own.h"
#include "kernel/abi/syscalls.h"

#define FRAMES 300u
#define RUNS 64u
#define STEPS 20000

struct run {
	u64 base, count;
	u16 owner;
};

static struct frame_info table[FRAMES];
static struct own own;
static u32 pins[FRAMES];
static u16 owners[FRAMES];		// OWNER_NONE: not owned
static struct run runs[RUNS];

static bool
model_free(u64 frame)
{
	return frame >= 10 && owners[frame] == OWNER_NONE && !pins[frame];
}

static void
compare(void)
{
	u64 free = 0;

	for (u64 f = 0; f < FRAMES; f++) {
		bool is_free = table[f].state == FRAME_FREE;

		assert_int_equal(is_free, model_free(f));
		assert_int_equal(table[f].owner, owners[f]);
		assert_int_equal(table[f].pins, pins[f]);
		free += is_free;
	}
	assert_int_equal(free, own.free);
	own_check(&own);
}

static bool
model_has_run(u64 base, u64 count)
{
	for (u64 f = base; f < base + count; f++) {
		if (f >= FRAMES || !model_free(f))
			return false;
	}
	return true;
}

static bool
model_has_any(u64 count)
{
	for (u64 f = 0; f < FRAMES; f++) {
		if (model_has_run(f, count))
			return true;
	}
	return false;
}

static void
step_take(struct prng *p)
{
	struct run *run = &runs[prng_below(p, RUNS)];
	u64 count = 1 + prng_below(p, 20);
	u64 base = prng_below(p, 2) ? FRAME_ANY : prng_below(p, FRAMES + 5);
	u64 found = own_find(&own, base, count);

	if (base == FRAME_ANY)
		assert_int_equal(found != FRAME_ANY, model_has_any(count));
	else
		assert_int_equal(found != FRAME_ANY, model_has_run(base, count));
	if (found == FRAME_ANY || run->count)
		return;
	assert_true(model_has_run(found, count));
	*run = (struct run){ found, count, (u16)prng_below(p, 50) };
	own_take(&own, found, count, run->owner, FRAME_OWNED);
	for (u64 f = found; f < found + count; f++)
		owners[f] = run->owner;
}

static void
step_release(struct prng *p)
{
	struct run *run = &runs[prng_below(p, RUNS)];

	if (!run->count)
		return;
	own_release(&own, run->base, run->count);
	for (u64 f = run->base; f < run->base + run->count; f++)
		owners[f] = OWNER_NONE;
	run->count = 0;
}

static void
step_pin(struct prng *p)
{
	u64 f = prng_below(p, FRAMES);

	if (prng_below(p, 2) && pins[f]) {
		own_unpin(&own, f, 1);
		pins[f]--;
	} else if (table[f].state != FRAME_FREE) {
		own_pin(&own, f, 1);
		pins[f]++;
	}
}

static void
test_random_programs(void **state)
{
	struct prng p;

	(void)state;
	prng_seed(&p, test_seed());
	own_init(&own, table, FRAMES);
	for (u64 f = 0; f < FRAMES; f++)
		owners[f] = OWNER_NONE;
	for (u64 frame = 10; frame < FRAMES + 10; frame++)
		own_add(&own, frame);
	assert_int_equal(own.free, FRAMES - 10);
	for (int i = 0; i < STEPS; i++) {
		switch (prng_below(&p, 4)) {
		case 0:
			step_take(&p);
			break;
		case 1:
			step_release(&p);
			break;
		default:
			step_pin(&p);
		}
		compare();
	}
}

static void
test_a_pinned_frame_waits_in_limbo(void **state)
{
	(void)state;
	own_init(&own, table, 4);
	for (u64 frame = 0; frame < 4; frame++)
		own_add(&own, frame);
	own_take(&own, 1, 2, 7, FRAME_OWNED);
	own_pin(&own, 1, 1);
	own_release(&own, 1, 2);
	assert_int_equal(table[1].state, FRAME_LIMBO);
	assert_int_equal(table[2].state, FRAME_FREE);
	assert_int_equal(own_find(&own, 1, 1), FRAME_ANY);
	own_unpin(&own, 1, 1);
	assert_int_equal(table[1].state, FRAME_FREE);
	own_check(&own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_programs),
		cmocka_unit_test(test_a_pinned_frame_waits_in_limbo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
