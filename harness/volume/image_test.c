// SPDX-License-Identifier: BSD-2-Clause
// links: harness/volume/image.c kernel/volume/owns.c kernel/volume/update.c
// links: kernel/volume/order.c kernel/volume/mount.c kernel/volume/check.c
// links: kernel/code/run_rig.c kernel/code/arith.c kernel/code/verify.c
// links: kernel/code/shape.c kernel/code/step.c kernel/code/state.c
// links: kernel/code/range.c kernel/base/siphash.c harness/testing/host_assert.c
//
// A volume whose types are eBPF programs: two owners who do not trust each other share
// it, one with a type of his own that lies; and the checker finds what the disk says.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/volume/image.h"
#include "kernel/abi/errors.h"
#include "kernel/code/program_rig.h"

#define BLOCKS 64u
#define LIST 1u
#define LIAR 2u

static u8 disk[BLOCKS][BLOCK_SIZE];
static struct image *image;

// Partitions of 64 bytes hold eight extents as they are in memory; block 0: none.
#define ENTRY(i) \
	LOAD(4, 2, 6, 8 * (i)), \
	JUMPI(JEQ, 2, 0, 4), \
	LOAD(8, 3, 6, 8 * (i)), \
	STORE(8, 7, 0, 3), \
	ALUI(ADD, 7, 8), \
	ALUI(ADD, 0, 1)

static const struct code_insn list[] = {
	LOAD(8, 6, 1, 0), LOAD(8, 7, 1, 8), ALUI(MOV, 0, 0),
	ENTRY(0), ENTRY(1), ENTRY(2), ENTRY(3),
	ENTRY(4), ENTRY(5), ENTRY(6), ENTRY(7),
	EXIT,
};

// Says that it owns block 20 of whoever, when its first byte is 1.
static const struct code_insn liar[] = {
	LOAD(8, 6, 1, 0), LOAD(8, 7, 1, 8), ALUI(MOV, 0, 0),
	LOAD(1, 2, 6, 0), JUMPI(JNE, 2, 1, 4),
	STOREI(4, 7, 0, 20), STOREI(2, 7, 4, 1), STOREI(2, 7, 6, 0), ALUI(MOV, 0, 1),
	EXIT,
};

// Owns something from the beginning.
static const struct code_insn greedy[] = {
	LOAD(8, 7, 1, 8), STOREI(4, 7, 0, 20), STOREI(2, 7, 4, 1),
	ALUI(MOV, 0, 1), EXIT,
};

static const struct code_insn wild[] = { LOAD(8, 6, 1, 0), LOAD(8, 0, 6, 64), EXIT };

static void
save(u32 root, u32 block)
{
	struct volume *v = &image->volume;
	u32 slot, target;

	assert_int_equal(volume_store(v, root, block, &slot, &target), 0);
	if (block)
		memcpy(disk[target], image->cache[slot], BLOCK_SIZE);
	else
		volume_catalogue(v, disk[target]);
	volume_stored(v, block, true);
	assert_int_equal(volume_flush(v), 0);
	volume_flushed(v, true);
}

static void
add_type(u32 type, const struct code_insn *text, u32 count, u32 block)
{
	assert_int_equal(volume_type_check(&image->volume, type, 6, count, block), 0);
	assert_true(image_program(image, type, 6, text, count));
	assert_int_equal(volume_type_add(&image->volume, type, 6, text, count, block), 0);
	save(0, block);
}

static i64
own(u32 root, u32 block, u32 offset, struct volume_extent e)
{
	struct volume_update u = { .block = block, .mod_count = 1, .change_count = 1 };

	u.mod[0] = (struct volume_mod){ .offset = (u16)offset, .len = sizeof(e) };
	memcpy(u.mod[0].bytes, &e, sizeof(e));
	u.change[0] = (struct volume_change){
		.block = (u16)e.block, .count = e.count, .type = (u8)e.type };
	return volume_update(&image->volume, root, &u);
}

static void
write_data(u32 root, u32 block, u32 count)
{
	assert_int_equal(volume_begin(&image->volume, root, true, block, count), 0);
	for (u32 i = 0; i < count; i++)
		memset(disk[block + i], (int)('a' + root), BLOCK_SIZE);
	volume_done(&image->volume, true, block, count, true);
}

