// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cap/cap.c kernel/cap/demand.c harness/testing/host_assert.c
//
// What is taken, and in which order, against a model that knows no ranges: it writes
// down every unit that the demand is about, one by one, in the order in which they
// are to go. Random lists, declarations and debts; each debt is taken as the kernel
// does, choice after choice, and the units that are gone must be the first ones of
// the model's, exactly as many as were owed. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/prng.h"
#include "kernel/cap/demand.h"

#define POOL 400u
#define LENDER 0u			// lists
#define DEBTOR 1u
#define OTHER 2u
#define LISTS 3u
#define ROUNDS 3000
#define UNITS_MAX (CAP_LIST_SLOTS * 20u)

struct unit {
	u32 slot;
	u64 number;
};

static struct cap pool[POOL];
static struct cap_list lists[LISTS];
static struct cap_tree tree;
static struct unit order[UNITS_MAX];
static u32 order_count;
static bool written[CAP_LIST_SLOTS][20];

#define QUOTA_TYPES 3u			// the first of these
static const enum cap_type types[] = {
	CAP_FRAMES, CAP_SLICES, CAP_RING, CAP_QUEUE, CAP_ENDPOINT, CAP_BLOCKS,
	CAP_CONSOLE,
};

// A list with capabilities of its own, and with some that came from the lender's,
// directly or not; some of those were withdrawn.
static void
make_lists(struct prng *p)
{
	cap_init(&tree, pool, POOL, lists, LISTS);
	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		assert_true(cap_mint(&tree, LENDER, 1 + i, types[i], CAP_ALL, 0,
				     types[i] == CAP_RING ? 1 : 50) > 0);
	for (u32 i = 0; i < 40; i++) {
		u32 which = (u32)prng_below(p, ARRAY_SIZE(types));
		bool divides = demand_divides(types[which]);
		u64 count = divides ? 1 + prng_below(p, 19) : 1;
		u64 base = types[which] == CAP_RING ? 0 : prng_below(p, 30);
		u32 from = 1 + which, list = LENDER;

		if (prng_below(p, 2)) {
			assert_true(cap_mint(&tree, DEBTOR, SLOT_NONE, types[which],
					     CAP_ALL, 100 + base, count) > 0);
			continue;
		}
		if (prng_below(p, 2)) {		// by way of another
			from = cap_derive(&tree, list, from, OTHER, CAP_ALL, base,
					  count);
			list = OTHER;
		}
		from = cap_derive(&tree, list, from, DEBTOR, CAP_ALL, base, count);
		if (prng_below(p, 8) == 0)
			cap_cut(&tree, lists[DEBTOR].node[from], true);
	}
}

static bool
model_about(const struct cap *cap, const struct demand *d)
{
	const struct cap *at = cap;
	bool lent = false;

	while (at) {
		lent |= at != cap && d->node == (u32)(at - pool);
		if (at->marked)
			return false;
		at = at->parent == CAP_NIL ? NULL : &pool[at->parent];
	}
	if (d->node != CAP_NIL)
		return lent;
	if (cap->parent != CAP_NIL)
		return false;
	return cap->type == d->type ||
	       (d->type == CAP_RING &&
		(cap->type == CAP_QUEUE || cap->type == CAP_ENDPOINT));
}

static void
write_down(u32 slot, u64 keep, const struct demand *d)
{
	const struct cap *cap = cap_at(&tree, DEBTOR, slot);

	if (!cap || !model_about(cap, d))
		return;
	for (u64 n = cap->count; n-- > keep;) {
		if (!written[slot][n])
			order[order_count++] = (struct unit){ slot, n };
		written[slot][n] = true;
	}
}

static void
make_order(const struct demand *d, const struct revoke_declared *declared, u32 count)
{
	order_count = 0;
	for (u32 s = 0; s < CAP_LIST_SLOTS; s++) {
		for (u32 n = 0; n < 20; n++)
			written[s][n] = false;
	}
	for (u32 i = 0; i < count; i++) {
		if (declared[i].slot < CAP_LIST_SLOTS)
			write_down(declared[i].slot, declared[i].keep, d);
	}
	for (u32 s = CAP_LIST_SLOTS; s-- > 0;)
		write_down(s, 0, d);
}

static void
ignore(void *host, const struct cap *was, u32 node, u64 from)
{
	(void)host;
	(void)was;
	(void)node;
	(void)from;
}

static void
apply(const struct demand_choice *c)
{
	struct cap was;

	if (c->keep == 0) {
		while (cap_remove_step(&tree, DEBTOR, c->slot, true, &was) != CAP_NIL)
			;
		return;
	}
	while (cap_trim_step(&tree, DEBTOR, c->slot, c->keep, ignore, NULL))
		;
}

static u64
take_all(const struct demand *d, u64 owed, const struct revoke_declared *declared,
	 u32 count)
{
	u64 taken = 0;

	while (taken < owed) {
		struct demand_choice c = demand_choose(&tree, DEBTOR, d, owed - taken,
						       declared, count);

		if (c.slot == SLOT_NONE)
			break;
		assert_true(c.units > 0 && c.units <= owed - taken);	// D1
		assert_int_equal(cap_at(&tree, DEBTOR, c.slot)->count,
				 c.keep + c.units);
		apply(&c);
		taken += c.units;
		cap_check(&tree);
	}
	return taken;
}

static void
check_gone(u64 taken)
{
	for (u32 i = 0; i < order_count; i++) {
		const struct cap *cap = cap_at(&tree, DEBTOR, order[i].slot);
		bool is_there = cap && order[i].number < cap->count;

		assert_int_equal(is_there, i >= taken);
	}
}

static void
test_exactly_what_is_owed_goes(void **state)
{
	struct prng p;

	(void)state;
	prng_seed(&p, test_seed());
	for (u32 round = 0; round < ROUNDS; round++) {
		struct revoke_declared declared[REVOKE_DECLARED_MAX];
		u32 count = (u32)prng_below(&p, REVOKE_DECLARED_MAX + 1);
		u32 which = (u32)prng_below(&p, ARRAY_SIZE(types));
		struct demand d = { .type = (u8)types[which], .node = CAP_NIL };
		u64 owed = 1 + prng_below(&p, 150), held, taken;

		make_lists(&p);
		if (which >= QUOTA_TYPES || prng_below(&p, 2))
			d.node = lists[LENDER].node[1 + which];
		for (u32 i = 0; i < count; i++)
			declared[i] = (struct revoke_declared){
				(u32)prng_below(&p, 60), 0, prng_below(&p, 10),
			};
		make_order(&d, declared, count);
		held = demand_held(&tree, DEBTOR, &d);
		assert_int_equal(held, order_count);
		taken = take_all(&d, owed, declared, count);
		assert_int_equal(taken, owed < held ? owed : held);
		assert_int_equal(demand_held(&tree, DEBTOR, &d), held - taken);
		check_gone(taken);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exactly_what_is_owed_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
