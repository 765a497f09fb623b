// SPDX-License-Identifier: BSD-2-Clause
// The AHCI driver on the host, against a controller made of registers, with disks that
// read and write a buffer: the commands that it sends, sectors of 512 bytes and of 4 KiB,
// several ports, and what it makes of disks that fail, do not answer, lie about themselves or go
// away. The driver is included as it is, with its register accesses going to the
// controller below.
//
// links: kernel/dev/ahci_slots.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define mmio_read32 unused_read32
#define mmio_write32 unused_write32
#include "kernel/dev/mmio.h"
#undef mmio_read32
#undef mmio_write32

static unsigned
controller_read(const void *at);
static void
controller_write(void *at, unsigned v);
#define mmio_read32 controller_read
#define mmio_write32 controller_write
#include "kernel/dev/ahci.c"

#define BLOCKS 64u
#define PORTS 2u
#define DISK_LEN (BLOCKS * BLOCK_SIZE)

static struct {
	u32 reg[REGISTERS_LEN / 4];
	u8 content[DISK_LEN];
	u16 id[256];
	u64 now;
	u32 sector_len;
	u32 resets;
	u32 comresets;
	u32 flushed;
	u32 queued;
	u32 alone;
	u32 fail_at;		// block whose commands fail
	u32 fail_times;		// how often; ALL: always
	u32 held;		// commands that it does not end
	bool gone;
	bool deaf;		// never ends a reset of the controller
	bool silent;		// never ends a command
	bool dead_link;		// the link does not come back
	bool master;
	char said[4096];
} hba;

static struct pci_function functions[] = {
	{ .base_class = PCI_CLASS_STORAGE, .sub_class = 1 },
	{ .base_class = PCI_CLASS_STORAGE, .sub_class = SUBCLASS_SATA,
	  .interface = INTERFACE_AHCI },
};
static void (*handler)(u32 argument);
static u32 interrupts;
static void *memory[32];
static u32 memory_count;

static u32 *
port(u32 number, u32 at)
{
	return &hba.reg[(PORT_BASE + number * PORT_LEN + at) / 4];
}

static u32
place(const void *at)
{
	return (u32)((const u8 *)at - (const u8 *)hba.reg);
}

static void
port_signal(u32 number, u32 is)
{
	*port(number, PORT_IS) |= is;
	if (!(*port(number, PORT_IS) & *port(number, PORT_IE)))
		return;
	hba.reg[REG_IS / 4] |= 1u << number;
	if (hba.reg[REG_CONTROL / 4] & CONTROL_INTERRUPTS)
		interrupts++;
}

static void
move(const volatile struct table *t, u64 sector, u32 count, bool write)
{
	u64 offset = sector * hba.sector_len, len = (u64)count * hba.sector_len;
	void *data = (void *)(uintptr_t)t->data;

	assert_int_equal(len, t->data_len + 1);
	assert_true(offset + len <= DISK_LEN && hba.master);
	if (write)
		memcpy(hba.content + offset, data, len);
	else
		memcpy(data, hba.content + offset, len);
}

// Does a command. Returns whether it succeeded.
static bool
execute(u32 number, u32 slot)
{
	u64 list = *port(number, PORT_LIST) | (u64)*port(number, PORT_LIST + 4) << 32;
	const volatile struct header *h = (void *)(uintptr_t)(list + 32 * slot);
	const volatile struct table *t = (void *)(uintptr_t)h->table;
	const volatile u8 *f = t->command;
	u64 sector = f[4] | f[5] << 8 | f[6] << 16 | (u64)f[8] << 24 | (u64)f[9] << 32;
	u32 features = f[3] | (u32)f[11] << 8, count = f[12] | (u32)f[13] << 8;
	bool write = f[2] == ATA_WRITE || f[2] == ATA_WRITE_QUEUED;

	assert_int_equal(f[0], FIS_TO_DISK);
	assert_int_equal(f[1], FIS_COMMAND);
	assert_int_equal(h->flags & 0x1f, FIS_DWORDS);
	assert_int_equal(!!(h->flags & HEADER_WRITE), write);
	assert_int_equal(h->flags >> 16, f[2] != ATA_FLUSH);
	if (hba.fail_times && sector * hba.sector_len / BLOCK_SIZE == hba.fail_at) {
		hba.fail_times -= hba.fail_times != ALL;
		return false;
	}
	switch (f[2]) {
	case ATA_IDENTIFY:
		memcpy((void *)(uintptr_t)t->data, hba.id, IDENTIFY_LEN);
		break;
	case ATA_FLUSH:
		hba.flushed++;
		break;
	case ATA_READ:
	case ATA_WRITE:
		move(t, sector, count, write);
		hba.alone++;
		break;
	default:
		assert_true(f[2] == ATA_READ_QUEUED || f[2] == ATA_WRITE_QUEUED);
		assert_int_equal(count >> 3, slot);
		move(t, sector, features, write);
		hba.queued++;
	}
	return true;
}

