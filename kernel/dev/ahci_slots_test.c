// SPDX-License-Identifier: BSD-2-Clause
// The AHCI slots against a model of a disk that works on up to 32 commands, ends them in any
// order, and now and then fails with one of them: bad blocks fail for good, others once.
// Every operation comes back once, with what became of it; a flush runs alone, and after all
// that came before it; none is tried more than twice. SEED=n replays a run.
//
// links: kernel/dev/ahci_slots.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "kernel/dev/ahci_slots.h"

#define STEPS 60000
#define OPERATIONS 65536u

static struct prng prng;

struct operation {
	bool open;
	bool bad;		// fails whenever it is tried
	bool hurt;		// was with the disk at an error that was not its own
	enum ahci_kind kind;
	u32 tries;
	bool ended;		// as the disk sees it
};

struct rig {
	struct ahci_slots s;
	struct operation op[OPERATIONS];
	u32 added;
	u32 taken;
	u32 flushes;
	u32 failures;
	u32 retried;
	u32 working;		// slots that the disk works on
	bool working_queued;
};

static struct operation *
in_slot(struct rig *r, u32 slot)
{
	return &r->op[r->s.cookie[slot] % OPERATIONS];
}

static void
add(struct rig *r)
{
	struct operation *o = &r->op[r->added % OPERATIONS];
	static const enum ahci_kind kinds[] = { AHCI_READ, AHCI_WRITE, AHCI_WRITE,
						AHCI_READ, AHCI_FLUSH };

	if (ahci_slots_room(&r->s) == 0)
		return;
	*o = (struct operation){
		.open = true,
		.bad = prng_below(&prng, 40) == 0,
		.kind = kinds[prng_below(&prng, ARRAY_SIZE(kinds))],
	};
	ahci_slots_add(&r->s, o->kind, r->added++);
}

static void
check_flush(struct rig *r, u32 slot)
{
	u32 number = r->s.cookie[slot];

	for (u32 i = r->taken > 64 ? number - MIN(number, 64u) : 0; i < number; i++)
		assert_true(r->op[i % OPERATIONS].ended || !r->op[i % OPERATIONS].open);
	r->flushes++;
}

static void
issue(struct rig *r)
{
	u32 slot;
	bool queued;

	while (ahci_slots_next(&r->s, &slot, &queued)) {
		struct operation *o = in_slot(r, slot);

		assert_true(o->open && !o->ended);
		assert_false(r->working >> slot & 1);
		assert_true(queued ? r->working_queued || !r->working : !r->working);
		assert_true(!queued || (r->s.queued && o->kind != AHCI_FLUSH && !o->tries));
		assert_true(++o->tries <= 2);
		r->retried += o->tries == 2;
		if (o->kind == AHCI_FLUSH && o->tries == 1)
			check_flush(r, slot);
		r->working |= 1u << slot;
		r->working_queued = queued;
	}
}

// The disk ends some of what it works on, well or with an error.
static void
work(struct rig *r)
{
	u32 ended = r->working & (u32)prng_u64(&prng), slot;
	bool error = r->working && prng_below(&prng, 30) == 0;

	for (slot = 0; slot < 32; slot++) {
		if (!(ended >> slot & 1))
			continue;
		if (in_slot(r, slot)->bad) {
			error = true;
			ended &= ~(1u << slot);
		}
	}
	if (error && !r->working_queued)
		ended = 0;
	for (slot = 0; slot < 32; slot++)
		in_slot(r, slot)->ended |= ended >> slot & 1;
	r->working &= ~ended;
	ahci_slots_finished(&r->s, r->working);
	if (!error || !r->working)
		return;
	for (slot = 0; slot < 32; slot++) {
		if (!(r->working >> slot & 1))
			continue;
		if (r->working_queued)
			in_slot(r, slot)->hurt = true;
		else
			in_slot(r, slot)->ended = in_slot(r, slot)->bad = true;
	}
	r->working = 0;
	ahci_slots_error(&r->s);
}

static void
take(struct rig *r)
{
	bool succeeded;
	u32 cookie;

	if (!ahci_slots_take(&r->s, &cookie, &succeeded))
		return;

	struct operation *o = &r->op[cookie % OPERATIONS];

	assert_true(o->open && o->ended);
	assert_int_equal(succeeded, !o->bad);
	o->open = false;
	r->failures += !succeeded;
	r->taken++;
}

static void
run(struct rig *r, u32 depth, bool queued)
{
	memset(r, 0, sizeof(*r));
	ahci_slots_init(&r->s, depth, queued);
	for (int i = 0; i < STEPS; i++) {
		switch (prng_below(&prng, 4)) {
		case 0:
			add(r);
			break;
		case 1:
			issue(r);
			break;
		case 2:
			work(r);
			break;
		default:
			take(r);
		}
		ahci_slots_check(&r->s);
	}
	assert_true(r->taken > STEPS / 40 && r->flushes > 100 && r->failures > 20);
	assert_true(!queued || depth == 1 || r->retried > 50);
}

static void
test_disks(void **state)
{
	static struct rig r;
	static const u32 depths[] = { 1, 2, 31, 32 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(depths); i++) {
		run(&r, depths[i], false);
		run(&r, depths[i], true);
	}
}

// What was behind a flush does not pass it, and it does not wait for ever.
static void
test_flush_is_a_fence(void **state)
{
	struct ahci_slots s;
	bool queued, succeeded;
	u32 slot, cookie;

	(void)state;
	ahci_slots_init(&s, 32, true);
	ahci_slots_add(&s, AHCI_WRITE, 0);
	ahci_slots_add(&s, AHCI_FLUSH, 1);
	ahci_slots_add(&s, AHCI_WRITE, 2);
	assert_true(ahci_slots_next(&s, &slot, &queued) && slot == 0 && queued);
	assert_false(ahci_slots_next(&s, &slot, &queued));
	ahci_slots_finished(&s, 0);
	assert_true(ahci_slots_next(&s, &slot, &queued) && slot == 1 && !queued);
	assert_false(ahci_slots_next(&s, &slot, &queued));
	ahci_slots_finished(&s, 1u << 1);
	assert_false(ahci_slots_next(&s, &slot, &queued));
	ahci_slots_finished(&s, 0);
	assert_true(ahci_slots_next(&s, &slot, &queued) && slot == 2 && queued);
	for (u32 i = 0; i < 2; i++) {
		assert_true(ahci_slots_take(&s, &cookie, &succeeded));
		assert_true(succeeded && cookie == i);
	}
	assert_false(ahci_slots_take(&s, &cookie, &succeeded));
}

static void
test_abandon(void **state)
{
	static struct rig r;
	u32 cookie, count = 0;
	bool succeeded;

	(void)state;
	run(&r, 32, true);
	ahci_slots_abandon(&r.s);
	ahci_slots_check(&r.s);
	while (ahci_slots_take(&r.s, &cookie, &succeeded)) {
		assert_true(r.op[cookie % OPERATIONS].open);
		r.op[cookie % OPERATIONS].open = false;
		count++;
	}
	assert_int_equal(count, r.added - r.taken);
	assert_int_equal(ahci_slots_room(&r.s), 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_flush_is_a_fence),
		cmocka_unit_test(test_abandon),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
