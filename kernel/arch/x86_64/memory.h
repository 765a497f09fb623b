// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The kernel's own address space: its image in the top 2 GiB, a direct map of
// RAM (never executable), and a window for device registers.

#include "kernel/abi/layout.h"
#include "kernel/base/types.h"

#define KERNEL_BASE 0xffffffff80000000ull	// image: virtual = physical + this
#define DIRECT_BASE 0xffff800000000000ull	// RAM: virtual = physical + this
#define MMIO_BASE 0xffffc00000000000ull
#define PHYSICAL_END (MMIO_BASE - DIRECT_BASE)	// what the direct map can hold

// A frame's or physical address's place in the direct map. Only for RAM.
static inline void *
direct(u64 physical)
{
	return (void *)(DIRECT_BASE + physical);
}

static inline void *
frame_memory(u64 frame)
{
	return direct(frame << PAGE_SHIFT);
}

// Physical address of an object in the kernel image or the direct map.
u64
physical_of(const void *object);

// A window in which the machine code of loaded programs appears, read-only and
// executable; `place` counts in KERNEL_CODE_PAGES.
#define KERNEL_CODE_BASE 0xffffd80000000000ull
#define KERNEL_CODE_PAGES 32u
static inline void *
kernel_code_at(u32 place)
{
	return (void *)(KERNEL_CODE_BASE + place * KERNEL_CODE_PAGES * PAGE_SIZE);
}

// Makes the tables of the window. Boot only, once.
void
kernel_map_code_window(u32 places);

// Shows `count` frames there in place of what was there before. Nobody's
// translations are flushed, and none is global.
void
kernel_map_code(u32 place, u64 frame, u32 count);

// Maps device registers, uncached, readable and writable. Boot only; cannot
// fail (the window is 1 GiB and panics beyond). The mapping stays.
void *
mmio_map(u64 physical, u64 len);

// Takes zeroed frames for the kernel's own use, for good. Boot only; panics
// when there are none. Returns them in the direct map.
void *
boot_frames(u64 count);
