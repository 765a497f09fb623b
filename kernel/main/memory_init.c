// SPDX-License-Identifier: BSD-2-Clause
// Memory at boot: find a place for the frame table that touches neither image nor
// modules, hand every frame that nobody uses to the ownership core, then build the map.
//
// Invariant B1: a frame below 1 MiB, of the image, of a module, or of the frame table
// is never free.

#include "kernel/main/memory_init.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env.h"

#define EARLY_REACH (4096 * MIB)	// what boot.S maps

static u64
ram_end(const struct boot_info *boot)
{
	u64 end = 0;

	for (u32 i = 0; i < boot->ram_count; i++)
		end = MAX(end, boot->ram[i].base + boot->ram[i].len);
	return ALIGN_DOWN(end, PAGE_SIZE);
}

// The end of whatever overlaps [base, base + len), or 0 for nothing.
static u64
obstacle(const struct boot_info *boot, u64 base, u64 len)
{
	if (base < kernel_image_end())
		return kernel_image_end();
	for (u32 i = 0; i < boot->module_count; i++) {
		const struct boot_range *m = &boot->module[i];

		if (base < m->base + m->len && m->base < base + len)
			return m->base + m->len;
	}
	return 0;
}

static u64
find_place(const struct boot_info *boot, u64 len)
{
	for (u32 i = 0; i < boot->ram_count; i++) {
		u64 base = ALIGN_UP(boot->ram[i].base, PAGE_SIZE);
		u64 end = MIN(boot->ram[i].base + boot->ram[i].len, EARLY_REACH);

		// Each step passes one obstacle, so this is bounded by them.
		while (base + len <= end) {
			u64 next = obstacle(boot, base, len);

			if (!next)
				return base;
			base = ALIGN_UP(next, PAGE_SIZE);
		}
	}
	panic("no room for the frame table: %llu KiB", len / KIB);
}

void
memory_init(const struct boot_info *boot)
{
	u64 end = ram_end(boot);
	u64 count = end / PAGE_SIZE;
	u64 len = ALIGN_UP(count * sizeof(struct frame_info), PAGE_SIZE);
	u64 table = find_place(boot, len);

	ASSERT(frames.count == 0);
	for (u32 i = 0; i < boot->module_count; i++) {
		if (boot->module[i].base + boot->module[i].len > end)
			panic("the boot loader put a module outside memory");
	}
	own_init(&frames, direct(table), count);
	for (u32 i = 0; i < boot->ram_count; i++) {
		const struct boot_range *r = &boot->ram[i];
		u64 at = ALIGN_UP(r->base, PAGE_SIZE);

		for (; at + PAGE_SIZE <= r->base + r->len; at += PAGE_SIZE) {
			if (at >= MIB && at - table >= len &&
			    !obstacle(boot, at, PAGE_SIZE))
				own_add(&frames, at / PAGE_SIZE);
		}
	}
	own_check(&frames);
	kernel_map_build(end);
}