// Works on what was issued. A queued command that fails stops the rest.
static void
run_disk(u32 number)
{
	for (u32 slot = 0; slot < 32; slot++) {
		u32 bit = 1u << slot;
		bool queued = *port(number, PORT_ACTIVE) & bit;

		if (!((*port(number, PORT_ISSUE) | *port(number, PORT_ACTIVE)) & bit) ||
		    hba.silent || (hba.held & bit))
			continue;
		if (!execute(number, slot)) {
			*port(number, PORT_ISSUE) &= ~bit;
			port_signal(number, 1u << 30);
			return;
		}
		*port(number, PORT_ISSUE) &= ~bit;
		*port(number, PORT_ACTIVE) &= ~bit;
		port_signal(number, queued ? 1u << 3 : 1u << 0);
	}
}

static void
run_disks(void)
{
	for (u32 number = 0; number < PORTS; number++)
		run_disk(number);
	while (interrupts) {
		interrupts = 0;
		handler(0);
	}
}

static u32
controller_read(const void *at)
{
	return hba.gone ? ALL : hba.reg[place(at) / 4];
}

static void
write_port(u32 number, u32 at, u32 v)
{
	switch (at) {
	case PORT_IS:
		*port(number, at) &= ~v;
		return;
	case PORT_ACTIVE:
		*port(number, at) |= v;
		return;
	case PORT_ISSUE:
		assert_true(*port(number, PORT_COMMAND) & COMMAND_START);
		*port(number, at) |= v;
		if (!(hba.reg[REG_CONTROL / 4] & CONTROL_INTERRUPTS))
			run_disk(number);
		return;
	case PORT_COMMAND:
		*port(number, at) = v;
		if (!(v & COMMAND_START))
			*port(number, PORT_ISSUE) = *port(number, PORT_ACTIVE) = 0;
		return;
	case PORT_CONTROL:
		hba.comresets += v == CONTROL_COMRESET;
		if (v == CONTROL_COMRESET && hba.dead_link)
			*port(number, PORT_STATUS) = 0;
		break;
	default:
		break;
	}
	*port(number, at) = v;
}

static void
reset(void)
{
	u32 status[PORTS], signature[PORTS], cap = hba.reg[0];

	for (u32 i = 0; i < PORTS; i++) {
		status[i] = *port(i, PORT_STATUS);
		signature[i] = *port(i, PORT_SIGNATURE);
	}
	memset(hba.reg, 0, sizeof(hba.reg));
	hba.reg[0] = cap;
	hba.reg[REG_PORTS / 4] = (1u << PORTS) - 1;
	for (u32 i = 0; i < PORTS; i++) {
		*port(i, PORT_STATUS) = status[i];
		*port(i, PORT_SIGNATURE) = signature[i];
	}
	hba.resets++;
}

static void
controller_write(void *at, u32 v)
{
	u32 where = place(at);

	if (hba.gone)
		return;
	if (where >= PORT_BASE) {
		write_port((where - PORT_BASE) / PORT_LEN, (where - PORT_BASE) % PORT_LEN, v);
		return;
	}
	if (where == REG_IS) {
		hba.reg[where / 4] &= ~v;
		return;
	}
	hba.reg[where / 4] = v;
	if (where == REG_CONTROL && (v & CONTROL_RESET) && !hba.deaf)
		reset();
}

// The rest of the kernel.

const struct pci_function *
pci_at(u32 index)
{
	return index < ARRAY_SIZE(functions) ? &functions[index] : NULL;
}

bool
pci_bar(const struct pci_function *f, u32 index, struct pci_bar *bar)
{
	assert_ptr_equal(f, &functions[1]);
	*bar = (struct pci_bar){ (u64)(uintptr_t)hba.reg, 4096 };
	return index == BAR_REGISTERS;
}

void *
mmio_map(u64 physical, u64 len)
{
	assert_true(len <= 4096);
	return (void *)(uintptr_t)physical;
}

void
pci_enable(const struct pci_function *f)
{
	(void)f;
	assert_int_equal(hba.resets, 1);	// what firmware began has ended
	hba.master = true;
}

void
pci_silence(const struct pci_function *f)
{
	(void)f;
	hba.master = false;
}

bool
pci_msi_enable(const struct pci_function *f, u8 vector)
{
	(void)f;
	return vector == 32;
}

u8
irq_claim(void (*given)(u32 argument), u32 argument)
{
	(void)argument;
	handler = given;
	return 32;
}

void *
boot_frames(u64 count)
{
	void *frames = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	memset(frames, 0, count * PAGE_SIZE);
	assert_true(memory_count < ARRAY_SIZE(memory));
	return memory[memory_count++] = frames;
}

u64
physical_of(const void *object)
{
	return (u64)(uintptr_t)object;
}

u64
clock_ns(void)
{
	return hba.now += 100000;
}

void
kprintf(const char *format, ...)
{
	size_t len = strlen(hba.said);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(hba.said + len, sizeof(hba.said) - len, format, arguments);
	va_end(arguments);
}

static void
ignore(u32 argument)
{
	(void)argument;
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
	handler(0);
	assert_false(ahci_driver.finished(&cookie, &succeeded));
	assert_false(ahci_driver.works());
	assert_false(hba.master);
	assert_false(ahci_driver.finished(&cookie, &succeeded));
	assert_non_null(strstr(hba.said, "the controller has gone"));
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
		cmocka_unit_test_setup_teardown(test_kinds_of_disk, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_failing_block, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_link_dies, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_controller_goes, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_never_answers, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_other_ports, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_impossible_sizes, power_on, power_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
