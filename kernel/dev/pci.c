// SPDX-License-Identifier: BSD-2-Clause
// Configuration space by the ports 0xCF8 and 0xCFC, and what drivers need from
// it: the table of functions, BARs, capabilities, MSI-X.
//
// Invariants:
//   P1  the scan visits each bus once, however bridges are numbered
//   P2  a capability walk ends after CAPABILITIES_MAX links
//   P3  memory decoding is off while a BAR holds the sizing pattern
//
// Everything runs on the boot processor before environments exist, pci_silence()
// excepted: the ports are used under the kernel lock.

#include "kernel/dev/pci.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/irq.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/dev/mmio.h"
#include "kernel/main/kprintf.h"

#define PORT_ADDRESS 0xcf8u
#define PORT_DATA 0xcfcu

#define BUSES 256u
#define DEVICES_PER_BUS 32u
#define FUNCTIONS_PER_DEVICE 8u
#define BARS 6u
#define CAPABILITIES_MAX 48u	// 192 bytes behind the header, 4 each

#define REG_VENDOR 0x00u
#define REG_COMMAND 0x04u
#define REG_STATUS 0x06u
#define REG_CLASS 0x0bu
#define REG_HEADER 0x0eu
#define REG_BAR 0x10u
#define REG_SECONDARY_BUS 0x19u
#define REG_SUBSYSTEM 0x2eu
#define REG_CAPABILITIES 0x34u

#define COMMAND_PORTS 0x001u
#define COMMAND_MEMORY 0x002u
#define COMMAND_MASTER 0x004u
#define COMMAND_NO_PIN 0x400u
#define STATUS_CAPABILITIES 0x10u

#define HEADER_KIND 0x7fu
#define HEADER_BRIDGE 0x01u
#define HEADER_MANY_FUNCTIONS 0x80u

#define BAR_PORTS 0x1u
#define BAR_KIND_MASK 0x6u
#define BAR_64 0x4u
#define BAR_FLAGS 0xfull

#define MSI_CONTROL 2u
#define MSI_ADDRESS 4u
#define MSI_ENABLE 0x0001u
#define MSI_MANY_MASK 0x0070u
#define MSI_64 0x0080u

#define MSIX_CONTROL 2u
#define MSIX_TABLE 4u
#define MSIX_ENTRIES_MASK 0x7ffu
#define MSIX_MASK_ALL 0x4000u
#define MSIX_ENABLE 0x8000u
#define MSIX_ENTRY_SIZE 16u
#define MSIX_ENTRY_MASKED 1u

static struct pci_function functions[PCI_FUNCTIONS_MAX];
static u32 function_count;

static void
select_register(const struct pci_function *f, u32 offset)
{
	ASSERT(f->device < DEVICES_PER_BUS && offset < 256);
	port_out32(PORT_ADDRESS, 0x80000000u | (u32)f->bus << 16 |
				 (u32)f->device << 11 |
				 (u32)f->function << 8 | (offset & 0xfcu));
}

u8
pci_read8(const struct pci_function *f, u32 offset)
{
	select_register(f, offset);
	return port_in8((u16)(PORT_DATA + (offset & 3)));
}

u16
pci_read16(const struct pci_function *f, u32 offset)
{
	ASSERT((offset & 1) == 0);
	select_register(f, offset);
	return port_in16((u16)(PORT_DATA + (offset & 2)));
}

u32
pci_read32(const struct pci_function *f, u32 offset)
{
	ASSERT((offset & 3) == 0);
	select_register(f, offset);
	return port_in32(PORT_DATA);
}

static void
write16(const struct pci_function *f, u32 offset, u16 v)
{
	ASSERT((offset & 1) == 0);
	select_register(f, offset);
	port_out16((u16)(PORT_DATA + (offset & 2)), v);
}

static void
write32(const struct pci_function *f, u32 offset, u32 v)
{
	ASSERT((offset & 3) == 0);
	select_register(f, offset);
	port_out32(PORT_DATA, v);
}

// Remembers a function that answered. Returns the bus behind it when it is a
// bridge, else 0.
static u8
keep(struct pci_function *f)
{
	if ((pci_read8(f, REG_HEADER) & HEADER_KIND) == HEADER_BRIDGE)
		return pci_read8(f, REG_SECONDARY_BUS);
	if (function_count == PCI_FUNCTIONS_MAX) {
		kprintf("pci: more than %u functions: %02x:%02x.%u is left out\n",
			PCI_FUNCTIONS_MAX, f->bus, f->device, f->function);
		return 0;
	}
	f->vendor_id = pci_read16(f, REG_VENDOR);
	f->device_id = pci_read16(f, REG_VENDOR + 2);
	f->base_class = pci_read8(f, REG_CLASS);
	f->sub_class = pci_read8(f, REG_CLASS - 1);
	f->interface = pci_read8(f, REG_CLASS - 2);
	f->subsystem_id = pci_read16(f, REG_SUBSYSTEM);
	functions[function_count++] = *f;
	return 0;
}

static void
scan_device(u8 bus, u8 device, bool *wanted)
{
	struct pci_function f = { .bus = bus, .device = device };
	u32 count = 1;

	for (u32 i = 0; i < count; i++) {
		f.function = (u8)i;
		if (pci_read16(&f, REG_VENDOR) == 0xffff)
			continue;
		if (pci_read8(&f, REG_HEADER) & HEADER_MANY_FUNCTIONS)
			count = FUNCTIONS_PER_DEVICE;

		u8 behind = keep(&f);

		if (behind)
			wanted[behind] = true;
	}
}

