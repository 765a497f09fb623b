// SPDX-License-Identifier: BSD-2-Clause
// The machine's UUID from SMBIOS (DMTF DSP0134): the 32-bit or 64-bit entry
// point in the BIOS area, then the type 1 structure. Declared in acpi.h beside
// the rest of what firmware tells.
//
// Since version 2.6 the first three fields of the UUID are little-endian; they are
// turned here, so that its bytes are in the order in which people and boot ROMs
// write it.
//
// Input: structures are walked within the stated length and bounded.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/dev/acpi.h"

#define BIOS_BASE 0xf0000u
#define ENTRY_LEN_MAX 32u
#define TABLE_LEN_MAX (64 * KIB)
#define TYPE_SYSTEM 1
#define UUID_OFFSET 8u
#define VERSION_TURNED 0x0206u		// from it on the UUID is little-endian

struct table {
	u64 physical;
	u32 len;
	u32 version;
};

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
find_table(struct table *table)
{
	for (u32 at = BIOS_BASE; at + ENTRY_LEN_MAX <= MIB; at += 16) {
		const u8 *entry = direct(at);

		if (is_entry(entry, "_SM3_", 6, 24)) {
			table->len = le32_load(entry + 12);
			table->physical = le64_load(entry + 16);
			table->version = (u32)entry[7] << 8 | entry[8];
			return true;
		}
		if (is_entry(entry, "_SM_", 5, 30)) {
			table->len = le16_load(entry + 22);
			table->physical = le32_load(entry + 24);
			table->version = (u32)entry[6] << 8 | entry[7];
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

static void
take_uuid(u8 uuid[16], const u8 *at, u32 version)
{
	memcpy(uuid, at, 16);
	if (version < VERSION_TURNED)
		return;
	be32_store(uuid, le32_load(at));
	be16_store(uuid + 4, le16_load(at + 4));
	be16_store(uuid + 6, le16_load(at + 6));
}

void
smbios_uuid(u8 uuid[16])
{
	struct table found;

	memset(uuid, 0, 16);
	if (!find_table(&found) || found.len > TABLE_LEN_MAX || !found.len)
		return;

	const u8 *table = mmio_map(found.physical, found.len);
	u32 len = found.len;

	for (u32 at = 0; at + 4 <= len && table[at + 1] >= 4;) {
		if (table[at] == TYPE_SYSTEM &&
		    table[at + 1] >= UUID_OFFSET + 16 &&
		    at + UUID_OFFSET + 16 <= len) {
			take_uuid(uuid, table + at + UUID_OFFSET, found.version);
			return;
		}
		at = skip_strings(table, at + table[at + 1], len);
	}
}
