// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/cap/cap.c harness/testing/host_assert.c
//
// The capability core against a reference model: the model keeps every
// capability with a pointer to its source and answers each question by looking
// at all of them. Random programs of mint, derive, look-up, shortening and
// removal run on both; after every step the core's invariants are walked. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/abi/errors.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/prng.h"
#include "kernel/cap/cap.h"
#include "kernel/cap/cut_rig.h"

#define POOL 200u
#define LISTS 4u
#define STEPS 20000

struct model_cap {
	bool used;
	struct model_cap *source;
	enum cap_type type;
	u32 rights;
	u64 base, count;
	u32 depth;
};

static struct cap pool[POOL];
static struct cap_list lists[LISTS];
static struct cap_tree tree;
static struct model_cap model[LISTS][CAP_LIST_SLOTS];

// What is getting shorter in each list, and behind which unit it will end.
static struct {
	const struct model_cap *top;
	u64 end;
} trim[LISTS];

static void
start(void)
{
	cap_init(&tree, pool, POOL, lists, LISTS);
	for (u32 l = 0; l < LISTS; l++) {
		for (u32 s = 0; s < CAP_LIST_SLOTS; s++)
			model[l][s] = (struct model_cap){ 0 };
		trim[l].top = NULL;
	}
}

static struct model_cap *
model_at(u32 i)
{
	return &model[i / CAP_LIST_SLOTS][i % CAP_LIST_SLOTS];
}

static bool
model_below(const struct model_cap *cap, const struct model_cap *top)
{
	for (; cap; cap = cap->source) {
		if (cap == top)
			return true;
	}
	return false;
}

static void
model_remove(struct model_cap *m)
{
	m->used = false;
	for (u32 l = 0; l < LISTS; l++) {
		if (trim[l].top == m)
			trim[l].top = NULL;
	}
}

static void
compare(void)
{
	u32 used = 0;

	for (u32 l = 0; l < LISTS; l++) {
		for (u32 s = 0; s < CAP_LIST_SLOTS; s++) {
			const struct cap *cap = cap_at(&tree, l, s);
			const struct model_cap *m = &model[l][s];

			assert_int_equal(cap != NULL, m->used);
			if (!cap)
				continue;
			used++;
			assert_int_equal(cap->type, m->type);
			assert_int_equal(cap->rights, m->rights);
			assert_int_equal(cap->base, m->base);
			assert_int_equal(cap->count, m->count);
			assert_int_equal(cap->depth, m->depth);
		}
	}
	assert_int_equal(used, tree.used);
}

static void
step_mint(struct prng *p)
{
	u32 list = (u32)prng_below(p, LISTS);
	enum cap_type type = (enum cap_type)(1 + prng_below(p, CAP_TYPE_COUNT - 1));
	u32 rights = (u32)prng_below(p, CAP_ALL + 1);
	u64 base = prng_below(p, 100), count = 1 + prng_below(p, 100);
	i64 room = cap_room(&tree, list);
	i64 slot = cap_mint(&tree, list, SLOT_NONE, type, rights, base, count);

	assert_int_equal(room, slot < 0 ? slot : 0);
	if (slot < 0) {
		assert_true(slot == -E_LIST || slot == -E_TABLE);
		return;
	}
	assert_true(slot >= 1 && !model[list][slot].used);
	model[list][slot] = (struct model_cap){
		true, NULL, type, rights, base, count, 0
	};
}

static i64
model_check_derive(const struct model_cap *m, u32 rights, u64 base, u64 count)
{
	if (!m->used)
		return -E_SLOT;
	if (!(m->rights & CAP_DERIVE) || (rights & ~m->rights))
		return -E_RIGHTS;
	if (count == 0 || base < m->base || base + count > m->base + m->count)
		return -E_RANGE;
	for (u32 l = 0; l < LISTS; l++) {
		if (trim[l].top && model_below(m, trim[l].top) && base + count > trim[l].end)
			return -E_RANGE;
	}
	return m->depth == CAP_DEPTH_MAX ? -E_DEPTH : 0;
}

