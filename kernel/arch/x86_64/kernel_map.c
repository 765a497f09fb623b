// SPDX-License-Identifier: BSD-2-Clause
// The kernel's own address space, and memory for the kernel at boot.
//
// Invariants:
//   K1  no page is both writable and executable: text is mapped RX, its alias
//       in the direct map is read-only, and so is the code window (program.c);
//       everything else is not executable
//   K2  the upper half and the tables entry of the root are complete after
//       boot: address spaces copy them once and never again
//   K4  once boot is over, what is sealed_ is read-only in both of its places
//   K3  what boot takes is marked reserved in the frame table and stays so

#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/page_table.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env.h"

#define MMIO_SIZE (1024 * MIB)
#define STACK_BASE 0xffffd00000000000ull
#define STACK_PAGES 4ull		// and one guard page below

extern char text_start[], text_end[], rodata_start[], sealed_start[], data_start[];
extern char kernel_end[];

static u64 *root sealed_;
static u64 mmio_next sealed_ = MMIO_BASE;
static u32 stacks sealed_;			// that were made: 0, 1, ...

u64
physical_of(const void *object)
{
	u64 va = (u64)object;

	if (va >= KERNEL_BASE)
		return va - KERNEL_BASE;
	ASSERT(va >= DIRECT_BASE && va < MMIO_BASE);
	return va - DIRECT_BASE;
}

u64
kernel_image_end(void)
{
	return physical_of(kernel_end);
}

void *
boot_frames(u64 count)
{
	u64 frame = own_find(&frames, FRAME_ANY, count);

	if (frame == FRAME_ANY)
		panic("too little memory to boot");
	own_take(&frames, frame, count, OWNER_NONE, FRAME_RESERVED);
	return memset(frame_memory(frame), 0, count * PAGE_SIZE);
}

// The entry for `va` in the table of `level`, making tables on the way. Tables
// below the user's half get the user bit: the leaf decides.
static u64 *
entry_at(u64 va, u32 level)
{
	u64 *table = root;

	for (u32 l = 3; l > level; l--) {
		u64 *entry = &table[table_index(va, l)];

		if (!(*entry & PTE_PRESENT)) {
			*entry = physical_of(boot_frames(1)) | PTE_PRESENT |
				 PTE_WRITE | (va < DIRECT_BASE ? PTE_USER : 0);
		}
		ASSERT(!(*entry & PTE_LARGE));
		table = pte_table(*entry);
	}
	return &table[table_index(va, level)];
}

static void
map_range(u64 va, u64 physical, u64 len, u64 flags)
{
	ASSERT((va | physical | len) % PAGE_SIZE == 0);
	for (u64 end = va + len; va < end;) {
		// Pages that programs see stay small: paging.c walks to the last level.
		bool large = va % LARGE_PAGE == 0 && end - va >= LARGE_PAGE &&
			     physical % LARGE_PAGE == 0 && !(flags & PTE_USER);
		u64 step = large ? LARGE_PAGE : PAGE_SIZE;

		*entry_at(va, large) = physical | flags | PTE_PRESENT |
				       (large ? PTE_LARGE : 0);
		va += step;
		physical += step;
	}
}

// A part of memory, by where it lies from `base` on.
static void
map_part(u64 base, u64 from, u64 to, u64 flags)
{
	map_range(base + from, from, to - from, PTE_GLOBAL | flags);
}

// The image and the direct map. What is sealed later is apart from what is not, so that
// no large page holds some of both. The tables come from the lowest free frames, which
// boot.S has mapped.
void
kernel_map_build(u64 ram_end)
{
	u64 text = physical_of(text_start), rodata = physical_of(rodata_start);
	u64 sealed = physical_of(sealed_start), data = physical_of(data_start);
	u64 writable = PTE_NO_EXECUTE | PTE_WRITE;

	ASSERT(ram_end > kernel_image_end());
	root = boot_frames(1);
	map_part(KERNEL_BASE, text, physical_of(text_end), 0);
	map_part(KERNEL_BASE, rodata, sealed, PTE_NO_EXECUTE);
	map_part(KERNEL_BASE, sealed, data, writable);
	map_part(KERNEL_BASE, data, kernel_image_end(), writable);
	map_part(DIRECT_BASE, 0, text, writable);
	map_part(DIRECT_BASE, text, sealed, PTE_NO_EXECUTE);
	map_part(DIRECT_BASE, sealed, data, writable);
	map_part(DIRECT_BASE, data, ALIGN_UP(ram_end, LARGE_PAGE), writable);
	cr3_write(physical_of(root));
}

