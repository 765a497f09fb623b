// SPDX-License-Identifier: BSD-2-Clause
// links: cluster/record/record.c cluster/record/codec.c cluster/record/change.c
// links: kernel/base/string.c harness/testing/host_assert.c
// The record: one encoding, kept in record.golden; changes and their errors; and that
// whatever changes are made at random, the invariants hold and decoding gives the same.
// `GOLDEN=print` prints what would stand in the file.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/record/record.h"
#include "harness/testing/seed.h"
#include "kernel/base/prng.h"

#define GOLDEN "cluster/record/record.golden"

static struct record record;
static u8 bytes[RECORD_MAX], again[RECORD_MAX];
static u32 len;

// The node of that number; the higher, the later in order.
static const u8 *
uuid(u8 number)
{
	static u8 made[4][RECORD_UUID];
	static u32 next;
	u8 *id = made[next++ % 4];

	memset(id, 0x40, RECORD_UUID);
	id[0] = number;
	return id;
}

static struct record_new_object
object(u8 id, u8 first, u8 second)
{
	struct record_new_object o = { .bytes = 1000u + id,
				       .copy = { { .block = 8 }, { .block = second ? 99 : 0 } } };

	memset(o.id, id, sizeof(o.id));
	memcpy(o.copy[0].uuid, uuid(first), RECORD_UUID);
	if (second)
		memcpy(o.copy[1].uuid, uuid(second), RECORD_UUID);
	return o;
}

static struct record_new_job
job(const char *name, u16 count, u16 port)
{
	return (struct record_new_job){ .name = name, .arguments = "a=1 b", .count = count,
					.port = port, .frames = 100, .slices = 2,
					.image = object(7, 2, 4) };
}

// Three voters, 2, 4 and 6, a site and two jobs.
static int
setup(void **state)
{
	u8 voter[3][RECORD_UUID], cluster[RECORD_UUID];
	struct record_new_object manifest = object(1, 4, 6);
	struct record_new_job web = job("web", RECORD_EVERY, 80), sum = job("sum-1", 3, 0);

	(void)state;
	memset(cluster, 0xc1, sizeof(cluster));
	for (u8 i = 0; i < 3; i++)
		memcpy(voter[i], uuid((u8)(6 - 2 * i)), RECORD_UUID);
	assert_int_equal(record_first(&record, cluster, (const u8(*)[RECORD_UUID])voter, 3),
			 RECORD_OK);
	assert_int_equal(record_deploy_site(&record, 0, 123456, 9, &manifest), RECORD_OK);
	assert_int_equal(record_deploy_job(&record, &web), RECORD_OK);
	assert_int_equal(record_deploy_job(&record, &sum), RECORD_OK);
	assert_int_equal(record_place(&record, 2, 1, uuid(3)), RECORD_OK);
	record.version = 5;
	for (u32 i = 0; i < RECORD_RECENT; i++)
		record.recent[i] = 0x1111111111111111ull * (i % 15 + 1);
	return 0;
}

static void
encode(void)
{
	assert_int_equal(record_encode(&record, bytes, &len), RECORD_OK);
}