static void
step_derive(struct prng *p)
{
	u32 list = (u32)prng_below(p, LISTS), target = (u32)prng_below(p, LISTS);
	u32 slot = (u32)prng_below(p, 80);
	struct model_cap *m = &model[list][slot];
	u32 rights = prng_below(p, 3) ? m->rights : (u32)prng_below(p, CAP_ALL + 1);
	u64 base = m->base + prng_below(p, 4), count = prng_below(p, 60);
	i64 expected = model_check_derive(m, rights, base, count);
	i64 got = cap_check_derive(&tree, list, slot, target, rights, base, count);

	if (expected == 0)
		expected = cap_room(&tree, target);
	assert_int_equal(got, expected);
	if (got)
		return;

	u32 new_slot = cap_derive(&tree, list, slot, target, rights, base, count);

	assert_false(model[target][new_slot].used);
	model[target][new_slot] = (struct model_cap){
		true, m, m->type, rights, base, count, m->depth + 1
	};
}

static void
step_remove(struct prng *p)
{
	u32 list = (u32)prng_below(p, LISTS), slot = (u32)prng_below(p, 80);
	bool self = prng_below(p, 2);
	struct model_cap *top = &model[list][slot];
	struct cap removed;

	while (cap_remove_step(&tree, list, slot, self, &removed) != CAP_NIL) {
		struct model_cap *m = &model[removed.list][removed.slot];

		assert_true(m->used && model_below(m, top));
		assert_true(self || m != top);
		// Leaves first: nothing that is still there came from it.
		for (u32 l = 0; l < LISTS; l++) {
			for (u32 s = 0; s < CAP_LIST_SLOTS; s++)
				assert_false(model[l][s].used &&
					     model[l][s].source == m);
		}
		model_remove(m);
		cap_check(&tree);
	}
	for (u32 l = 0; l < LISTS; l++) {
		for (u32 s = 0; s < CAP_LIST_SLOTS; s++) {
			struct model_cap *m = &model[l][s];

			if (m->used && model_below(m, top))
				assert_true(m == top && !self);
		}
	}
}

// The model follows: what is told must be so, and the only thing that changed.
static void
see(void *host, const struct cap *was, u32 node, u64 from)
{
	struct model_cap *m = &model[was->list][was->slot];
	u64 end = trim[*(u32 *)host].end;

	assert_true(m->used && model_below(m, trim[*(u32 *)host].top));
	assert_int_equal(was->generation, tree.pool[node].generation);
	assert_int_equal(was->count, m->count);
	assert_int_equal(from, m->base >= end ? 0 : end);
	assert_int_equal(tree.pool[node].type, from ? was->type : CAP_NONE);
	m->count = from - m->base;
	if (!from)
		model_remove(m);
}

// Nothing that came from what was getting shorter in a list is too long any more.
static void
trim_done(u32 list)
{
	const struct model_cap *top = trim[list].top;

	for (u32 i = 0; top && i < LISTS * CAP_LIST_SLOTS; i++) {
		const struct model_cap *m = model_at(i);

		assert_false(m->used && model_below(m, top) &&
			     m->base + m->count > trim[list].end);
	}
	trim[list].top = NULL;
}

// Some steps, or all, of what one list gives up; other things happen in between.
static void
step_trim(struct prng *p)
{
	u32 list = (u32)prng_below(p, LISTS), slot = (u32)prng_below(p, 80);
	struct model_cap *top = &model[list][slot];
	u32 steps = prng_below(p, 2) ? 1u + (u32)prng_below(p, 4) : POOL;
	u64 count;

	if (!trim[list].top) {
		if (!top->used || top->count < 2)
			return;
		count = 1 + prng_below(p, top->count - 1);
		trim[list].top = top;
		trim[list].end = top->base + count;
	} else {
		count = top->used ? top->count : 1;	// only goes on
	}
	for (; steps && cap_trim_step(&tree, list, slot, count, see, &list); steps--)
		cap_check(&tree);
	if (tree.lists[list].trimmed == CAP_NIL)
		trim_done(list);
}

static void
step_lookup(struct prng *p)
{
	u32 list = (u32)prng_below(p, LISTS), slot = (u32)prng_below(p, 300);
	enum cap_type type = (enum cap_type)(1 + prng_below(p, CAP_TYPE_COUNT - 1));
	u32 rights = (u32)prng_below(p, CAP_ALL + 1);
	const struct model_cap *m =
		slot < CAP_LIST_SLOTS ? &model[list][slot] : NULL;
	const struct cap *cap = NULL;
	i64 expected = !m || !m->used ? -E_SLOT : m->type != type ? -E_TYPE :
		       (m->rights & rights) != rights ? -E_RIGHTS : 0;

	assert_int_equal(cap_lookup(&tree, list, slot, type, rights, &cap), expected);
	assert_int_equal(cap != NULL, expected == 0);

	u64 base = prng_below(p, 100), count = prng_below(p, 40);

	if (!expected && (count == 0 || base < m->base || base + count > m->base + m->count))
		expected = -E_RANGE;
	assert_int_equal(cap_lookup_range(&tree, list, slot, type, rights, base, count, NULL),
			 expected);
}

