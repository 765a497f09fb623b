// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// An AHCI controller made of registers, with a disk that reads and writes a buffer, and the
// parts of the kernel that the driver calls; the driver itself is included here, with its
// registers and its clock redirected. What the disk does wrong, and when, a test says in
// `hba`. Commands are done when the test says so (run_disks), before interrupts are on at
// once.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define mmio_read32 unused_read32
#define mmio_write32 unused_write32
#define clock_ns unused_clock_ns
#include "kernel/arch/x86_64/clock.h"
#include "kernel/dev/mmio.h"
#undef mmio_read32
#undef mmio_write32
#undef clock_ns

static unsigned
controller_read(const void *at);
static void
controller_write(void *at, unsigned v);
static unsigned long
clock_ns(void);
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
	u32 trimmed;		// ranges
	u32 queued;
	u32 alone;
	u32 fail_at;		// block whose commands fail
	u32 fail_times;		// how often; ALL: always
	u32 hang_at;		// block whose commands never end
	bool hangs;
	bool mute;		// no interrupts arrive
	bool gone;
	bool deaf;		// never ends a reset of the controller
	bool silent;		// never ends a command
	bool dead_link;		// the link does not come back
	bool master;
	char said[4096];
} hba;

u64 disk_look_ns = NEVER;

static struct pci_function functions[] = {
	{ .base_class = PCI_CLASS_STORAGE, .sub_class = 1 },
	{ .base_class = PCI_CLASS_STORAGE, .sub_class = SUBCLASS_SATA,
	  .interface = INTERFACE_AHCI },
};
static void (*handler)(void);
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
	if ((hba.reg[REG_CONTROL / 4] & CONTROL_INTERRUPTS) && !hba.mute)
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

static const volatile struct header *
header_of(u32 number, u32 slot)
{
	u64 list = *port(number, PORT_LIST) | (u64)*port(number, PORT_LIST + 4) << 32;

	return (void *)(uintptr_t)(list + 32 * slot);
}

static u64
sector_of(const volatile u8 *f)
{
	return f[4] | f[5] << 8 | f[6] << 16 | (u64)f[8] << 24 | (u64)f[9] << 32;
}

static bool
hangs(u32 number, u32 slot)
{
	const volatile struct table *t =
		(void *)(uintptr_t)header_of(number, slot)->table;

	return hba.silent || (hba.hangs && sector_of(t->command) * hba.sector_len /
						   BLOCK_SIZE == hba.hang_at);
}

// Each range that is not empty.
static void
trim(const u8 *range)
{
	for (u32 at = 0; at < DATA_SET_LEN; at += 8) {
		u64 entry = le64_load(range + at), sector = entry << 16 >> 16;
		u64 count = entry >> 48;

		assert_true((sector + count) * hba.sector_len <= DISK_LEN);
		memset(hba.content + sector * hba.sector_len, 0xee,
		       count * hba.sector_len);
		hba.trimmed += count != 0;
	}
}

// Does a command. Returns whether it succeeded.
static bool
execute(u32 number, u32 slot)
{
	const volatile struct header *h = header_of(number, slot);
	const volatile struct table *t = (void *)(uintptr_t)h->table;
	const volatile u8 *f = t->command;
	u64 sector = sector_of(f);
	u32 features = f[3] | (u32)f[11] << 8, count = f[12] | (u32)f[13] << 8;
	bool write = f[2] == ATA_WRITE || f[2] == ATA_WRITE_QUEUED ||
		     f[2] == ATA_DATA_SET;

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
	case ATA_DATA_SET:
		assert_int_equal(features, DATA_SET_TRIM);
		assert_int_equal(count, 1);
		assert_int_equal(t->data_len, DATA_SET_LEN - 1);
		trim((const u8 *)(uintptr_t)t->data);
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
		    hangs(number, slot))
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
		handler();
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
irq_claim(void (*given)(void))
{
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

static u64
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
