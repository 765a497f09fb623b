// SPDX-License-Identifier: BSD-2-Clause
// The AHCI driver on the host, against a controller made of registers, with disks that
// read and write a buffer: the commands that it sends, sectors of 512 bytes and of 4 KiB,
// several ports, and what it makes of disks that fail, do not answer, lie about themselves or go
// away. The driver is included as it is, with its register accesses and its clock going to the
// controller of ahci_rig.h.
//
// links: kernel/dev/ahci_slots.c harness/testing/host_assert.c

#include "kernel/dev/ahci_rig.h"

static void
ignore(void)
{
}

static void
describe_disk(u32 sector_len, bool queuing)
{
	u32 sectors = DISK_LEN / sector_len;

	memset(hba.id, 0, sizeof(hba.id));
	hba.sector_len = sector_len;
	hba.id[ID_COMMANDS] = ID_COMMANDS_LBA48;
	hba.id[ID_CACHE] = ID_CACHE_ON;
	hba.id[ID_SECTORS] = (u16)sectors;
	hba.id[ID_SECTORS + 1] = (u16)(sectors >> 16);
	hba.id[ID_QUEUE_DEPTH] = 31;
	hba.id[ID_SATA] = queuing ? ID_SATA_QUEUING : 0;
	if (sector_len != 512) {
		hba.id[ID_SECTOR] = ID_SECTOR_VALID | ID_SECTOR_LONG;
		hba.id[ID_SECTOR_WORDS] = (u16)(sector_len / 2);
	}
}

// A controller as firmware leaves it, with a disk at port 1.
static int
power_on(void **state)
{
	(void)state;
	memset(&hba, 0, sizeof(hba));
	memset(&disk, 0, sizeof(disk));
	interrupts = 0;
	disk_look_ns = NEVER;
	hba.reg[REG_CAP / 4] = CAP_QUEUING | 31u << 8;
	hba.reg[REG_PORTS / 4] = (1u << PORTS) - 1;
	*port(1, PORT_STATUS) = 0x123;
	*port(1, PORT_SIGNATURE) = SIGNATURE_DISK;
	describe_disk(512, true);
	return 0;
}

static int
power_off(void **state)
{
	(void)state;
	while (memory_count)
		free(memory[--memory_count]);
	return 0;
}

static void
start(void)
{
	assert_true(ahci_driver.init(ignore));
	assert_true(ahci_driver.works());
	assert_int_equal(ahci_driver.facts()->blocks, BLOCKS);
	assert_string_equal(hba.said, "");
}

static bool
put(enum queue_op kind, u64 block, void *data, u32 count, u32 cookie)
{
	struct disk_op op = { kind, count, block, (u64)(uintptr_t)data };

	return ahci_driver.start(&op, cookie);
}

// Runs everything and takes `count` operations; returns those that failed, as bits.
static u32
finish(u32 count)
{
	u32 cookie, failed = 0, seen = 0;
	bool succeeded;

	ahci_driver.push();
	for (u32 turn = 0; turn < 200 && count; turn++) {
		run_disks();
		while (ahci_driver.finished(&cookie, &succeeded)) {
			assert_false(seen >> cookie & 1);
			seen |= 1u << cookie;
			failed |= succeeded ? 0 : 1u << cookie;
			count--;
		}
	}
	assert_int_equal(count, 0);
	assert_false(ahci_driver.finished(&cookie, &succeeded));
	return failed;
}

