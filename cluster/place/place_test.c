// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/place/place.c cluster/record/record.c cluster/record/codec.c
// links: cluster/record/change.c kernel/base/string.c harness/testing/host_assert.c
// Placement: it spreads, it stays, it fits, and says why it does not.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/place/place.h"
#include "harness/testing/seed.h"
#include "kernel/base/prng.h"

static struct record record;
static struct place_member member[4];
static struct place place;

static int
setup(void **state)
{
	u8 cluster[RECORD_UUID] = { 1 };

	(void)state;
	for (u32 i = 0; i < 4; i++) {
		memset(&member[i], 0, sizeof(member[i]));
		member[i].uuid[0] = (u8)(i + 1);
		member[i].frames = 100;
		member[i].slices = 10;
	}
	assert_int_equal(record_first(&record, cluster,
				      (const u8(*)[RECORD_UUID])member[0].uuid, 1),
			 RECORD_OK);
	return 0;
}

static void
deploy(const char *name, u16 count, u32 frames, u32 slices)
{
	struct record_new_job job = { .name = name, .arguments = "", .count = count,
				      .frames = frames, .slices = slices,
				      .image = { .bytes = 1 } };

	memcpy(job.image.copy[0].uuid, member[0].uuid, RECORD_UUID);
	assert_int_equal(record_deploy_job(&record, &job), RECORD_OK);
}

static void
run(u32 members)
{
	place_jobs(&place, &record, member, members);
}

static void
apply(u32 members)
{
	run(members);
	assert_int_equal(place_apply(&place, member, members, &record), RECORD_OK);
	run(members);
	assert_int_equal(place.changes, 0);
}

static u32
on(u32 job, u8 node)
{
	u32 count = 0;

	for (u32 i = 0; i < RECORD_INSTANCES; i++)
		count += place.job[job].member[i] == node;
	return count;
}

static void
spreads(void **state)
{
	(void)state;
	deploy("a", 6, 1, 1);
	run(3);
	assert_int_equal(place.changes, 6);
	assert_int_equal(place.job[0].placed, 6);
	for (u8 i = 0; i < 3; i++)
		assert_int_equal(on(0, i), 2);
}

static void
spreads_jobs_over_nodes(void **state)
{
	(void)state;
	deploy("a", 1, 1, 1);
	deploy("b", 1, 1, 1);
	deploy("c", 1, 1, 1);
	run(3);
	assert_int_not_equal(place.job[0].member[0], place.job[1].member[0]);
	assert_int_not_equal(place.job[1].member[0], place.job[2].member[0]);
}

static void
stays(void **state)
{
	(void)state;
	deploy("a", 3, 1, 1);
	apply(3);
	// A fourth node changes nothing; a dead one moves its own instance only.
	run(4);
	assert_int_equal(place.changes, 0);
	member[1].dead = true;
	run(4);
	assert_int_equal(place.changes, 1);
	assert_int_equal(on(0, 1), 0);
	assert_int_equal(on(0, 3), 1);
}

static void
a_node_that_is_gone_is_dead(void **state)
{
	(void)state;
	deploy("a", 3, 1, 1);
	apply(3);
	run(2);
	assert_int_equal(place.changes, 1);
	assert_int_equal(place.job[0].placed, 3);
}

static void
fits(void **state)
{
	(void)state;
	deploy("a", 5, 60, 1);
	run(3);
	assert_int_equal(place.job[0].placed, 3);
	assert_int_equal(place.job[0].reason, PLACE_NO_FRAMES);
	assert_int_equal(place.job[0].member[3], PLACE_NONE);
	assert_int_equal(place.job[0].member[4], PLACE_NONE);
}

static void
says_why_not(void **state)
{
	(void)state;
	deploy("a", 1, 1, 11);
	run(3);
	assert_int_equal(place.job[0].reason, PLACE_NO_SLICES);
	member[0].slices = 11;
	member[0].frames = 0;
	run(3);
	assert_int_equal(place.job[0].reason, PLACE_NO_ROOM);
	for (u32 i = 0; i < 3; i++)
		member[i].dead = true;
	run(3);
	assert_int_equal(place.job[0].reason, PLACE_NO_MEMBER);
	assert_true(strlen(place_sentence(PLACE_NO_MEMBER)) > 0);
}

static void
jobs_everywhere_come_first(void **state)
{
	(void)state;
	deploy("a", 2, 50, 1);
	deploy("b", RECORD_EVERY, 60, 1);
	run(2);
	assert_int_equal(place.job[1].placed, 2);
	assert_int_equal(place.job[0].placed, 0);
}

static void
is_the_same_for_members_in_any_order(void **state)
{
	static struct place other;
	struct place_member turned[4];

	(void)state;
	deploy("a", 7, 3, 1);
	deploy("b", 2, 30, 2);
	run(4);
	for (u32 i = 0; i < 4; i++)
		turned[i] = member[3 - i];
	place_jobs(&other, &record, turned, 4);
	for (u32 j = 0; j < 2; j++) {
		for (u32 i = 0; i < record.job[j].count; i++)
			assert_int_equal(place.job[j].member[i],
					 3 - other.job[j].member[i]);
	}
}

static void
never_overdraws(void **state)
{
	struct prng prng;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 round = 0; round < 300; round++) {
		char name[] = { 'j', (char)('a' + prng_below(&prng, 6)), 0 };

		deploy(name, (u16)(1 + prng_below(&prng, 6)),
		       1 + (u32)prng_below(&prng, 40), 1 + (u32)prng_below(&prng, 4));
		for (u32 i = 0; i < 4; i++)
			member[i].dead = prng_below(&prng, 4) == 0;
		apply(4);
		for (u8 i = 0; i < 4; i++) {
			u32 frames = 0, slices = 0;

			for (u32 j = 0; j < record.job_count; j++) {
				frames += on(j, i) * record.job[j].frames;
				slices += on(j, i) * record.job[j].slices;
			}
			assert_true(frames <= member[i].frames);
			assert_true(slices <= member[i].slices);
			assert_true(!member[i].dead || !frames);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(spreads, setup),
		cmocka_unit_test_setup(spreads_jobs_over_nodes, setup),
		cmocka_unit_test_setup(stays, setup),
		cmocka_unit_test_setup(a_node_that_is_gone_is_dead, setup),
		cmocka_unit_test_setup(fits, setup),
		cmocka_unit_test_setup(says_why_not, setup),
		cmocka_unit_test_setup(jobs_everywhere_come_first, setup),
		cmocka_unit_test_setup(is_the_same_for_members_in_any_order, setup),
		cmocka_unit_test_setup(never_overdraws, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
