// SPDX-License-Identifier: BSD-2-Clause
// links: libos/store/label.c kernel/base/siphash.c harness/testing/host_assert.c
// What a disk is told to be, for every combination of its two label blocks; and that
// no flipped bit passes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "libos/store/label.h"

#define BLOCKS 1000u

static const u8 node[STORE_UUID] = "this node";
static u8 block[STORE_BLOCK] aligned_(8), spare[STORE_BLOCK] aligned_(8);
static struct label found;

static void
make(u8 target[STORE_BLOCK], const char *cluster, u64 blocks)
{
	struct label label = { .blocks = blocks };

	memcpy(label.node, node, STORE_UUID);
	memcpy(label.cluster, cluster, strlen(cluster));
	label_make(&label, target);
}

static enum label_class
read_both(u64 disk_blocks)
{
	memset(&found, 0, sizeof(found));
	return label_read(block, spare, disk_blocks, node, &found);
}

static int
setup(void **state)
{
	(void)state;
	make(block, "c", BLOCKS);
	make(spare, "c", BLOCKS);
	return 0;
}

static void
a_good_label_is_ours(void **state)
{
	(void)state;
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
	assert_memory_equal(found.node, node, STORE_UUID);
	assert_int_equal(found.cluster[0], 'c');
	assert_int_equal(found.blocks, BLOCKS);
	assert_false(label_differs(block, spare));
	assert_int_equal(read_both(BLOCKS + 1), LABEL_OURS);
	assert_int_equal(read_both(BLOCKS - 1), LABEL_SMALL);
}

static void
another_nodes_is_a_strangers(void **state)
{
	(void)state;
	assert_int_equal(label_read(block, spare, BLOCKS, (const u8 *)"another node....",
				    &found),
			 LABEL_STRANGER);
}

static void
either_label_serves(void **state)
{
	(void)state;
	memset(block, 0, STORE_BLOCK);
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
	make(block, "c", BLOCKS);
	block[9] ^= 1;
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
	assert_true(label_differs(block, spare));
	make(block, "c", BLOCKS);
	memset(spare, 7, STORE_BLOCK);
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
}

// The spare is written first: it may know the cluster alone, or be torn.
static void
the_spare_knows_the_cluster_first(void **state)
{
	(void)state;
	make(block, "", BLOCKS);
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
	assert_int_equal(found.cluster[0], 'c');
	make(spare, "", BLOCKS);
	make(block, "c", BLOCKS);
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
	assert_int_equal(found.cluster[0], 'c');
}

static void
what_is_no_label_is_blank_or_foreign(void **state)
{
	(void)state;
	memset(block, 0, STORE_BLOCK);
	memset(spare, 0, STORE_BLOCK);
	assert_int_equal(read_both(BLOCKS), LABEL_BLANK);
	assert_int_equal(read_both(STORE_BLOCKS_MIN - 1), LABEL_SMALL);
	// A claim that was cut off at its first write.
	make(spare, "", BLOCKS);
	spare[4000] ^= 1;
	assert_int_equal(read_both(BLOCKS), LABEL_BLANK);
	memset(spare, 0, STORE_BLOCK);
	spare[4095] = 1;
	assert_int_equal(read_both(BLOCKS), LABEL_FOREIGN);
	// Somebody's block 0 is theirs, whatever the spare says.
	make(spare, "c", BLOCKS);
	block[510] = 0x55;
	block[511] = 0xaa;
	assert_int_equal(read_both(BLOCKS), LABEL_FOREIGN);
}

static void
no_flipped_bit_passes(void **state)
{
	(void)state;
	memset(spare, 0, STORE_BLOCK);
	for (u32 bit = 0; bit < STORE_BLOCK * 8; bit++) {
		enum label_class class;

		block[bit / 8] ^= (u8)(1 << bit % 8);
		class = read_both(BLOCKS);
		assert_int_equal(class, bit < 64 ? LABEL_FOREIGN : LABEL_DAMAGED);
		block[bit / 8] ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(read_both(BLOCKS), LABEL_OURS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_label_is_ours, setup),
		cmocka_unit_test_setup(another_nodes_is_a_strangers, setup),
		cmocka_unit_test_setup(either_label_serves, setup),
		cmocka_unit_test_setup(the_spare_knows_the_cluster_first, setup),
		cmocka_unit_test_setup(what_is_no_label_is_blank_or_foreign, setup),
		cmocka_unit_test_setup(no_flipped_bit_passes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