void
pci_scan(void)
{
	bool wanted[BUSES] = { true };
	bool seen[BUSES] = { false };
	bool more = true;

	function_count = 0;
	// Each round takes at least one new bus, so there are at most BUSES.
	for (u32 round = 0; more && round < BUSES; round++) {
		more = false;
		for (u32 bus = 0; bus < BUSES; bus++) {
			if (!wanted[bus] || seen[bus])
				continue;
			seen[bus] = true;
			more = true;
			for (u8 d = 0; d < DEVICES_PER_BUS; d++)
				scan_device((u8)bus, d, wanted);
		}
	}
}

const struct pci_function *
pci_at(u32 index)
{
	return index < function_count ? &functions[index] : NULL;
}

u32
pci_capability(const struct pci_function *f, u8 id, u32 previous)
{
	if (!(pci_read16(f, REG_STATUS) & STATUS_CAPABILITIES))
		return 0;

	u32 at = pci_read8(f, previous ? previous + 1 : REG_CAPABILITIES) & 0xfcu;

	for (u32 i = 0; at >= 0x40 && i < CAPABILITIES_MAX; i++) {
		if (pci_read8(f, at) == id)
			return at;
		at = pci_read8(f, at + 1) & 0xfcu;
	}
	return 0;
}

// Writes the sizing pattern to one BAR register and restores it. Returns the
// bits that the device keeps.
static u32
probe_bar(const struct pci_function *f, u32 offset)
{
	u32 old = pci_read32(f, offset);

	write32(f, offset, 0xffffffffu);

	u32 kept = pci_read32(f, offset);

	write32(f, offset, old);
	return kept;
}

bool
pci_bar(const struct pci_function *f, u32 index, struct pci_bar *bar)
{
	if (index >= BARS)
		return false;

	u32 offset = REG_BAR + 4 * index;
	u32 low = pci_read32(f, offset);
	bool wide = (low & BAR_KIND_MASK) == BAR_64;

	if ((low & BAR_PORTS) || (wide && index + 1 == BARS))
		return false;

	u16 command = pci_read16(f, REG_COMMAND);

	write16(f, REG_COMMAND, command & (u16)~(COMMAND_PORTS | COMMAND_MEMORY));

	u64 kept = probe_bar(f, offset);

	kept |= wide ? (u64)probe_bar(f, offset + 4) << 32 : 0xffffffffull << 32;
	write16(f, REG_COMMAND, command);

	u64 high = wide ? pci_read32(f, offset + 4) : 0;

	bar->physical = (high << 32 | low) & ~BAR_FLAGS;
	bar->len = ~(kept & ~BAR_FLAGS) + 1;
	return bar->physical != 0 && bar->len >= 16 &&
	       (bar->len & (bar->len - 1)) == 0 &&
	       (bar->physical & (bar->len - 1)) == 0 &&
	       bar->physical >> 52 == 0;
}

void
pci_enable(const struct pci_function *f)
{
	u16 command = pci_read16(f, REG_COMMAND);

	command &= (u16)~COMMAND_PORTS;
	command |= COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_PIN;
	write16(f, REG_COMMAND, command);
}

void
pci_silence(const struct pci_function *f)
{
	u16 command = pci_read16(f, REG_COMMAND);

	write16(f, REG_COMMAND, command & (u16)~COMMAND_MASTER);
}

bool
pci_masters(const struct pci_function *f)
{
	return pci_read16(f, REG_COMMAND) & COMMAND_MASTER;
}

bool
pci_msix_enable(const struct pci_function *f, const u8 *vectors, u32 count)
{
	u32 cap = pci_capability(f, PCI_CAP_MSIX, 0);
	struct pci_bar bar;

	if (!cap || cap + 12 > 256)
		return false;

	u16 control = pci_read16(f, cap + MSIX_CONTROL);
	u32 table = pci_read32(f, cap + MSIX_TABLE);
	u32 offset = table & ~7u;
	u32 len = ((control & MSIX_ENTRIES_MASK) + 1) * MSIX_ENTRY_SIZE;

	if (!pci_bar(f, table & 7, &bar) || offset > bar.len ||
	    len > bar.len - offset || count > len / MSIX_ENTRY_SIZE)
		return false;

	u8 *entry = mmio_map(bar.physical + offset, len);

	write16(f, cap + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_MASK_ALL);
	for (u32 at = 0; at < len; at += MSIX_ENTRY_SIZE)
		mmio_write32(entry + at + 12, MSIX_ENTRY_MASKED);
	for (u32 i = 0; i < count; i++, entry += MSIX_ENTRY_SIZE) {
		mmio_write64(entry, irq_message_address());
		mmio_write32(entry + 8, vectors[i]);
		mmio_write32(entry + 12, 0);
	}
	write16(f, cap + MSIX_CONTROL,
		(u16)((control | MSIX_ENABLE) & ~MSIX_MASK_ALL));
	return true;
}

bool
pci_msi_enable(const struct pci_function *f, u8 vector)
{
	u32 cap = pci_capability(f, PCI_CAP_MSI, 0);
	u64 address = irq_message_address();
	u32 data_at = cap + MSI_ADDRESS + 4;

	if (!cap || cap + 14 > 256)
		return false;

	u16 control = pci_read16(f, cap + MSI_CONTROL);

	write32(f, cap + MSI_ADDRESS, (u32)address);
	if (control & MSI_64) {
		write32(f, data_at, (u32)(address >> 32));
		data_at += 4;
	}
	write16(f, data_at, vector);
	control &= (u16)~MSI_MANY_MASK;
	write16(f, cap + MSI_CONTROL, control | MSI_ENABLE);
	return true;
}