static void
test_random_programs(void **state)
{
	struct prng p;

	(void)state;
	start();
	prng_seed(&p, test_seed());
	for (int i = 0; i < STEPS; i++) {
		switch (prng_below(&p, 9)) {
		case 0:
			step_mint(&p);
			break;
		case 1:
			step_remove(&p);
			break;
		case 2:
		case 3:
			step_lookup(&p);
			break;
		case 4:
			step_trim(&p);
			break;
		default:
			step_derive(&p);
		}
		cap_check(&tree);
		compare();
	}
}

static void
test_range_is_checked_without_overflow(void **state)
{
	const struct cap cap = { .base = 10, .count = 5 };

	(void)state;
	assert_true(cap_covers(&cap, 10, 5));
	assert_true(cap_covers(&cap, 14, 1));
	assert_false(cap_covers(&cap, 9, 1));
	assert_false(cap_covers(&cap, 15, 1));
	assert_false(cap_covers(&cap, 10, 6));
	assert_false(cap_covers(&cap, 10, 0));
	assert_false(cap_covers(&cap, 14, ~0ull));
	assert_false(cap_covers(&cap, ~0ull, 2));
}

static void
test_depth_is_bounded(void **state)
{
	u32 slot;

	(void)state;
	start();
	slot = (u32)cap_mint(&tree, 0, SLOT_NONE, CAP_FRAMES, CAP_ALL, 0, 1);
	for (u32 i = 0; i < CAP_DEPTH_MAX; i++) {
		assert_int_equal(cap_check_derive(&tree, 0, slot, 0, CAP_ALL, 0, 1), 0);
		slot = cap_derive(&tree, 0, slot, 0, CAP_ALL, 0, 1);
	}
	assert_int_equal(cap_check_derive(&tree, 0, slot, 0, CAP_ALL, 0, 1),
			 -E_DEPTH);
	cap_check(&tree);
}

static void
test_a_reused_node_has_a_new_generation(void **state)
{
	struct cap removed;
	u32 slot, node, generation;

	(void)state;
	start();
	slot = (u32)cap_mint(&tree, 0, SLOT_NONE, CAP_NIC, CAP_READ, 0, 1);
	node = cap_node(&tree, cap_at(&tree, 0, slot));
	generation = cap_at(&tree, 0, slot)->generation;
	assert_int_equal(cap_remove_step(&tree, 0, slot, true, &removed), node);
	slot = (u32)cap_mint(&tree, 1, SLOT_NONE, CAP_NIC, CAP_READ, 0, 1);
	assert_int_equal(cap_node(&tree, cap_at(&tree, 1, slot)), node);
	assert_int_not_equal(cap_at(&tree, 1, slot)->generation, generation);
	assert_false(cap_is_live(&tree, node, generation));
	assert_true(cap_is_live(&tree, node, cap_at(&tree, 1, slot)->generation));
}

// Four billion uses would make an old reference good again: the node retires before.
static void
test_a_node_retires_before_its_generations_repeat(void **state)
{
	struct cap removed;
	u32 slot, node;

	(void)state;
	start();
	slot = (u32)cap_mint(&tree, 0, SLOT_NONE, CAP_NIC, CAP_READ, 0, 1);
	node = cap_node(&tree, cap_at(&tree, 0, slot));
	tree.pool[node].generation = CAP_GENERATION_LAST;
	assert_true(cap_is_live(&tree, node, CAP_GENERATION_LAST));
	assert_int_equal(cap_remove_step(&tree, 0, slot, true, &removed), node);
	assert_int_equal(tree.retired, 1);
	cap_check(&tree);
	for (u32 i = 0; i < 4; i++) {
		slot = (u32)cap_mint(&tree, 1, SLOT_NONE, CAP_NIC, CAP_READ, 0, 1);
		assert_int_not_equal(cap_node(&tree, cap_at(&tree, 1, slot)), node);
	}
	assert_false(cap_is_live(&tree, node, 0));
	cap_check(&tree);
}

