// SPDX-License-Identifier: BSD-2-Clause
// The driver for SATA disks on AHCI controllers behind disk.h (Serial ATA AHCI 1.3.1;
// ATA commands after ACS-3): the first port that has a disk, native command queuing where the
// disk and the controller have it, one message (MSI) as interrupt. Which command may go
// when is decided in ahci_slots.c.
//
// A command is a header in the port's list, a table with the command itself, and one
// region that holds the data, because the frames of an operation follow one another.
// A block of 4 KiB is one to eight of the disk's sectors.
//
// Registers are read when an interrupt has come and not before, so starting operations
// costs two writes and nothing else.
//
// A disk that does not end a command in COMMAND_WAIT_NS is taken to have failed it: the
// port is reset, and what was with the disk goes again as after any error, alone. The
// kernel looks when disk_look_ns says, so that a lost interrupt costs time and no more.
//
// Invariants:
//   H1  a slot's table is written only while the slot is not active
//   H2  after a failure nothing is started; cookies come back only once the controller
//       has confirmed its reset
//   H3  every wait for a register is bounded: at boot by BOOT_WAIT_NS, later by
//       RECOVER_WAIT_NS
//   H4  while a command is active, disk_look_ns is not after the time at which the
//       oldest has taken too long
//   H5  an operation ends, or the disk is stopped, within LATE_MAX times COMMAND_WAIT_NS
//       in which the disk ended nothing

#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/irq.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/ahci_registers.h"
#include "kernel/dev/ahci_slots.h"
#include "kernel/dev/disk.h"
#include "kernel/dev/mmio.h"
#include "kernel/dev/pci.h"
#include "kernel/main/kprintf.h"

#define SUBCLASS_SATA 0x06u
#define INTERFACE_AHCI 0x01u
#define BAR_REGISTERS 5u
#define PORTS_MAX 32u
#define PORT_BASE 0x100u
#define PORT_LEN 0x80u
#define REGISTERS_LEN (PORT_BASE + PORTS_MAX * PORT_LEN)

#define BOOT_WAIT_NS (5 * NS_PER_SECOND)
#define RECOVER_WAIT_NS (500 * NS_PER_MS)	// at least: AHCI, section 10.1.2
#define COMRESET_NS NS_PER_MS
#define COMMAND_WAIT_NS (10 * NS_PER_SECOND)	// more than a disk of a server retries
#define LATE_MAX 3u		// waits in a row, without an answer, that stop the disk

struct header {
	u32 flags;
	u32 transferred;
	u64 table;
	u32 reserved[4];
};

struct table {
	u8 command[64];
	u8 packet[64];
	u64 data;
	u32 reserved;
	u32 data_len;		// less one
	u8 padding[112];
};

STATIC_ASSERT(sizeof(struct header) == 32 && sizeof(struct table) == 256);
STATIC_ASSERT(AHCI_SLOTS_MAX <= DISK_FLIGHTS_MAX);

static struct {
	const struct pci_function *pci;
	u8 *registers;
	u32 registers_len;
	void (*interrupt)(void);
	struct disk_facts facts;
	struct ahci_slots slots;
	volatile struct header *list;
	volatile struct table *tables;
	u8 *ranges;		// DATA_SET_LEN of each slot, for a trim
	struct disk_op op[AHCI_SLOTS_MAX];
	u64 issued_ns[AHCI_SLOTS_MAX];	// of an active one
	u32 late;		// waits since the disk ended something
	u32 port;
	u32 sectors_a_block;
	u64 wait_ns;
	bool flushes;		// it has a volatile cache
	bool present, failed;
	bool signalled;		// an interrupt came since the registers were read
	bool stopped;		// it failed, and the controller has confirmed its reset
} disk;

static u32
reg_read(u32 at)
{
	ASSERT(at < disk.registers_len);
	return mmio_read32(disk.registers + at);
}

static void
reg_write(u32 at, u32 v)
{
	ASSERT(at < disk.registers_len);
	mmio_write32(disk.registers + at, v);
}

static u32
port_read(u32 at)
{
	return reg_read(PORT_BASE + disk.port * PORT_LEN + at);
}

static void
port_write(u32 at, u32 v)
{
	reg_write(PORT_BASE + disk.port * PORT_LEN + at, v);
}