static void
keeps_its_bytes(void **state)
{
	static char text[2 * RECORD_MAX + 2], expected[sizeof(text)];
	FILE *file = fopen(GOLDEN, "r");

	(void)state;
	encode();
	for (u32 i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	if (getenv("GOLDEN"))
		printf("%s\n", text);
	assert_non_null(file);
	assert_non_null(fgets(expected, sizeof(expected), file));
	fclose(file);
	expected[strcspn(expected, "\n")] = 0;
	assert_string_equal(text, expected);
}

static void
decodes_what_it_encodes(void **state)
{
	static struct record other;
	struct record_head head;
	u32 second;

	(void)state;
	encode();
	assert_int_equal(record_decode(&other, bytes, len), RECORD_OK);
	assert_int_equal(record_encode(&other, again, &second), RECORD_OK);
	assert_int_equal(second, len);
	assert_memory_equal(again, bytes, len);
	assert_string_equal(other.job[1].name, "sum-1");
	assert_int_equal(record_decode_head(&head, bytes, len), RECORD_OK);
	assert_int_equal(head.version, 5);
	assert_int_equal(head.voters, 3);
	assert_memory_equal(head.voter[2], uuid(6), RECORD_UUID);
	assert_memory_equal(head.recent, record.recent, sizeof(head.recent));
}

static void
takes_no_other_bytes(void **state)
{
	static struct record other;

	(void)state;
	encode();
	for (u32 i = 0; i < len; i++)
		assert_int_equal(record_decode(&other, bytes, i), RECORD_BAD);
	bytes[len] = 0;
	assert_int_equal(record_decode(&other, bytes, len + 1), RECORD_BAD);
	// Every byte of the head, the nodes' order and the indices counts.
	for (u32 i = 0; i < 8; i++) {
		encode();
		bytes[i] ^= 0x80;
		assert_int_equal(record_decode(&other, bytes, len), RECORD_BAD);
	}
}

static void
changes_a_site_only_after_the_one_that_was_seen(void **state)
{
	struct record_new_object o = object(2, 2, 4), alone = object(2, 2, 0);
	struct record_new_object same = object(2, 2, 2), nobody = object(2, 3, 4);

	(void)state;
	assert_int_equal(record_deploy_site(&record, 0, 1, 1, &o), RECORD_OVERTAKEN);
	assert_int_equal(record_deploy_site(&record, 1, 1, 1, &same), RECORD_COPY);
	assert_int_equal(record_deploy_site(&record, 1, 1, 1, &nobody), RECORD_COPY);
	assert_int_equal(record_deploy_site(&record, 1, 1, 1, &alone), RECORD_OK);
	assert_int_equal(record.site.generation, 2);
	assert_int_equal(record.site.manifest.copy[1].node, RECORD_NONE);
	assert_int_equal(record_deploy_site(&record, 2, 1, 1, &o), RECORD_OK);
}

static void
refuses_jobs_that_cannot_be(void **state)
{
	struct record_new_job j = job("web2", 1, 80);

	(void)state;
	assert_int_equal(record_deploy_job(&record, &j), RECORD_PORT_TAKEN);
	j = job("Web", 1, 0);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_NAME);
	j = job("a23456789012345678901234", 1, 0);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_NAME);
	j = job("x", 65, 0);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_COUNT);
	j = job("x", 0, 0);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_COUNT);
	j = job("x", 1, 0);
	j.frames = 0;
	assert_int_equal(record_deploy_job(&record, &j), RECORD_NEEDS);
	j = job("x", 1, 0);
	j.arguments = "line\nbreak";
	assert_int_equal(record_deploy_job(&record, &j), RECORD_ARGUMENTS);
	j = job("x", 1, 0);
	j.image = object(7, 3, 4);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_COPY);
	assert_int_equal(record.job_count, 2);
	record_check(&record);
}

static void
bounds_jobs_and_instances(void **state)
{
	char name[] = "j-00";
	struct record_new_job j;

	(void)state;
	for (u32 i = 2; i < RECORD_JOBS; i++) {
		name[2] = (char)('0' + i / 10);
		name[3] = (char)('0' + i % 10);
		j = job(name, i < 5 ? 64 : 1, 0);
		assert_int_equal(record_deploy_job(&record, &j), RECORD_OK);
	}
	assert_int_equal(record_scale(&record, "j-09", 60), RECORD_NO_INSTANCES);
	j = job("more", 1, 0);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_NO_JOBS);
	assert_int_equal(record_remove(&record, "j-02"), RECORD_OK);
	assert_int_equal(record_remove(&record, "j-02"), RECORD_NO_SUCH_JOB);
	assert_int_equal(record_deploy_job(&record, &j), RECORD_OK);
}

static void
a_new_version_of_a_job_keeps_its_places(void **state)
{
	struct record_new_job j = job("sum-1", 2, 0);
	u8 node = record_find_node(&record, uuid(3));

	(void)state;
	assert_int_equal(record_deploy_job(&record, &j), RECORD_OK);
	assert_int_equal(record.job[1].id, 3);
	assert_int_equal(record.job[1].instance[1], node);
	assert_int_equal(record_place(&record, 2, 1, NULL), RECORD_OVERTAKEN);
	assert_int_equal(record_scale(&record, "sum-1", 1), RECORD_OK);
	// Nobody names that node any more.
	assert_int_equal(record_find_node(&record, uuid(3)), RECORD_NONE);
	assert_int_equal(record_place(&record, 3, 1, uuid(3)), RECORD_OVERTAKEN);
}

