// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Address spaces of environments. Page tables are frames charged to the
// environment; the kernel's half and the exported tables are shared by copying
// root entries. Changes are made in bulk: count first what tables are missing,
// then change entries, then flush once.

#include "kernel/arch/x86_64/page_table.h"
#include "kernel/sys/env.h"

// Makes an empty address space with the uarea mapped, from frames charged to
// `env`. The caller checked that PAGING_CREATE_FRAMES are free.
#define PAGING_CREATE_FRAMES 4u
void
paging_create(struct env *env);

// Takes back every table. The space is not in use on any processor.
void
paging_destroy(struct env *env);

// The last-level table that covers `va`, or NULL when it is not there.
static inline __attribute__((always_inline)) u64 *
paging_leaf_table(const struct env *env, u64 va)
{
	u64 *table = frame_memory(env->page_root);

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

// The place of a page's entry, or NULL when its table is not there.
static inline u64 *
paging_leaf(const struct env *env, u64 va)
{
	u64 *table = paging_leaf_table(env, va);

	ASSERT(va < USER_END);						// P3
	return table ? &table[table_index(va, 0)] : NULL;
}

// What maps a frame with rights that were checked; without rights nothing does.
static inline u64
paging_entry(u64 frame, u32 prot)
{
	ASSERT(!((prot & PROT_WRITE) && (prot & PROT_EXECUTE)));	// P1
	if (!prot)
		return 0;
	return frame << PAGE_SHIFT | PTE_PRESENT | PTE_USER |
	       (prot & PROT_WRITE ? PTE_WRITE : 0) |
	       (prot & PROT_EXECUTE ? 0 : PTE_NO_EXECUTE);
}

// Puts an entry (0: none) in its place. Returns whether something was there that now is
// less: see paging_map().
static inline bool
paging_set(u64 *leaf, u64 entry)
{
	u64 old = *leaf;
	bool more;

	if (!(old & PTE_PRESENT)) {
		*leaf = entry;
		return false;
	}
	more = ((old ^ entry) & ~PTE_ACCESSED) == PTE_WRITE && entry & PTE_WRITE;
	*leaf = more ? entry | (old & PTE_ACCESSED) : entry;
	return !more;
}

// How many page-table frames mapping [va, va + pages) would add.
u32
paging_missing(const struct env *env, u64 va, u64 pages);

// Maps consecutive frames, replacing what was there; without rights removes what was
// there. The tables that paging_missing() counted are free. `prot` is checked. Returns
// whether something was there that now is less: then the caller flushes, else no processor
// can have cached anything (Intel SDM volume 3, section 4.10.2.3). Where all that
// changed is that a page may be written, a processor that has it cached as it was
// faults at a write, which is a flush, and upcall_fault() tries again (4.10.4.3).
must_check bool
paging_map(struct env *env, u64 va, u64 frame, u64 pages, u32 prot);

// Tells of each page what page_bits() does, a byte each in bits[0..pages), and clears
// `clear` of them (PAGE_ACCESSED, PAGE_DIRTY). Returns whether any was set of those:
// then the caller flushes, or the processor would not set them again.
must_check bool
paging_bits(struct env *env, u64 va, u64 pages, u32 clear, u8 *bits);

// Removes every mapping of frames in [frame, frame + count) that `cover`, indexed
// by frame number, does not allow: each mapping needs COVER_READ, a writable one
// COVER_WRITE and an executable one COVER_EXECUTE as well. Flushes. Bounded by
// the size of the page tables.
#define COVER_READ 1u
#define COVER_WRITE 2u
#define COVER_EXECUTE 4u
void
paging_sweep(struct env *env, u64 frame, u64 count, const u8 *cover);

// May a program write to an address that its processor found to be mapped?
must_check static inline bool
paging_writable(const struct env *env, u64 va)
{
	const u64 *leaf = va < USER_END ? paging_leaf(env, va) : NULL;
	u64 needed = PTE_PRESENT | PTE_WRITE;

	return leaf && (*leaf & needed) == needed;
}

// Translates a user address. Returns its place in the direct map, or NULL when
// it is not mapped for that access. *frame is set on success.
void *
paging_translate(const struct env *env, u64 va, bool write, u64 *frame);