// Waits until of the register's bits in `mask` those of `wanted` are set (H3). A
// function that has left the bus reads as all ones.
static bool
wait_register(u32 at, u32 mask, u32 wanted)
{
	u64 until = clock_ns() + disk.wait_ns;
	u32 v;

	do {
		v = reg_read(at);
		if (v != ALL && (v & mask) == wanted)
			return true;
		cpu_pause();
	} while (clock_ns() < until);
	return false;
}

static bool
wait_port(u32 at, u32 mask, u32 wanted)
{
	return wait_register(PORT_BASE + disk.port * PORT_LEN + at, mask, wanted);
}

// Resets the controller and all its ports. True when it confirmed; else it has lost the
// bus, but what it had begun may still land.
static bool
stop(void)
{
	reg_write(REG_CONTROL, CONTROL_AHCI);
	reg_write(REG_CONTROL, CONTROL_AHCI | CONTROL_RESET);
	if (wait_register(REG_CONTROL, CONTROL_RESET, 0)) {
		reg_write(REG_CONTROL, CONTROL_AHCI);
		return true;
	}
	pci_silence(disk.pci);
	kprintf("disk: the controller does not confirm its reset\n");
	return false;
}

static bool
find(u32 nth)
{
	const struct pci_function *f = NULL;
	struct pci_bar bar;

	for (u32 i = 0; (f = pci_at(i)); i++) {
		if (f->base_class == PCI_CLASS_STORAGE &&
		    f->sub_class == SUBCLASS_SATA &&
		    f->interface == INTERFACE_AHCI && nth-- == 0)
			break;
	}
	if (!f || !pci_bar(f, BAR_REGISTERS, &bar) || bar.len < PORT_BASE + PORT_LEN)
		return false;
	disk.pci = f;
	disk.registers_len = (u32)MIN(bar.len, (u64)REGISTERS_LEN);
	disk.registers = mmio_map(bar.physical, disk.registers_len);
	return true;
}

// Ports whose registers the controller shows.
static u32
ports_max(void)
{
	return (disk.registers_len - PORT_BASE) / PORT_LEN;
}

// Ports that have a disk or something else, as firmware has found: a controller without
// any is left alone, so that it costs the boot nothing.
static u32
occupied_ports(void)
{
	u32 ports = reg_read(REG_PORTS), occupied = 0;

	if (ports == ALL)
		return 0;
	for (disk.port = 0; disk.port < ports_max(); disk.port++) {
		if ((ports >> disk.port & 1) &&
		    (port_read(PORT_STATUS) & STATUS_LINK) == STATUS_LINK_UP)
			occupied |= 1u << disk.port;
	}
	return occupied;
}

// Takes the controller from firmware that may still use it (section 10.6).
static bool
take_over(void)
{
	if (!(reg_read(REG_CAP2) & CAP2_HANDOFF))
		return true;
	reg_write(REG_HANDOFF, reg_read(REG_HANDOFF) | HANDOFF_OS);
	return wait_register(REG_HANDOFF, HANDOFF_BIOS, 0);
}

// An address register has its upper half behind it.
static void
write_address(u32 at, u64 physical)
{
	port_write(at, (u32)physical);
	port_write(at + 4, (u32)(physical >> 32));
}

// The port's memory, once: list of headers and received frames in one page, tables in
// two more.
static void
take_memory(void)
{
	u32 tables_len = AHCI_SLOTS_MAX * sizeof(struct table);

	if (disk.list)
		return;
	disk.list = boot_frames(1);
	disk.tables = boot_frames(tables_len / PAGE_SIZE);
	disk.ranges = boot_frames(AHCI_SLOTS_MAX * DATA_SET_LEN / PAGE_SIZE);
	for (u32 i = 0; i < AHCI_SLOTS_MAX; i++)
		disk.list[i].table = physical_of((const void *)&disk.tables[i]);
}