static void
voters_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(record_add_voter(&record, uuid(4)), RECORD_IS_VOTER);
	assert_int_equal(record_add_voter(&record, uuid(1)), RECORD_OK);
	// The copies lie where they lay.
	assert_memory_equal(record.node[record.site.manifest.copy[0].node].uuid, uuid(4),
			    RECORD_UUID);
	assert_int_equal(record_remove_voter(&record, uuid(4)), RECORD_HOLDS_COPY);
	assert_int_equal(record_remove_voter(&record, uuid(3)), RECORD_NO_SUCH_VOTER);
	assert_int_equal(record_remove_voter(&record, uuid(1)), RECORD_OK);
	assert_int_equal(record_voters(&record), 3);
}

static void
the_last_voter_stays(void **state)
{
	u8 cluster[RECORD_UUID] = { 1 };

	(void)state;
	assert_int_equal(record_first(&record, cluster, (const u8(*)[RECORD_UUID])uuid(9), 1),
			 RECORD_OK);
	assert_int_equal(record_remove_voter(&record, uuid(9)), RECORD_LAST_VOTER);
}

static void
copies_move(void **state)
{
	struct record_place place = { .block = 77 };
	u8 id[RECORD_ID_LEN];

	(void)state;
	memset(id, 7, sizeof(id));
	memcpy(place.uuid, uuid(4), RECORD_UUID);
	assert_int_equal(record_move_copy(&record, id, 0, &place), RECORD_COPY);
	memcpy(place.uuid, uuid(6), RECORD_UUID);
	assert_int_equal(record_move_copy(&record, id, 0, &place), RECORD_OK);
	assert_int_equal(record.job[0].image.copy[0].block, 77);
	assert_int_equal(record.job[1].image.copy[0].block, 77);
	memset(id, 8, sizeof(id));
	assert_int_equal(record_move_copy(&record, id, 0, &place), RECORD_OVERTAKEN);
}

static void
change_at_random(struct prng *prng)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	const char *name = names[prng_below(prng, 4)];
	u8 node = (u8)(1 + prng_below(prng, 12)), other = (u8)(1 + prng_below(prng, 12));
	u16 count = prng_below(prng, 4) ? (u16)prng_below(prng, 70) : RECORD_EVERY;
	struct record_new_object o = object(node, node, prng_below(prng, 2) ? other : 0);
	struct record_new_job j = job(name, count, (u16)prng_below(prng, 3));
	enum record_error error = RECORD_OK;

	j.image = o;
	switch (prng_below(prng, 7)) {
	case 0:
		error = record_deploy_site(&record, record.site.generation, 1, 1, &o);
		break;
	case 1:
		error = record_deploy_job(&record, &j);
		break;
	case 2:
		error = record_scale(&record, name, count);
		break;
	case 3:
		error = record_remove(&record, name);
		break;
	case 4:
		error = record_place(&record, (u32)prng_below(prng, record.next_job),
				     (u32)prng_below(prng, 8), uuid(node));
		break;
	case 5:
		error = record_add_voter(&record, uuid(node));
		break;
	case 6:
		error = record_remove_voter(&record, uuid(node));
		break;
	}
	assert_true(record_sentence(error)[0]);
}

static void
any_changes_leave_it_sound(void **state)
{
	static struct record other;
	struct prng prng;
	u32 second;

	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 i = 0; i < 5000; i++) {
		change_at_random(&prng);
		record_check(&record);
		encode();
		assert_int_equal(record_decode(&other, bytes, len), RECORD_OK);
		assert_int_equal(record_encode(&other, again, &second), RECORD_OK);
		assert_int_equal(second, len);
		assert_memory_equal(again, bytes, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keeps_its_bytes, setup),
		cmocka_unit_test_setup(decodes_what_it_encodes, setup),
		cmocka_unit_test_setup(takes_no_other_bytes, setup),
		cmocka_unit_test_setup(changes_a_site_only_after_the_one_that_was_seen, setup),
		cmocka_unit_test_setup(refuses_jobs_that_cannot_be, setup),
		cmocka_unit_test_setup(bounds_jobs_and_instances, setup),
		cmocka_unit_test_setup(a_new_version_of_a_job_keeps_its_places, setup),
		cmocka_unit_test_setup(voters_come_and_go, setup),
		cmocka_unit_test_setup(the_last_voter_stays, setup),
		cmocka_unit_test_setup(copies_move, setup),
		cmocka_unit_test_setup(any_changes_leave_it_sound, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
