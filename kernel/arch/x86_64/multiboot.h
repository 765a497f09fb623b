// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the boot loader tells (Multiboot Specification 0.6.96, section 3.3):
// memory map, command line and modules, copied out so that the memory they lie
// in can be reused. The first module is the boot archive; the second, when
// there is one, the website.

#include "kernel/base/types.h"

#define MULTIBOOT_MAGIC 0x2badb002u
#define BOOT_RANGES_MAX 32u
#define BOOT_MODULES_MAX 8u
#define BOOT_CMDLINE_SIZE 1024u

struct boot_range {
	u64 base;		// physical, bytes
	u64 len;
};

struct boot_info {
	u32 ram_count;
	struct boot_range ram[BOOT_RANGES_MAX];
	u32 module_count;
	struct boot_range module[BOOT_MODULES_MAX];
	char cmdline[BOOT_CMDLINE_SIZE];
};

// Reads the information at physical address `physical`. Panics when the loader
// gave no memory map.
void
multiboot_read(u32 magic, u64 physical, struct boot_info *info);
