// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Building the kernel's own address space at boot (memory.h is what others use
// of it), in this order: build, shared tables and devices, complete.

#include "kernel/base/types.h"

// Physical end of the kernel image.
u64
kernel_image_end(void);

// Makes the kernel's page tables from free frames, with RAM up to `ram_end` in the direct
// map, and switches to them. W^X holds from here on.
void
kernel_map_build(u64 ram_end);

// Shows a page-aligned kernel object read-only to every environment, at
// TABLES_BASE + offset.
void
kernel_map_share(u64 offset, const void *table, u64 len);

// A page below 1 MiB executable at its physical address, for starting other
// processors; and gone again (with all of the lower half).
void
kernel_map_identity(u64 physical, bool on);

// The kernel stack with that number, cleared, and a guard page below it. Returns
// its top.
u64
kernel_map_stack(u32 number);

// Do the `len` bytes at `va` lie in one of those stacks? Any address.
bool
kernel_map_is_stack(u64 va, u64 len);

// Ends boot: from here on the roots of address spaces can be copied from this. Makes
// what is marked sealed_ read-only, in both of its places. After this each other
// processor flushes everything before it runs more than its own set-up.
void
kernel_map_seal(void);

// Physical address of the kernel's root table.
u64
kernel_map_root(void);
