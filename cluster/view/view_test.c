// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/view/view.c harness/testing/host_assert.c
// A copy is taken whole or not at all, and nothing out of bounds comes through.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/view/view.h"

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
	assert_int_equal(view_holder(&shared), 0);
	shared.member[0].life = VIEW_SUSPECT;
	assert_int_equal(view_holder(&shared), 0);
	shared.member[0].life = VIEW_DEAD;
	assert_int_equal(view_holder(&shared), 1);
	shared.member[1].life = shared.member[2].life = VIEW_DEAD;
	assert_int_equal(view_holder(&shared), VIEW_NONE);
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
		cmocka_unit_test_setup(lets_the_lowest_with_a_majority_coordinate, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