// Brings a port up after a reset: link, memory, the disk's first frame.
static bool
start_port(void)
{
	u64 list = physical_of((const void *)disk.list);

	write_address(PORT_LIST, list);
	write_address(PORT_FIS, list + AHCI_SLOTS_MAX * sizeof(struct header));
	port_write(PORT_CONTROL, CONTROL_NORMAL);
	port_write(PORT_COMMAND, COMMAND_SPIN_UP | COMMAND_POWER | COMMAND_RECEIVE |
					 COMMAND_LINK_ACTIVE);
	if (!wait_port(PORT_STATUS, STATUS_LINK, STATUS_LINK_UP))
		return false;
	port_write(PORT_ERROR, ALL);
	if (!wait_port(PORT_TASK, TASK_BUSY, 0))
		return false;
	port_write(PORT_IS, ALL);
	port_write(PORT_COMMAND, port_read(PORT_COMMAND) | COMMAND_START);
	return true;
}

// Fills a slot's header and table (H1). `count` is in sectors.
static void
prepare(u32 slot, u8 command, u64 sector, u32 count, u64 physical, u32 len)
{
	volatile struct table *t = &disk.tables[slot];
	bool queued = command == ATA_READ_QUEUED || command == ATA_WRITE_QUEUED;
	bool writes = command == ATA_WRITE || command == ATA_WRITE_QUEUED ||
		      command == ATA_DATA_SET;
	u32 features = queued ? count : command == ATA_DATA_SET ? DATA_SET_TRIM : 0;
	u32 number = queued ? slot << 3 : count;
	const u8 fis[] = {
		FIS_TO_DISK, FIS_COMMAND, command, (u8)features,
		(u8)sector, (u8)(sector >> 8), (u8)(sector >> 16), DEVICE_LBA,
		(u8)(sector >> 24), (u8)(sector >> 32), (u8)(sector >> 40),
		(u8)(features >> 8), (u8)number, (u8)(number >> 8),
	};

	for (u32 i = 0; i < sizeof(fis); i++)
		t->command[i] = fis[i];
	if (len) {
		t->data = physical;
		t->data_len = len - 1;
	}
	disk.list[slot].transferred = 0;
	disk.list[slot].flags = FIS_DWORDS | (writes ? HEADER_WRITE : 0) |
				(len ? 1u << HEADER_REGIONS_SHIFT : 0);
}

// The disk's own description, asked for without interrupts, at boot.
static bool
identify(u16 *words)
{
	u8 *memory = boot_frames(1);

	prepare(0, ATA_IDENTIFY, 0, 0, physical_of(memory), IDENTIFY_LEN);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	port_write(PORT_ISSUE, 1);
	if (!wait_port(PORT_ISSUE, 1, 0) || (port_read(PORT_IS) & IS_ERRORS))
		return false;
	memcpy(words, memory, IDENTIFY_LEN);
	port_write(PORT_IS, ALL);
	return true;
}

static bool
read_facts(const u16 *id)
{
	u64 sectors = 0, sector_len = 512;
	u32 cap = reg_read(REG_CAP), slots = (cap >> 8 & 0x1f) + 1;
	bool queued = (cap & CAP_QUEUING) && id[ID_SATA] != 0xffff &&
		      (id[ID_SATA] & ID_SATA_QUEUING);

	for (u32 i = 0; i < 4; i++)
		sectors |= (u64)id[ID_SECTORS + i] << 16 * i;
	if ((id[ID_SECTOR] & ID_SECTOR_MASK) == ID_SECTOR_VALID &&
	    (id[ID_SECTOR] & ID_SECTOR_LONG))
		sector_len = 2 * ((u64)id[ID_SECTOR_WORDS + 1] << 16 |
				  id[ID_SECTOR_WORDS]);
	if (!(id[ID_COMMANDS] & ID_COMMANDS_LBA48) || sectors >> 48 ||
	    sector_len < 512 || sector_len > BLOCK_SIZE ||
	    (sector_len & (sector_len - 1)) || sectors * sector_len < BLOCK_SIZE) {
		kprintf("disk: the disk tells an impossible size\n");
		return false;
	}
	disk.sectors_a_block = (u32)(BLOCK_SIZE / sector_len);
	disk.facts.blocks = sectors / disk.sectors_a_block;
	disk.facts.trims = (id[ID_DATA_SET] & ID_DATA_SET_TRIM) &&
			   id[ID_DATA_SET] != 0xffff;
	disk.flushes = id[ID_CACHE] & ID_CACHE_ON;
	if (queued)
		slots = MIN(slots, (id[ID_QUEUE_DEPTH] & 0x1fu) + 1);
	ahci_slots_init(&disk.slots, slots, queued);
	return true;
}

