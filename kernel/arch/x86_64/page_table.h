// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The format of x86-64 page tables. Intel SDM volume 3, section 4.5.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/types.h"

#define PTE_PRESENT 0x001ull
#define PTE_WRITE 0x002ull
#define PTE_USER 0x004ull
#define PTE_UNCACHED 0x018ull		// PCD and PWT
#define PTE_ACCESSED 0x020ull
#define PTE_DIRTY 0x040ull
#define PTE_LARGE 0x080ull
#define PTE_GLOBAL 0x100ull
#define PTE_NO_EXECUTE (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull

#define TABLE_ENTRIES 512u
#define LARGE_PAGE (2 * MIB)

// Index into the table of a level (3: root, 0: the one that holds pages).
static inline u32
table_index(u64 va, u32 level)
{
	return (u32)(va >> (PAGE_SHIFT + 9 * level)) & (TABLE_ENTRIES - 1);
}

// The table that a present entry of a higher level points at.
static inline u64 *
pte_table(u64 pte)
{
	return direct(pte & PTE_ADDRESS);
}
