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

// Maps device registers, uncached, readable and writable. Boot only; cannot
// fail (the window is 1 GiB and panics beyond). The mapping stays.
void *
mmio_map(u64 physical, u64 len);

// Takes zeroed frames for the kernel's own use, for good. Boot only; panics
// when there are none. Returns them in the direct map.
void *
boot_frames(u64 count);