// Looks for a disk behind these ports; the first counts.
static bool
start_disk(u32 occupied)
{
	u16 words[IDENTIFY_LEN / 2];

	for (disk.port = 0; disk.port < ports_max(); disk.port++) {
		bool answers;

		if (!(occupied >> disk.port & 1))
			continue;
		answers = start_port();
		if (answers && port_read(PORT_SIGNATURE) == SIGNATURE_DISK) {
			answers = identify(words);
			if (answers && read_facts(words))
				return true;
		}
		if (!answers)
			kprintf("disk: what is at port %u does not answer\n",
				disk.port);
		port_write(PORT_COMMAND, 0);
	}
	return false;
}

static void
on_interrupt(void)
{
	disk.signalled = true;
	disk.interrupt();
}

// One controller. False when it has no disk that can be used; it has lost the bus then.
static bool
start_controller(u32 occupied)
{
	if (!take_over()) {
		kprintf("disk: firmware does not let go of the controller\n");
		return false;
	}
	if (!stop())
		return false;
	pci_enable(disk.pci);
	take_memory();
	if (start_disk(occupied)) {
		if (pci_msi_enable(disk.pci, irq_claim(on_interrupt)))
			return true;
		kprintf("disk: not used: the controller has no usable MSI\n");
	}
	stop();
	pci_silence(disk.pci);
	return false;
}

static bool
ahci_init(void (*interrupt)(void))
{
	ASSERT(!disk.present);
	disk.wait_ns = BOOT_WAIT_NS;
	disk.interrupt = interrupt;
	for (u32 nth = 0; nth < PCI_FUNCTIONS_MAX && find(nth); nth++) {
		u32 occupied = occupied_ports();

		if (!occupied || !start_controller(occupied))
			continue;
		disk.present = true;
		disk.wait_ns = RECOVER_WAIT_NS;
		port_write(PORT_IE, IS_DONE | IS_ERRORS);
		reg_write(REG_IS, ALL);
		reg_write(REG_CONTROL, CONTROL_AHCI | CONTROL_INTERRUPTS);
		return true;
	}
	return false;
}

static const struct disk_facts *
ahci_facts(void)
{
	return disk.present ? &disk.facts : NULL;
}

static bool
ahci_works(void)
{
	return disk.present && !disk.failed;
}

static u32
ahci_room(void)
{
	return ahci_works() ? ahci_slots_room(&disk.slots) : 0;
}

static bool
ahci_start(const struct disk_op *op, u32 cookie)
{
	enum ahci_kind kind = op->kind == QUEUE_READ ? AHCI_READ
			    : op->kind == QUEUE_WRITE ? AHCI_WRITE : AHCI_FLUSH;

	ASSERT(ahci_room() > 0);
	ASSERT(op->block + op->count <= disk.facts.blocks);
	ASSERT((op->kind == QUEUE_FLUSH) == (op->count == 0));
	ASSERT(op->kind <= QUEUE_FLUSH || (op->kind == QUEUE_TRIM && disk.facts.trims));
	if (op->kind == QUEUE_FLUSH && !disk.flushes)
		return false;
	disk.op[ahci_slots_add(&disk.slots, kind, cookie)] = *op;
	return true;
}

static u8
command_of(const struct disk_op *op, bool queued)
{
	return op->kind == QUEUE_FLUSH ? ATA_FLUSH
	     : op->kind == QUEUE_TRIM ? ATA_DATA_SET
	     : op->kind == QUEUE_READ ? (queued ? ATA_READ_QUEUED : ATA_READ)
	     : queued ? ATA_WRITE_QUEUED : ATA_WRITE;
}

// A trim's sectors are data of the command, a range of them.
static void
prepare_trim(u32 slot, const struct disk_op *op)
{
	u8 *range = disk.ranges + slot * DATA_SET_LEN;
	u64 sectors = (u64)op->count * disk.sectors_a_block;

	ASSERT(sectors <= 0xffff);
	memset(range, 0, DATA_SET_LEN);
	le64_store(range, op->block * disk.sectors_a_block | sectors << 48);
	prepare(slot, ATA_DATA_SET, 0, 1, physical_of(range), DATA_SET_LEN);
}