static void
write_and_read(void)
{
	static u8 out[4 * BLOCK_SIZE], in[4 * BLOCK_SIZE];

	for (u32 i = 0; i < sizeof(out); i++)
		out[i] = (u8)(i * 7 + i / 4096);
	for (u32 i = 0; i < 4; i++)
		assert_true(put(QUEUE_WRITE, 9 + i, out + i * BLOCK_SIZE, 1, i));
	assert_int_equal(finish(4), 0);
	assert_true(put(QUEUE_READ, 9, in, 4, 5));
	assert_int_equal(finish(1), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal(hba.content + 9 * BLOCK_SIZE, out, sizeof(out));
}

static void
test_queued(void **state)
{
	(void)state;
	start();
	assert_int_equal(ahci_driver.room(), 32);
	write_and_read();
	assert_int_equal(hba.queued, 5);
	assert_int_equal(hba.alone, 0);
	assert_true(put(QUEUE_FLUSH, 0, NULL, 0, 1));
	assert_int_equal(finish(1), 0);
	assert_int_equal(hba.flushed, 1);
}

// What a disk with sectors of either length is told to forget; one that says that it
// cannot is not asked.
static void
test_trim(void **state)
{
	static u8 out[4 * BLOCK_SIZE];

	for (u32 sector_len = 512; sector_len <= 4096; sector_len *= 8) {
		describe_disk(sector_len, true);
		hba.id[ID_DATA_SET] = ID_DATA_SET_TRIM;
		start();
		assert_true(ahci_driver.facts()->trims);
		assert_false(ahci_driver.facts()->zeroes);
		memset(hba.content + 8 * BLOCK_SIZE, 0x11, 6 * BLOCK_SIZE);
		assert_true(put(QUEUE_WRITE, 9, out, 4, 1));
		assert_true(put(QUEUE_TRIM, 10, NULL, 2, 2));
		assert_true(put(QUEUE_WRITE, 13, out, 1, 3));
		assert_int_equal(finish(3), 0);
		assert_int_equal(hba.trimmed, 1);
		assert_int_equal(hba.content[10 * BLOCK_SIZE - 1], 0);
		assert_int_equal(hba.content[10 * BLOCK_SIZE], 0xee);
		assert_int_equal(hba.content[12 * BLOCK_SIZE - 1], 0xee);
		assert_int_equal(hba.content[12 * BLOCK_SIZE], 0);
		power_off(state);
		power_on(state);
	}
	start();
	assert_false(ahci_driver.facts()->trims);
}

static void
test_kinds_of_disk(void **state)
{
	(void)state;
	describe_disk(4096, true);
	start();
	write_and_read();
	power_off(state);
	power_on(state);
	describe_disk(512, false);
	start();
	write_and_read();
	assert_int_equal(hba.alone, 5);
	power_off(state);
	power_on(state);
	hba.id[ID_CACHE] = 0;
	start();
	assert_false(put(QUEUE_FLUSH, 0, NULL, 0, 1));
}

// Of commands under way together, the one that fails fails and the others do not.
static void
test_failing_block(void **state)
{
	static u8 data[BLOCK_SIZE];

	(void)state;
	start();
	hba.fail_at = 3;
	for (u32 times = 1; times <= 2; times++) {
		hba.fail_times = times == 1 ? 1 : ALL;
		for (u32 i = 0; i < 8; i++)
			assert_true(put(QUEUE_READ, i, data, 1, i));
		assert_int_equal(finish(8), times == 1 ? 0 : 1u << 3);
		assert_true(ahci_driver.works());
	}
	assert_int_equal(hba.comresets, 3);
	hba.fail_times = 0;
	assert_true(put(QUEUE_READ, 3, data, 1, 1));
	assert_int_equal(finish(1), 0);
}

static void
test_link_dies(void **state)
{
	static u8 data[BLOCK_SIZE];

	(void)state;
	start();
	hba.dead_link = true;
	hba.fail_times = ALL;
	for (u32 i = 0; i < 4; i++)
		assert_true(put(QUEUE_READ, i, data, 1, i));
	assert_int_equal(finish(4), 15);
	assert_false(ahci_driver.works());
	assert_int_equal(ahci_driver.room(), 0);
	assert_int_equal(hba.resets, 2);
	assert_non_null(strstr(hba.said, "does not come back after an error"));
}

// What a controller that is gone, or does not confirm its reset, may still write to
// does not come back.
static void
test_controller_goes(void **state)
{
	static u8 data[BLOCK_SIZE];
	u32 cookie;
	bool succeeded;

	(void)state;
	start();
	assert_true(put(QUEUE_READ, 1, data, 1, 1));
	ahci_driver.push();
	hba.gone = true;
	handler();
	assert_false(ahci_driver.finished(&cookie, &succeeded));
	assert_false(ahci_driver.works());
	assert_false(hba.master);
	assert_false(ahci_driver.finished(&cookie, &succeeded));
	assert_non_null(strstr(hba.said, "the controller has gone"));
}

// What has ended by now, or when the kernel looks the next time; returns what failed.
static u32
finish_late(u32 count)
{
	u32 cookie, failed = 0;
	bool succeeded;

	assert_false(ahci_driver.finished(&cookie, &succeeded));
	assert_true(disk_look_ns <= hba.now + COMMAND_WAIT_NS);
	hba.now = disk_look_ns;
	while (ahci_driver.finished(&cookie, &succeeded)) {
		failed |= succeeded ? 0 : 1u << cookie;
		assert_true(count-- > 0);
	}
	ahci_slots_check(&disk.slots);
	run_disks();
	return failed;
}

// One command never ends: it goes again, alone, and then has failed; the port was reset
// each time. Nothing else fails.
static void
test_command_hangs(void **state)
{
	static u8 data[BLOCK_SIZE];

	(void)state;
	start();
	hba.hang_at = 3;
	hba.hangs = true;
	for (u32 i = 0; i < 8; i++)
		assert_true(put(QUEUE_READ, i, data, 1, i));
	ahci_driver.push();
	run_disks();
	for (u32 i = 0, cookie; i < 7; i++) {
		bool succeeded;

		assert_true(ahci_driver.finished(&cookie, &succeeded) && succeeded);
		assert_int_not_equal(cookie, 3);
	}
	assert_int_equal(finish_late(0), 0);
	assert_int_equal(hba.comresets, 1);
	assert_int_equal(finish_late(1), 1u << 3);
	assert_int_equal(hba.comresets, 2);
	assert_true(ahci_driver.works());
	assert_int_equal(ahci_driver.room(), 32);
	hba.hangs = false;
	assert_true(put(QUEUE_READ, 3, data, 1, 1));
	assert_int_equal(finish(1), 0);
	assert_int_equal(finish_late(0), 0);
	assert_true(disk_look_ns == NEVER && hba.comresets == 2);
}

// A disk that ends nothing any more is stopped, and everything has failed; not before
// the controller says that it is still.
static void
test_disk_hangs(void **state)
{
	static u8 data[BLOCK_SIZE];

	for (u32 deaf = 0; deaf < 2; deaf++) {
		power_off(state);
		power_on(state);
		start();
		hba.silent = true;
		hba.deaf = deaf;
		for (u32 i = 0; i < 4; i++)
			assert_true(put(QUEUE_READ, i, data, 1, i));
		ahci_driver.push();
		assert_int_equal(finish_late(0), 0);
		assert_int_equal(finish_late(1), 1);
		assert_true(ahci_driver.works());
		assert_int_equal(finish_late(3), deaf ? 0 : 14);
		assert_false(ahci_driver.works());
		assert_true(disk_look_ns == NEVER);
		assert_non_null(strstr(hba.said, "the disk does not answer; it is stopped"));
	}
}

// An interrupt that does not come is only late.
static void
test_lost_interrupt(void **state)
{
	static u8 data[BLOCK_SIZE];

	(void)state;
	start();
	hba.mute = true;
	assert_true(put(QUEUE_READ, 1, data, 1, 1));
	ahci_driver.push();
	run_disks();
	assert_int_equal(finish_late(1), 0);
	assert_int_equal(ahci_driver.room(), 32);
	assert_int_equal(hba.comresets, 0);
	assert_string_equal(hba.said, "");
}

static void
test_never_answers(void **state)
{
	(void)state;
	hba.silent = true;
	assert_false(ahci_driver.init(ignore));
	assert_string_equal(hba.said, "disk: what is at port 1 does not answer\n");
	assert_false(hba.master);
	power_off(state);
	power_on(state);
	hba.deaf = true;
	assert_false(ahci_driver.init(ignore));
	assert_string_equal(hba.said, "disk: the controller does not confirm its reset\n");
	assert_null(ahci_driver.facts());
	power_off(state);
	power_on(state);
	hba.reg[REG_CAP2 / 4] = CAP2_HANDOFF;
	hba.reg[REG_HANDOFF / 4] = HANDOFF_BIOS;
	assert_false(ahci_driver.init(ignore));
	assert_string_equal(hba.said, "disk: firmware does not let go of the controller\n");
}

static void
test_other_ports(void **state)
{
	(void)state;
	*port(0, PORT_STATUS) = 0x113;
	*port(0, PORT_SIGNATURE) = 0xeb140101;		// a drive for discs
	start();
	write_and_read();
	power_off(state);
	power_on(state);
	*port(0, PORT_STATUS) = 0x113;
	*port(0, PORT_SIGNATURE) = SIGNATURE_DISK;
	start();
	assert_int_equal(disk.port, 0);
	power_off(state);
	power_on(state);
	*port(1, PORT_STATUS) = 0;
	assert_false(ahci_driver.init(ignore));
	assert_int_equal(hba.resets, 0);		// nothing there: left alone
	assert_string_equal(hba.said, "");
}

static void
test_impossible_sizes(void **state)
{
	static const struct {
		u32 word;
		u16 value;
	} lies[] = {
		{ ID_COMMANDS, 0 }, { ID_SECTORS, 7 },
		{ ID_SECTORS + 3, 1 },
		{ ID_SECTOR, ID_SECTOR_VALID | ID_SECTOR_LONG },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(lies); i++) {
		power_on(state);
		hba.id[lies[i].word] = lies[i].value;
		assert_false(ahci_driver.init(ignore));
		assert_string_equal(hba.said, "disk: the disk tells an impossible size\n");
		power_off(state);
	}
	power_on(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_queued, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_trim, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_kinds_of_disk, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_failing_block, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_link_dies, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_controller_goes, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_command_hangs, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_disk_hangs, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_lost_interrupt, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_never_answers, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_other_ports, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_impossible_sizes, power_on, power_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
