// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// How a program uses its address space (kernel/abi/layout.h gives the bounds).
// Every place is fixed, so no allocator of addresses is needed: frames that a
// program owns appear at an address made of their number.
//
//   IMAGE_BASE    text, constants, data and bss, then (program.ld) the stack
//   REGION_BASE   room for demand-zero regions, in parts of REGION_SIZE_MAX
//   PROCESS_HEAP_BASE   heap of programs that fork (libos/process)
//   COPY_BASE     copies of other nodes' pages (libos/remote/copy.h)
//   DIRECT_BASE   frame f of this environment or of an archive, at
//                 DIRECT_BASE + f * PAGE_SIZE

#include "kernel/abi/layout.h"

#define IMAGE_BASE 0x400000ull
#define IMAGE_END 0x40000000ull		// images end below
#define REGION_BASE 0x0000010000000000ull
#define REGION_SIZE_MAX 0x40000000ull	// 1 GiB of addresses each
#define PROCESS_HEAP_BASE 0x0000080000000000ull
#define COPY_BASE 0x00000c0000000000ull
#define DIRECT_BASE 0x0000100000000000ull

// The address of a frame in the direct window. It is mapped only when
// somebody mapped it: the frame pool, or archive_open().
static inline void *
direct_address(u64 frame)
{
	return (void *)(DIRECT_BASE + (frame << PAGE_SHIFT));
}

// The frame behind an address in the direct window.
static inline u64
direct_frame(const void *address)
{
	return ((u64)address - DIRECT_BASE) >> PAGE_SHIFT;
}

static inline bool
is_direct(const void *address)
{
	return (u64)address >= DIRECT_BASE && (u64)address < USER_END;
}