// Gives the disk what may go now: at most AHCI_SLOTS_MAX commands.
static void
ahci_push(void)
{
	bool queued = false;
	u32 slot, issued = 0;
	u64 now = clock_ns();

	while (ahci_works() && ahci_slots_next(&disk.slots, &slot, &queued)) {
		const struct disk_op *op = &disk.op[slot];

		disk.issued_ns[slot] = now;

		if (op->kind == QUEUE_TRIM)
			prepare_trim(slot, op);
		else
			prepare(slot, command_of(op, queued),
				op->block * disk.sectors_a_block,
				op->count * disk.sectors_a_block, op->physical,
				op->count * BLOCK_SIZE);
		issued |= 1u << slot;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (queued)
		port_write(PORT_ACTIVE, issued);
	if (issued) {
		port_write(PORT_ISSUE, issued);
		disk_look_ns = MIN(disk_look_ns, now + COMMAND_WAIT_NS);
	}
}

// Stops the port and resets its link: the disk forgets what it was asked (section
// 6.2.2.2, and 10.4.2). False when it does not come back.
static bool
recover(void)
{
	port_write(PORT_COMMAND, port_read(PORT_COMMAND) & ~COMMAND_START);
	if (!wait_port(PORT_COMMAND, COMMAND_RUNNING, 0))
		return false;
	port_write(PORT_CONTROL, CONTROL_COMRESET);
	for (u64 until = clock_ns() + COMRESET_NS; clock_ns() < until;)
		cpu_pause();
	return start_port();
}

static void
give_up(const char *why)
{
	disk.failed = true;
	disk_look_ns = NEVER;
	kprintf("disk: %s; it is stopped\n", why);
	disk.stopped = stop();
	if (disk.stopped)						// H2
		ahci_slots_abandon(&disk.slots);
}

// Whether an active command has taken too long; if none, when one will have (H4).
static bool
is_late(u64 now)
{
	u64 first = NEVER;

	for (u32 left = disk.slots.active; left; left &= left - 1)
		first = MIN(first, disk.issued_ns[__builtin_ctz(left)]);
	if (first != NEVER && now - first >= COMMAND_WAIT_NS)
		return true;
	disk_look_ns = first == NEVER ? NEVER : first + COMMAND_WAIT_NS;
	return false;
}

// What is with the disk is taken from it, and failed, or goes again.
static void
fail_active(const char *why)
{
	if (disk.late < LATE_MAX && recover())
		ahci_slots_error(&disk.slots);
	else
		give_up(why);
}

// Reads what has become of the active commands, after telling the controller that the
// interrupt has been heard: what ends from now on interrupts again.
static void
collect(void)
{
	u32 is = port_read(PORT_IS), active = disk.slots.active;
	bool due = clock_ns() >= disk_look_ns;

	disk.signalled = false;
	if (is == ALL) {
		give_up("the controller has gone");
		return;
	}
	port_write(PORT_IS, is);
	reg_write(REG_IS, 1u << disk.port);
	// A command that went alone and ended with an error may count as issued or not.
	if (!(is & IS_ERRORS) || !disk.slots.alone)
		ahci_slots_finished(&disk.slots, port_read(PORT_ACTIVE) |
							 port_read(PORT_ISSUE));
	if (disk.slots.active != active || (is & IS_ERRORS))
		disk.late = 0;
	if (is & IS_ERRORS) {
		fail_active("the disk does not come back after an error");
	} else if (due && is_late(clock_ns())) {
		disk.late++;
		kprintf("disk: a command took too long\n");
		fail_active("the disk does not answer");
	}
	ahci_push();
}

static bool
ahci_finished(u32 *cookie, bool *succeeded)
{
	if (ahci_slots_take(&disk.slots, cookie, succeeded))
		return true;
	if (!ahci_works() || (!disk.signalled && clock_ns() < disk_look_ns))
		return false;
	collect();
	return ahci_slots_take(&disk.slots, cookie, succeeded);
}

const struct disk_driver ahci_driver = {
	.init = ahci_init,
	.facts = ahci_facts,
	.works = ahci_works,
	.room = ahci_room,
	.start = ahci_start,
	.push = ahci_push,
	.finished = ahci_finished,
};
