// SPDX-License-Identifier: BSD-2-Clause
// Address spaces: four levels of tables reached through the direct map.
//
// Invariants:
//   P1  a user leaf is never writable and executable
//   P2  a table frame in the frame table is FRAME_TABLE, owned by the
//       environment whose tree it is in, and in exactly one tree
//   P3  user leaves lie below USER_END, except the uarea's
//   P4  whatever is mapped below 1 << 47 is a program's to read: what the kernel has there
//       while it boots is gone before the first environment (K2 in kernel_map.c)

#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

static u64 *
root_of(const struct env *env)
{
	return frame_memory(env->page_root);
}

static u64
new_table(struct env *env)
{
	u64 frame = own_find(&frames, FRAME_ANY, 1);

	ASSERT(frame != FRAME_ANY);
	ASSERT_LOCKED();
	env_take_frames(env, frame, 1, FRAME_TABLE);
	env->tables++;
	memset(frame_memory(frame), 0, PAGE_SIZE);
	return frame;
}

static u64 *
make_leaf_table(struct env *env, u64 va)
{
	u64 *table = root_of(env);

	for (u32 level = 3; level > 0; level--) {
		u64 *entry = &table[table_index(va, level)];

		if (!(*entry & PTE_PRESENT)) {
			*entry = new_table(env) << PAGE_SHIFT | PTE_PRESENT |
				 PTE_WRITE | PTE_USER;
		}
		table = pte_table(*entry);
	}
	return table;
}

void
paging_create(struct env *env)
{
	const u64 *kernel = direct(kernel_map_root());

	env->page_root = new_table(env);

	u64 *root = root_of(env);
	u32 tables = table_index(TABLES_BASE, 3);

	memcpy(root + TABLE_ENTRIES / 2, kernel + TABLE_ENTRIES / 2,
	       TABLE_ENTRIES / 2 * sizeof(u64));
	root[tables] = kernel[tables];
	make_leaf_table(env, UAREA_BASE)[table_index(UAREA_BASE, 0)] =
		paging_entry(env->uarea_frame, PROT_READ | PROT_WRITE);
}

// A table and those below it. Level 3 is the root, whose other half is the kernel's.
static void
free_tables(struct env *env, u64 frame, u32 level)
{
	const u64 *entry = frame_memory(frame);
	const u64 *end = entry + TABLE_ENTRIES / (level == 3 ? 2 : 1);

	for (; level > 0 && entry < end; entry++) {
		if (*entry & PTE_PRESENT)
			free_tables(env, (*entry & PTE_ADDRESS) >> PAGE_SHIFT,
				    level - 1);
	}
	ASSERT(frames.frame[frame].state == FRAME_TABLE);		// P2
	ASSERT(frames.frame[frame].owner == env->index);
	env_return_frames(env, frame, 1);
	env->tables--;
}

void
paging_destroy(struct env *env)
{
	root_of(env)[table_index(TABLES_BASE, 3)] = 0;	// everybody's
	free_tables(env, env->page_root, 3);
	env->page_root = 0;
}

static __attribute__((noinline)) u32
count_missing(const struct env *env, u64 va, u64 last)
{
	u32 missing = 0;

	for (u32 level = 1; level <= 3; level++) {
		u32 shift = PAGE_SHIFT + 9 * level;

		for (u64 i = va >> shift; i <= last >> shift; i++) {
			u64 *table = root_of(env);
			bool present = true;

			for (u32 l = 3; l >= level && present; l--) {
				u64 entry = table[table_index(i << shift, l)];

				present = entry & PTE_PRESENT;
				table = pte_table(entry);
			}
			missing += !present;
		}
	}
	return missing;
}

u32
paging_missing(const struct env *env, u64 va, u64 pages)
{
	u64 last = va + (pages - 1) * PAGE_SIZE;

	ASSERT(pages > 0);
	if ((va ^ last) < LARGE_PAGE && paging_leaf_table(env, va))
		return 0;		// the usual case
	return count_missing(env, va, last);
}

