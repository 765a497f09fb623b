// SPDX-License-Identifier: BSD-2-Clause
// ACPI (specification 6.4): RSDP -> RSDT -> MADT for the processors, FADT and
// the _S5 object of the DSDT for switching off. No AML is interpreted: the
// sleep types of _S5 are constants in a package, found by pattern, as every
// small kernel does.

#include "kernel/dev/acpi.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"

#define EBDA_SEGMENT 0x40eu
#define EBDA_MIN 0x80000u
#define EBDA_END 0xa0000u
#define RSDP_LEN 20u		// that its first checksum covers
#define HEADER_LEN 36u
#define TABLE_LEN_MAX (1 * MIB)
#define TABLES_MAX 64u
#define POWER_ENABLED 1u		// SCI_EN: ACPI mode is on
#define SLEEP_TYPE_SHIFT 10
#define SLEEP_TYPE_MASK (7u << SLEEP_TYPE_SHIFT)
#define SLEEP_ENABLE (1u << 13)
#define ENABLE_POLLS_MAX 100000u

struct acpi_info acpi_info sealed_;

bool
firmware_sum_ok(const u8 *bytes, u32 len)
{
	u8 sum = 0;

	for (u32 i = 0; i < len; i++)
		sum = (u8)(sum + bytes[i]);
	return sum == 0;
}

static const u8 *
search_rsdp(u64 from, u64 len)
{
	for (u64 at = from; at + RSDP_LEN <= from + len; at += 16) {
		const u8 *rsdp = direct(at);

		if (!memcmp(rsdp, "RSD PTR ", 8) && firmware_sum_ok(rsdp, RSDP_LEN))
			return rsdp;
	}
	return NULL;
}

// Section 5.2.5.1: in the first KiB of the extended BIOS data area, whose
// segment is at 40:0E, or in the BIOS area.
static const u8 *
find_rsdp(void)
{
	u64 ebda = (u64)le16_load(direct(EBDA_SEGMENT)) << 4;
	const u8 *rsdp = NULL;

	if (ebda >= EBDA_MIN && ebda < EBDA_END)
		rsdp = search_rsdp(ebda, 1 * KIB);
	return rsdp ? rsdp : search_rsdp(0xe0000, 0x20000);
}

// Maps a whole table. Returns NULL when its header does not hold.
static const u8 *
map_table(u64 physical, u32 *len)
{
	const u8 *header = mmio_map(physical, HEADER_LEN);

	*len = le32_load(header + 4);
	if (*len < HEADER_LEN || *len > TABLE_LEN_MAX)
		return NULL;

	const u8 *table = mmio_map(physical, *len);

	return firmware_sum_ok(table, *len) ? table : NULL;
}

static void
read_madt(const u8 *table, u32 len)
{
	for (u32 at = 44; at + 2 <= len && table[at + 1] >= 2;
	     at += table[at + 1]) {
		bool local_apic = table[at] == 0 && at + 8 <= len;

		if (!local_apic || !(table[at + 4] & 1))
			continue;
		if (acpi_info.processor_count == CPUS_MAX) {
			kprintf("acpi: only %u processors are used\n", CPUS_MAX);
			return;
		}
		acpi_info.processor_apic_id[acpi_info.processor_count++] =
			table[at + 3];
	}
}

// A small integer of a package: a byte constant, or Zero and One.
static u32
package_integer(const u8 **at)
{
	if (**at == 0x0a)
		(*at)++;
	return *(*at)++;
}

static void
read_s5(const u8 *dsdt, u32 len)
{
	for (u32 i = HEADER_LEN; i + 16 < len; i++) {
		if (memcmp(dsdt + i, "_S5_", 4) || dsdt[i + 4] != 0x12)
			continue;

		const u8 *at = dsdt + i + 5;

		at += (*at >> 6) + 2;	// package length and element count
		acpi_info.sleep_type = (u16)package_integer(&at);
		acpi_info.sleep_type_b = (u16)package_integer(&at);
		acpi_info.can_power_off = acpi_info.power_port != 0;
		return;
	}
}

static void
read_fadt(const u8 *table, u32 len)
{
	u32 dsdt_len;

	if (len < 116)
		return;
	acpi_info.power_port = (u16)le32_load(table + 64);
	acpi_info.power_port_b = (u16)le32_load(table + 68);
	acpi_info.command_port = (u16)le32_load(table + 48);
	acpi_info.command_enable = table[52];

	const u8 *dsdt = map_table(le32_load(table + 40), &dsdt_len);

	if (dsdt)
		read_s5(dsdt, dsdt_len);
	// Reset register: in I/O space, and said to be supported.
	if (len >= 129 && (le32_load(table + 112) & 1u << 10) && table[116] == 1) {
		acpi_info.can_reset = true;
		acpi_info.reset_port = (u16)le64_load(table + 120);
		acpi_info.reset_value = table[128];
	}
}

void
acpi_init(void)
{
	const u8 *rsdp = find_rsdp();
	u32 len;

	acpi_info.processor_count = 0;
	if (!rsdp)
		return;

	const u8 *rsdt = map_table(le32_load(rsdp + 16), &len);

	if (!rsdt)
		return;
	for (u32 i = 0; i < TABLES_MAX && HEADER_LEN + i * 4 + 4 <= len; i++) {
		u32 table_len;
		const u8 *table = map_table(le32_load(rsdt + HEADER_LEN + i * 4),
					    &table_len);

		if (table && !memcmp(table, "APIC", 4))
			read_madt(table, table_len);
		if (table && !memcmp(table, "FACP", 4))
			read_fadt(table, table_len);
	}
	ASSERT(acpi_info.processor_count <= CPUS_MAX);
}

// Firmware hands the machine over in legacy mode, in which some ignore the sleep
// registers (section 4.8.2.5). Bounded: a machine that does not answer is left.
static void
enable(void)
{
	if (!acpi_info.command_port || !acpi_info.command_enable ||
	    (port_in16(acpi_info.power_port) & POWER_ENABLED))
		return;
	port_out8(acpi_info.command_port, acpi_info.command_enable);
	for (u32 i = 0; i < ENABLE_POLLS_MAX; i++) {
		if (port_in16(acpi_info.power_port) & POWER_ENABLED)
			return;
	}
}

static void
sleep(u16 port, u16 type)
{
	u32 kept = port_in16(port) & ~(SLEEP_TYPE_MASK | SLEEP_ENABLE);

	port_out16(port, (u16)(kept | (u32)type << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
}

void
acpi_power_off(void)
{
	if (!acpi_info.can_power_off)
		return;
	enable();
	sleep(acpi_info.power_port, acpi_info.sleep_type);
	if (acpi_info.power_port_b)
		sleep(acpi_info.power_port_b, acpi_info.sleep_type_b);
}

void
acpi_reset(void)
{
	struct { u16 limit; u64 base; } packed_ none = { 0, 0 };

	if (acpi_info.can_reset)
		port_out8(acpi_info.reset_port, acpi_info.reset_value);
	port_out8(0x64, 0xfe);		// keyboard controller: pulse reset
	__asm__ volatile("lidt %0; int3" : : "m"(none));
	for (;;)
		__asm__ volatile("hlt");
}
