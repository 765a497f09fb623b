// SPDX-License-Identifier: BSD-2-Clause
// The machine's UUID from SMBIOS (DMTF DSP0134): the 32-bit or 64-bit entry
// point in the BIOS area, then the type 1 structure. Declared in acpi.h beside
// the rest of what firmware tells.
//
// Input: structures are walked within the stated length and bounded.

#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define TABLE_LEN_MAX (64 * KIB)
#define TYPE_SYSTEM 1
#define UUID_OFFSET 8u

static bool
find_table(u64 *physical, u32 *len)
{
	const u8 *bios = direct(0xf0000);

	for (u32 at = 0; at < 0x10000; at += 16) {
		if (!memcmp(bios + at, "_SM3_", 5)) {
			*len = le32_load(bios + at + 12);
			*physical = le64_load(bios + at + 16);
			return true;
		}
		if (!memcmp(bios + at, "_SM_", 4)) {
			*len = le16_load(bios + at + 22);
			*physical = le32_load(bios + at + 24);
			return true;
		}
	}
	return false;
}

// Structures are followed by strings that end with an empty one.
static u32
skip_strings(const u8 *table, u32 at, u32 len)
{
	while (at + 1 < len && (table[at] || table[at + 1]))
		at++;
	return at + 2;
}

void
smbios_uuid(u8 uuid[16])
{
	u64 physical;
	u32 len;

	memset(uuid, 0, 16);
	if (!find_table(&physical, &len) || len > TABLE_LEN_MAX || !len)
		return;

	const u8 *table = mmio_map(physical, len);

	for (u32 at = 0; at + 4 <= len && table[at + 1] >= 4;) {
		if (table[at] == TYPE_SYSTEM &&
		    table[at + 1] >= UUID_OFFSET + 16 &&
		    at + UUID_OFFSET + 16 <= len) {
			memcpy(uuid, table + at + UUID_OFFSET, 16);
			return;
		}
		at = skip_strings(table, at + table[at + 1], len);
	}
}