bool
paging_map(struct env *env, u64 va, u64 frame, u64 pages, u32 prot)
{
	u64 entry = paging_entry(frame, prot), gone = 0;
	bool taken = false;

	ASSERT(va % PAGE_SIZE == 0 && va + pages * PAGE_SIZE <= USER_END);
	while (pages) {
		u32 index = table_index(va, 0);
		u64 *table = paging_leaf_table(env, va);
		u64 count = MIN(pages, TABLE_ENTRIES - index), end = index + count;

		if (unlikely(!table) && prot)
			table = make_leaf_table(env, va);
		for (u64 i = index; prot && i < end; i++) {
			taken |= paging_set(&table[i], entry);
			entry += PAGE_SIZE;
		}
		for (u64 i = index; !prot && table && i < end; i++) {
			gone |= table[i];
			table[i] = 0;
		}
		pages -= count;
		va += count * PAGE_SIZE;
	}
	return taken || gone & PTE_PRESENT;
}

static u8
bits_of(u64 entry)
{
	if (!(entry & PTE_PRESENT))
		return 0;
	return (u8)(PROT_READ | (entry & PTE_WRITE ? PROT_WRITE : 0) |
		    (entry & PTE_NO_EXECUTE ? 0 : PROT_EXECUTE) |
		    (entry & PTE_ACCESSED ? PAGE_ACCESSED : 0) |
		    (entry & PTE_DIRTY ? PAGE_DIRTY : 0));
}

// A processor that runs there may set a bit meanwhile: nothing of it is lost.
bool
paging_bits(struct env *env, u64 va, u64 pages, u32 clear, u8 *bits)
{
	u64 mask = (clear & PAGE_ACCESSED ? PTE_ACCESSED : 0) |
		   (clear & PAGE_DIRTY ? PTE_DIRTY : 0);
	bool cleared = false;

	ASSERT(va % PAGE_SIZE == 0 && va + pages * PAGE_SIZE <= USER_END);
	while (pages) {
		u32 index = table_index(va, 0);
		u64 *leaf = paging_leaf_table(env, va);
		u64 count = MIN(pages, TABLE_ENTRIES - index);

		for (u64 i = index; i < index + count; i++) {
			u64 entry = leaf ? leaf[i] : 0;

			if (entry & PTE_PRESENT && entry & mask) {
				entry = __atomic_fetch_and(&leaf[i], ~mask,
							   __ATOMIC_SEQ_CST);
				cleared = true;
			}
			*bits++ = bits_of(entry);
		}
		pages -= count;
		va += count * PAGE_SIZE;
	}
	return cleared;
}

struct sweep {
	u64 frame;
	u64 count;
	const u8 *cover;
	bool changed;
};

static void
sweep_leaves(struct sweep *sweep, u64 *table)
{
	for (u32 i = 0; i < TABLE_ENTRIES; i++) {
		u64 entry = table[i];
		u64 frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT;
		u8 needed = COVER_READ;

		if (!(entry & PTE_PRESENT) || frame - sweep->frame >= sweep->count)
			continue;
		needed |= entry & PTE_WRITE ? COVER_WRITE : 0;
		needed |= entry & PTE_NO_EXECUTE ? 0 : COVER_EXECUTE;
		if ((sweep->cover[frame] & needed) == needed)
			continue;
		table[i] = 0;
		sweep->changed = true;
	}
}

static void
sweep_tables(struct sweep *sweep, u64 *table, u32 level)
{
	u32 count = level == 3 ? table_index(USER_END, 3) : TABLE_ENTRIES;

	if (level == 0) {
		sweep_leaves(sweep, table);
		return;
	}
	for (u32 i = 0; i < count; i++) {
		if (table[i] & PTE_PRESENT)
			sweep_tables(sweep, pte_table(table[i]), level - 1);
	}
}

void
paging_sweep(struct env *env, u64 frame, u64 count, const u8 *cover)
{
	struct sweep sweep = { frame, count, cover, false };

	ASSERT(env->page_root != 0);
	sweep_tables(&sweep, root_of(env), 3);
	if (sweep.changed)
		shootdown(env, 0, FLUSH_ALL);
}

hot_ void *
paging_translate(const struct env *env, u64 va, bool write, u64 *frame)
{
	if (va < USER_BASE || va >= 1ull << 47)				// P4
		return NULL;

	const u64 *table = paging_leaf_table(env, va);
	u64 entry = table ? table[table_index(va, 0)] : 0;

	if (!(entry & PTE_PRESENT) || (write && !(entry & PTE_WRITE)))
		return NULL;
	*frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT;
	return (u8 *)frame_memory(*frame) + va % PAGE_SIZE;
}