// A cut withdraws a subtree at once, leaves what is derived later alone, and
// what was withdrawn can be removed by itself.
static void
test_a_cut_withdraws_a_subtree(void **state)
{
	const struct cap *found;
	struct cap removed;
	u32 old, below, fresh, other, taken = 0;

	(void)state;
	start();
	assert_int_equal(cap_mint(&tree, 0, 1, CAP_FRAMES, CAP_ALL, 0, 8), 1);
	old = cap_derive(&tree, 0, 1, 1, CAP_ALL, 0, 4);
	other = cap_derive(&tree, 0, 1, 1, CAP_ALL, 4, 4);
	below = cap_derive(&tree, 1, old, 2, CAP_READ, 0, 1);
	cap_cut(&tree, lists[0].node[1], false);
	fresh = cap_derive(&tree, 0, 1, 1, CAP_ALL, 0, 4);
	cap_check(&tree);

	u32 node = lists[2].node[below];

	assert_false(cap_is_live(&tree, node, pool[node].generation));
	assert_int_equal(cap_lookup(&tree, 2, below, CAP_FRAMES, CAP_READ, &found),
			 -E_SLOT);
	assert_int_equal(cap_lookup(&tree, 1, old, CAP_FRAMES, CAP_READ, &found),
			 -E_SLOT);
	assert_int_equal(cap_check_derive(&tree, 1, other, 2, CAP_READ, 4, 1), -E_SLOT);
	assert_int_equal(cap_lookup(&tree, 0, 1, CAP_FRAMES, CAP_READ, &found), 0);
	assert_int_equal(cap_lookup(&tree, 1, fresh, CAP_FRAMES, CAP_READ, &found), 0);
	while (cut_remove_step(&tree, lists[0].node[1], &removed) != CAP_NIL) {
		cap_check(&tree);
		taken++;
	}
	assert_int_equal(taken, 3);
	assert_false(cap_is_live(&tree, node, pool[node].generation));
	assert_int_equal(cap_lookup(&tree, 1, fresh, CAP_FRAMES, CAP_READ, &found), 0);
	cap_cut(&tree, lists[1].node[fresh], true);
	assert_int_equal(cap_lookup(&tree, 1, fresh, CAP_FRAMES, CAP_READ, &found),
			 -E_SLOT);
	assert_true(cut_remove_step(&tree, lists[0].node[1], &removed) != CAP_NIL);
	cap_check(&tree);
	assert_int_equal(tree.used, 1);
}

// What was withdrawn stays so however often there is more to withdraw, also where the
// cuts of a node are used up: it can then give nothing that would be withdrawn from birth.
static void
test_cuts_never_repeat(void **state)
{
	u32 old, child;

	(void)state;
	start();
	assert_int_equal(cap_mint(&tree, 0, 1, CAP_FRAMES, CAP_ALL, 0, 8), 1);
	old = lists[1].node[cap_derive(&tree, 0, 1, 1, CAP_ALL, 0, 4)];
	tree.pool[lists[0].node[1]].cuts = CAP_CUTS_LAST - 1;
	assert_false(cap_is_live(&tree, old, pool[old].generation));
	child = lists[1].node[cap_derive(&tree, 0, 1, 1, CAP_ALL, 4, 4)];
	assert_true(cap_is_live(&tree, child, pool[child].generation));
	for (u32 i = 0; i < 3; i++) {
		cap_cut(&tree, lists[0].node[1], false);
		assert_false(cap_is_live(&tree, old, pool[old].generation));
		assert_false(cap_is_live(&tree, child, pool[child].generation));
		assert_int_equal(cap_check_derive(&tree, 0, 1, 1, CAP_READ, 0, 1), -E_TABLE);
	}
	cap_check(&tree);
}

// Cuts that nothing is withdrawn by wear nothing out.
static void
test_cuts_count_what_they_withdraw(void **state)
{
	(void)state;
	start();
	assert_int_equal(cap_mint(&tree, 0, 1, CAP_FRAMES, CAP_ALL, 0, 8), 1);
	tree.pool[lists[0].node[1]].cuts = CAP_CUTS_LAST - 1;
	cap_cut(&tree, lists[0].node[1], false);
	assert_int_equal(cap_check_derive(&tree, 0, 1, 1, CAP_READ, 0, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_programs),
		cmocka_unit_test(test_range_is_checked_without_overflow),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_a_reused_node_has_a_new_generation),
		cmocka_unit_test(test_a_node_retires_before_its_generations_repeat),
		cmocka_unit_test(test_a_cut_withdraws_a_subtree),
		cmocka_unit_test(test_cuts_never_repeat),
		cmocka_unit_test(test_cuts_count_what_they_withdraw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