static int
set_up(void **state)
{
	struct volume *v;
	u32 slot;

	(void)state;
	image = image_open(disk[0], BLOCKS);
	assert_non_null(image);
	v = &image->volume;
	volume_format(v);
	add_type(LIST, list, ARRAY_SIZE(list), 2);
	add_type(LIAR, liar, ARRAY_SIZE(liar), 3);
	for (u32 root = 0; root < 2; root++) {
		assert_int_equal(volume_root_add(v, root, root ? LIAR : LIST,
						 10 + root, false), 0);
		assert_int_equal(volume_load(v, root, 10 + root, &slot), 0);
	}
	assert_int_equal(own(0, 10, 0, (struct volume_extent){ 20, 4, 0 }), 0);
	write_data(0, 20, 4);
	assert_int_equal(volume_flush(v), 0);
	volume_flushed(v, true);
	save(0, 10);
	save(1, 11);
	save(0, 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	image_close(image);
	return 0;
}

static bool
consistent(char *words, size_t size)
{
	FILE *out = fmemopen(words, size, "w");
	bool result;

	assert_non_null(out);
	result = image_check(image, out);
	fclose(out);
	return result;
}

static void
programs_are_verified(void **state)
{
	struct volume *v = &image->volume;

	(void)state;
	assert_false(image_program(image, 3, 6, wild, ARRAY_SIZE(wild)));
	assert_true(image_program(image, 3, 6, greedy, ARRAY_SIZE(greedy)));
	assert_int_equal(volume_type_add(v, 3, 6, greedy, ARRAY_SIZE(greedy), 30),
			 -E_OWNS);
	assert_int_equal(v->block[30].state, VOLUME_FREE);
	volume_check(v, image->tally);
}

// The second owner's type may say what it likes: the first one's blocks stay his.
static void
liars_get_nothing(void **state)
{
	struct volume *v = &image->volume;
	struct volume_update u = { .block = 11, .mod_count = 1 };

	(void)state;
	u.mod[0] = (struct volume_mod){ .offset = 0, .len = 1, .bytes = { 1 } };
	assert_int_equal(volume_update(v, 1, &u), -E_OWNS);
	u.change_count = 1;
	u.change[0] = (struct volume_change){ .block = 20, .count = 1 };
	assert_int_equal(volume_update(v, 1, &u), -E_TAKEN);
	u.change[0].removes = 1;
	assert_int_equal(volume_update(v, 1, &u), -E_OWNS);
	assert_int_equal(volume_begin(v, 1, false, 20, 1), -E_RANGE);
	assert_int_equal(volume_begin(v, 1, true, 20, 1), -E_RANGE);
	assert_int_equal(own(1, 10, 8, (struct volume_extent){ 30, 1, 0 }), -E_RANGE);
	assert_int_equal(volume_bytes(v, 11)[0], 0);
	volume_check(v, image->tally);
}

static void
the_checker_reads_what_the_core_wrote(void **state)
{
	char words[1000] = { 0 };

	(void)state;
	assert_true(consistent(words, sizeof(words) - 1));
	assert_non_null(strstr(words, "root 0: block 10 of type 1, 5 blocks"));
	assert_non_null(strstr(words, "root 1: block 11 of type 2, 1 blocks"));
	assert_non_null(strstr(words, "consistent: 64 blocks, 10 of them in use"));
}

static void
the_checker_finds_lies(void **state)
{
	char words[1000] = { 0 };
	u8 kept = disk[3][0];

	(void)state;
	disk[11][0] = 1;		// block 20 a second time
	assert_false(consistent(words, sizeof(words) - 1));
	assert_non_null(strstr(words, "owns what is not there"));
	disk[11][0] = 0;
	disk[3][0] = 0xff;
	assert_false(consistent(words, sizeof(words) - 1));
	assert_non_null(strstr(words, "block 3: the program of its type is refused"));
	disk[3][0] = kept;
	assert_true(consistent(words, sizeof(words) - 1));
	memset(disk[0], 0, 64);
	memset(disk[1], 0, 64);
	assert_false(consistent(words, sizeof(words) - 1));
	assert_non_null(strstr(words, "no catalogue"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(programs_are_verified, set_up, tear_down),
		cmocka_unit_test_setup_teardown(liars_get_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_checker_reads_what_the_core_wrote,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_checker_finds_lies, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
