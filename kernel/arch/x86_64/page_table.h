// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The format of x86-64 page tables, and the walk that every user of them
// shares. Intel SDM volume 3, section 4.5.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
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

// The last-level table that covers `va`, below a root, or NULL when it is not there.
static inline __attribute__((always_inline)) u64 *
leaf_table(u64 *table, u64 va)
{
#pragma GCC unroll 3
	for (u32 level = 3; level > 0; level--) {
		u64 entry = table[table_index(va, level)];

		if (!(entry & PTE_PRESENT))
			return NULL;
		ASSERT(!(entry & PTE_LARGE));
		table = pte_table(entry);
	}
	return table;
}
