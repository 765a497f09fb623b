// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/view/view.c harness/testing/host_assert.c
// A copy is taken whole or not at all, and nothing out of bounds comes through. Who holds
// the virtual address is one of those who know it, and the same for all who have heard all.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/view/view.h"
#include "kernel/base/prng.h"

static struct view shared, copy;

static int
setup(void **state)
{
	(void)state;
	memset(&shared, 0, sizeof(shared));
	shared.member_count = 3;
	for (u32 i = 0; i < 3; i++)
		shared.member[i].life = VIEW_ALIVE;
	shared.job_count = 2;
	shared.instance_count = 2;
	shared.holder = VIEW_NONE;
	shared.site.copy[0].member = VIEW_NONE;
	shared.site.copy[1].member = 2;
	shared.instance[1] = (struct view_instance){ .job = 1, .number = 4 };
	return 0;
}

static void
copies_what_is_there(void **state)
{
	(void)state;
	view_write_begin(&shared);
	shared.epoch = 7;
	view_write_end(&shared);
	assert_true(view_copy(&copy, &shared));
	assert_int_equal(copy.epoch, 7);
	assert_int_equal(copy.version, 2);
}

static void
refuses_one_that_is_being_written(void **state)
{
	(void)state;
	view_write_begin(&shared);
	assert_false(view_copy(&copy, &shared));
	view_write_end(&shared);
	assert_true(view_copy(&copy, &shared));
}

static void
refuses_what_is_out_of_bounds(void **state)
{
	(void)state;
	shared.self = 3;
	assert_false(view_copy(&copy, &shared));
	setup(state);
	shared.instance[0].member = 3;
	assert_false(view_copy(&copy, &shared));
	setup(state);
	shared.instance_count = VIEW_INSTANCES_MAX + 1;
	assert_false(view_copy(&copy, &shared));
	setup(state);
	shared.site.copy[1].member = 3;
	assert_false(view_copy(&copy, &shared));
	setup(state);
	shared.holder = 3;
	assert_false(view_copy(&copy, &shared));
}

static void
finds_an_instance_by_its_number(void **state)
{
	(void)state;
	assert_int_equal(view_find(&shared, 1, 4), 1);
	assert_int_equal(view_find(&shared, 1, 5), VIEW_NONE);
	assert_int_equal(view_find(&shared, 0, 4), VIEW_NONE);
}

static void
lets_the_lowest_that_lives_hold_the_address(void **state)
{
	(void)state;
	shared.self = 1;
	assert_int_equal(view_holder(&shared, 0), 0);
	shared.member[0].life = VIEW_SUSPECT;
	assert_int_equal(view_holder(&shared, 0), 0);
	shared.member[0].life = VIEW_DEAD;
	assert_int_equal(view_holder(&shared, 0), 1);
	// This node lives, whatever it has heard.
	shared.member[1].life = shared.member[2].life = VIEW_DEAD;
	assert_int_equal(view_holder(&shared, 0), 1);
}

static void
lets_who_knows_the_address_hold_it(void **state)
{
	(void)state;
	for (u32 self = 0; self < 3; self++) {
		shared.self = self;
		assert_int_equal(view_holder(&shared, 4), 2);
		assert_int_equal(view_holder(&shared, 6), 1);
		assert_int_equal(view_holder(&shared, 7), 0);
	}
	// What a dead node knew is of no use.
	shared.member[1].life = VIEW_DEAD;
	shared.self = 0;
	assert_int_equal(view_holder(&shared, 2), 0);
	assert_int_equal(view_holder(&shared, 6), 2);
}

// ---- who holds the address, while nodes come and go and hear of each other when they do

#define NODES 5u

struct hearer {
	bool up, knows;
	u32 heard;		// who it has heard to live...
	u64 knowing;		// ...and to know the address
	u16 holder;
};

static struct hearer node[NODES];

static void
choose(u32 self)
{
	struct hearer *n = &node[self];
	struct view view = { .self = self, .member_count = NODES };

	n->heard |= 1u << self;
	n->knowing = (n->knowing & ~(1ull << self)) | (u64)n->knows << self;
	for (u32 i = 0; i < NODES; i++)
		view.member[i].life = n->heard >> i & 1 ? VIEW_ALIVE : VIEW_DEAD;
	n->holder = view_holder(&view, n->knowing);
}

// A status comes, or none does any more: who lives, and the address if it is known.
static void
hear(u32 self, u32 of)
{
	struct hearer *n = &node[self];

	n->heard = (n->heard & ~(1u << of)) | (u32)node[of].up << of;
	n->knowing = (n->knowing & ~(1ull << of)) | (u64)(node[of].up && node[of].knows) << of;
	choose(self);
	n->knows |= node[of].up && node[of].knows;
	choose(self);
}

// Never two that know the address for what everybody has heard; one that comes and knows
// nothing takes it from nobody; when all have heard all, all name the same one.
static void
names_one_holder_when_all_have_heard_all(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, 1);
	memset(node, 0, sizeof(node));
	for (u32 i = 0; i < NODES; i++)
		node[i].up = node[i].knows = true;
	for (u32 round = 0; round < 2000; round++) {
		u32 at = (u32)prng_below(&prng, NODES), living = 0, lowest = NODES;
		bool known = false;

		// One dies or comes back, and knows nothing then.
		node[at] = (struct hearer){ .up = !node[at].up };
		for (u32 i = 0; i < prng_below(&prng, 20); i++) {
			u32 self = (u32)prng_below(&prng, NODES);

			if (!node[self].up)
				continue;
			hear(self, (u32)prng_below(&prng, NODES));
			assert_true(node[node[self].holder].up ||
				    node[self].heard >> node[self].holder & 1);
			// Who names itself beside one that knows, knows it too.
			if (node[self].holder == self && !node[self].knows)
				assert_false(node[self].knowing & node[self].heard);
		}
		for (u32 i = 0; i < NODES; i++)
			known |= node[i].up && node[i].knows;
		for (u32 pass = 0; pass < 3; pass++) {
			for (u32 i = 0; i < NODES * NODES; i++) {
				if (node[i / NODES].up)
					hear(i / NODES, i % NODES);
			}
		}
		for (u32 i = NODES; i-- > 0;) {
			living += node[i].up;
			lowest = node[i].up ? i : lowest;
		}
		for (u32 i = 0; i < NODES; i++) {
			assert_true(!node[i].up || node[i].holder == lowest);
			assert_true(!node[i].up || node[i].knows == known);
		}
		// Nobody is left who knows it: it is set again.
		if (living && !known)
			node[lowest].knows = true;
	}
}

static void
lets_the_lowest_with_a_majority_coordinate(void **state)
{
	(void)state;
	assert_int_equal(view_coordinator(&shared), VIEW_NONE);
	shared.member[1].has_majority = shared.member[2].has_majority = 1;
	assert_int_equal(view_coordinator(&shared), 1);
	shared.member[1].life = VIEW_DEAD;
	assert_int_equal(view_coordinator(&shared), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(copies_what_is_there, setup),
		cmocka_unit_test_setup(refuses_one_that_is_being_written, setup),
		cmocka_unit_test_setup(refuses_what_is_out_of_bounds, setup),
		cmocka_unit_test_setup(finds_an_instance_by_its_number, setup),
		cmocka_unit_test_setup(lets_the_lowest_that_lives_hold_the_address, setup),
		cmocka_unit_test_setup(lets_who_knows_the_address_hold_it, setup),
		cmocka_unit_test(names_one_holder_when_all_have_heard_all),
		cmocka_unit_test_setup(lets_the_lowest_with_a_majority_coordinate, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
