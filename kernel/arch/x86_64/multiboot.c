// SPDX-License-Identifier: BSD-2-Clause
// Reader of the multiboot information. The structures lie anywhere in the first
// 4 GiB and are read through the direct map, field by field.
//
// The loader is trusted as far as its addresses go; counts are bounded, and what
// lies beyond the direct map is left out.

#include "kernel/arch/x86_64/multiboot.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"

#define FLAG_CMDLINE (1u << 2)
#define FLAG_MODULES (1u << 3)
#define FLAG_MEMORY_MAP (1u << 6)
#define MEMORY_AVAILABLE 1u
#define MAP_ENTRY_MIN 20u	// base, length, type

static void
read_memory_map(const u8 *mb, struct boot_info *info)
{
	u64 at = le32_load(mb + 48);
	u64 end = MIN(at + le32_load(mb + 44), 4096 * MIB);

	while (at + 24 <= end && info->ram_count < BOOT_RANGES_MAX) {
		const u8 *entry = direct(at);
		u32 size = le32_load(entry);
		u64 base = le64_load(entry + 4), len = le64_load(entry + 12);

		if (size < MAP_ENTRY_MIN)
			panic("the boot loader's memory map is malformed");
		if (le32_load(entry + 20) == MEMORY_AVAILABLE &&
		    base < PHYSICAL_END) {
			info->ram[info->ram_count++] = (struct boot_range){
				base, MIN(len, PHYSICAL_END - base)
			};
		}
		at += size + 4ull;
	}
}

static void
read_modules(const u8 *mb, struct boot_info *info)
{
	u32 count = MIN(le32_load(mb + 20), BOOT_MODULES_MAX);
	const u8 *module = direct(le32_load(mb + 24));

	for (u32 i = 0; i < count; i++, module += 16) {
		u32 start = le32_load(module), end = le32_load(module + 4);

		if (end <= start)
			continue;
		info->module[info->module_count++] = (struct boot_range){
			start, end - start
		};
	}
}

void
multiboot_read(u32 magic, u64 physical, struct boot_info *info)
{
	const u8 *mb = direct(physical);
	u32 flags;

	*info = (struct boot_info){ 0 };
	if (magic != MULTIBOOT_MAGIC)
		panic("not started by a multiboot loader (magic 0x%x)", magic);
	flags = le32_load(mb);
	if (!(flags & FLAG_MEMORY_MAP))
		panic("the boot loader gave no memory map");
	read_memory_map(mb, info);
	if (flags & FLAG_MODULES)
		read_modules(mb, info);
	if (flags & FLAG_CMDLINE) {
		const char *line = direct(le32_load(mb + 16));

		if (!string_copy(info->cmdline, sizeof(info->cmdline), line))
			kprintf("boot: command line cut to %u bytes\n",
				BOOT_CMDLINE_SIZE - 1);
	}
}