// They are few pages: smaller than a large one, so mapped one by one.
void
kernel_map_seal(void)
{
	u64 first = (u64)sealed_start, end = (u64)data_start;

	ASSERT(end - first < LARGE_PAGE);
	ASSERT(root[0] == 0);						// K2
	ASSERT(root[table_index(TABLES_BASE, 3)] & PTE_PRESENT);
	ASSERT(root[table_index(MMIO_BASE, 3)] & PTE_PRESENT);
	for (u64 va = first; va < end; va += PAGE_SIZE) {
		*entry_at(va, 0) &= ~PTE_WRITE;
		*entry_at((u64)direct(va - KERNEL_BASE), 0) &= ~PTE_WRITE;
	}
	flush_everything();
}

void
kernel_map_share(u64 offset, const void *table, u64 len)
{
	u64 physical = physical_of(table);

	ASSERT(physical % PAGE_SIZE == 0 && offset % PAGE_SIZE == 0);
	map_range(TABLES_BASE + offset, physical, ALIGN_UP(len, PAGE_SIZE),
		  PTE_USER | PTE_NO_EXECUTE);
}

void
kernel_map_identity(u64 physical, bool on)
{
	ASSERT(physical % PAGE_SIZE == 0 && physical < MIB);
	*entry_at(physical, 0) = on ? physical | PTE_PRESENT : 0;
	page_flush(physical);
	if (!on)
		root[0] = 0;
}

u64
kernel_map_stack(u32 number)
{
	u64 base = STACK_BASE + number * (STACK_PAGES + 1) * PAGE_SIZE + PAGE_SIZE;
	u64 physical = physical_of(boot_frames(STACK_PAGES));

	ASSERT(number == stacks);
	stacks++;
	map_range(base, physical, STACK_PAGES * PAGE_SIZE,
		  PTE_GLOBAL | PTE_NO_EXECUTE | PTE_WRITE);
	return base + STACK_PAGES * PAGE_SIZE;
}

bool
kernel_map_is_stack(u64 va, u64 len)
{
	u64 pitch = (STACK_PAGES + 1) * PAGE_SIZE;
	u64 at = (va - STACK_BASE) % pitch;

	return va >= STACK_BASE && (va - STACK_BASE) / pitch < stacks &&
	       at >= PAGE_SIZE && len <= pitch - at;
}

void
kernel_map_code_window(u32 places)
{
	u64 end = (u64)kernel_code_at(places);

	for (u64 va = KERNEL_CODE_BASE; va < end; va += PAGE_SIZE)
		*entry_at(va, 0) = 0;
}

void
kernel_map_code(u32 place, u64 frame, u32 count)
{
	ASSERT(count <= KERNEL_CODE_PAGES);
	for (u32 i = 0; i < KERNEL_CODE_PAGES; i++) {
		u64 va = (u64)kernel_code_at(place) + i * PAGE_SIZE;

		*entry_at(va, 0) = i < count ? (frame + i) << PAGE_SHIFT |
					       PTE_PRESENT : 0;
	}
}

void *
mmio_map(u64 physical, u64 len)
{
	u64 offset = physical % PAGE_SIZE;
	u64 size = ALIGN_UP(len + offset, PAGE_SIZE);
	u64 va = mmio_next;

	if (size > MMIO_BASE + MMIO_SIZE - mmio_next)
		panic("device registers of %llu bytes do not fit the window",
		      (unsigned long long)len);
	mmio_next += size;
	map_range(va, physical - offset, size, PTE_GLOBAL | PTE_NO_EXECUTE |
		  PTE_WRITE | PTE_UNCACHED);
	return (void *)(va + offset);
}

u64
kernel_map_root(void)
{
	return physical_of(root);
}
