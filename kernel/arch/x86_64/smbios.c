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

#define BIOS_BASE 0xf0000u
#define ENTRY_LEN_MAX 32u
#define TABLE_LEN_MAX (64 * KIB)
#define TYPE_SYSTEM 1
#define UUID_OFFSET 8u

// An entry point: its mark, and where its own length stands, which its checksum
// covers.
static bool
is_entry(const u8 *at, const char *mark, u32 len_at, u32 len_min)
{
	u8 len = at[len_at];

	return !memcmp(at, mark, strlen(mark)) && len >= len_min &&
	       len <= ENTRY_LEN_MAX && firmware_sum_ok(at, len);
}

static bool
find_table(u64 *physical, u32 *len)
{
	for (u32 at = BIOS_BASE; at + ENTRY_LEN_MAX <= MIB; at += 16) {
		const u8 *entry = direct(at);

		if (is_entry(entry, "_SM3_", 6, 24)) {
			*len = le32_load(entry + 12);
			*physical = le64_load(entry + 16);
			return true;
		}
		if (is_entry(entry, "_SM_", 5, 30)) {
			*len = le16_load(entry + 22);
			*physical = le32_load(entry + 24);
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
