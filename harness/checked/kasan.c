// SPDX-License-Identifier: BSD-2-Clause
// Address checks for the kernel: the compiler calls a function here before each
// load and store (-fsanitize=kernel-address, outline).
//
// What is checked, by where the address lies:
//   image	a shadow byte for each 8 bytes: redzones between globals, and what
//		the kernel poisons (free entries of its pools, kernel/base/poison.h)
//   stacks	the same: redzones between variables, variables out of scope
//   direct map	the frame table is the shadow: a free frame is not to be touched
//   registers	nothing (device registers have a window of their own)
//   the rest	user addresses, null, beyond the end of RAM: always a report
// Not covered: assembly, the words that the processor itself pushes, the exported
// tables' ends (their section has no redzones), libsodium, DMA.
//
// The shadow of an address is at (address >> 3) + SHADOW_OFFSET. Where no memory
// stands behind it, one shared page does, so that the prologues of functions can
// write there from the first instruction on.

#include "harness/checked/checked.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/page_table.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env.h"

#define SHADOW_OFFSET 0xdffffc0000000000ull	// rules.mk tells the compiler too
#define GRANULE 8u
#define REDZONE 0xf9			// a global's
#define FREED 0xfd			// kasan_poison()
#define OUT_OF_SCOPE 0xf8
#define STACK_BASE 0xffffd00000000000ull	// kernel_map.c
#define STACK_LEN (2 * MIB)
#define MMIO_END (MMIO_BASE + 1024 * MIB)
#define IMAGE_BASE (KERNEL_BASE + 1 * MIB)
#define UNCHECKED __attribute__((no_sanitize("kernel-address", "undefined")))

struct global {			// as the compiler lays it out
	u64 at;
	u64 len;
	u64 len_with_redzone;
	const char *name;
	const char *module;
	u64 has_dynamic_init;
	void *location;
	u64 odr;
};

extern char kernel_end[], boot_kernel_stack_end[];
extern void (*const constructors_start[])(void);
extern void (*const constructors_end[])(void);

// Tables over one page, that stand for all of the shadow.
static u64 shared_pointers[TABLE_ENTRIES] aligned_(4096);
static u64 shared_directory[TABLE_ENTRIES] aligned_(4096);
static u64 shared_table[TABLE_ENTRIES] aligned_(4096);
static u8 shared_page[PAGE_SIZE] aligned_(4096);
static bool enabled;

UNCHECKED static u8 *
shadow_of(u64 address)
{
	return (u8 *)((address >> 3) + SHADOW_OFFSET);
}

UNCHECKED void
kasan_early(void)
{
	u64 flags = PTE_PRESENT | PTE_WRITE | PTE_NO_EXECUTE;
	u64 *root = direct(cr3_read() & PTE_ADDRESS);
	u64 first = (u64)shadow_of(DIRECT_BASE), last = (u64)shadow_of(~0ull);

	for (u32 i = 0; i < TABLE_ENTRIES; i++) {
		shared_pointers[i] = ((u64)shared_directory - KERNEL_BASE) | flags;
		shared_directory[i] = ((u64)shared_table - KERNEL_BASE) | flags;
		shared_table[i] = ((u64)shared_page - KERNEL_BASE) | flags;
	}
	for (u32 i = table_index(first, 3); i <= table_index(last, 3); i++)
		root[i] = ((u64)shared_pointers - KERNEL_BASE) | flags;
}

// The table below an entry, a copy of its own where it was a shared one.
static u64 *
own_table(u64 *entry, const u64 *shared)
{
	if ((*entry & PTE_ADDRESS) == physical_of(shared)) {
		u64 *copy = boot_frames(1);

		memcpy(copy, shared, PAGE_SIZE);
		*entry = physical_of(copy) | (*entry & ~PTE_ADDRESS);
	}
	return pte_table(*entry);
}

// Real shadow for [from, to).
static void
shadow_range(u64 from, u64 to)
{
	u64 *root = direct(kernel_map_root());
	u64 va = ALIGN_DOWN((u64)shadow_of(from), PAGE_SIZE);

	for (; va < (u64)shadow_of(to - 1) + 1; va += PAGE_SIZE) {
		u64 *second = own_table(&root[table_index(va, 3)], shared_pointers);
		u64 *third = own_table(&second[table_index(va, 2)], shared_directory);
		u64 *last = own_table(&third[table_index(va, 1)], shared_table);
		u64 *page = &last[table_index(va, 0)];

		if ((*page & PTE_ADDRESS) == physical_of(shared_page))
			*page = physical_of(boot_frames(1)) | (*page & ~PTE_ADDRESS);
	}
}

void
kasan_start(void)
{
	shadow_range(IMAGE_BASE, (u64)kernel_end);
	shadow_range(STACK_BASE, STACK_BASE + STACK_LEN);
	cr3_write(cr3_read());
	for (u32 i = 0; &constructors_start[i] < constructors_end; i++)
		constructors_start[i]();
	enabled = true;
}

UNCHECKED static void
fill(u64 at, u64 len, u8 value)
{
	u8 *shadow = shadow_of(at);

	for (u64 i = 0; i < len / GRANULE; i++)
		shadow[i] = value;
	if (len % GRANULE)
		shadow[len / GRANULE] = value ? value : (u8)(len % GRANULE);
}

void
kasan_poison(const void *at, u64 len, bool poison)
{
	if (enabled)
		fill((u64)at, len, poison ? FREED : 0);
}

// ---- reports ----

void
checked_report(const char *format, ...)
{
	char line[160];
	va_list args;

	enabled = false;
	va_start(args, format);
	fmt_into_va(line, sizeof(line), format, args);
	va_end(args);
	panic("%s", line);
}

static const char *
reason(u8 shadow)
{
	switch (shadow) {
	case REDZONE:
		return "beside a global";
	case FREED:
		return "a free entry of a pool";
	case OUT_OF_SCOPE:
		return "a variable that is out of scope";
	default:
		return shadow < GRANULE ? "past the end" : "beside a variable";
	}
}

// ---- checks ----

// The first byte of the range that the shadow forbids, or 0.
UNCHECKED static u64
forbidden(u64 at, u64 len)
{
	u64 last = at + len - 1;

	for (u64 a = at; a <= last; a = ALIGN_DOWN(a, GRANULE) + GRANULE) {
		i8 shadow = (i8)*shadow_of(a);
		u64 end = MIN(last, ALIGN_DOWN(a, GRANULE) + GRANULE - 1);

		if (shadow && (shadow < 0 || (i8)(end % GRANULE) >= shadow))
			return a;
	}
	return 0;
}

UNCHECKED static void
check_shadow(u64 at, u64 len, bool write)
{
	u64 bad = forbidden(at, len);

	if (unlikely(bad))
		checked_report("kasan: %s of %lu bytes at %016lx: %s",
			       write ? "write" : "read", (unsigned long)len,
			       (unsigned long)at, reason(*shadow_of(bad)));
}

UNCHECKED static void
check_direct(u64 at, u64 len, bool write)
{
	u64 first = (at - DIRECT_BASE) >> PAGE_SHIFT;
	u64 last = (at + len - 1 - DIRECT_BASE) >> PAGE_SHIFT;

	for (u64 f = first; f <= last; f++) {
		if (unlikely(f >= frames.count ||
			     frames.frame[f].state == FRAME_FREE))
			checked_report("kasan: %s of %lu bytes at %016lx: frame "
				       "0x%lx is free or none",
				       write ? "write" : "read",
				       (unsigned long)len, (unsigned long)at,
				       (unsigned long)f);
	}
}

UNCHECKED void
kasan_check(u64 at, u64 len, bool write)
{
	if (unlikely(!enabled || !len))
		return;
	if (at >= IMAGE_BASE && at + len <= (u64)kernel_end)
		check_shadow(at, len, write);
	else if (at >= STACK_BASE && at + len <= STACK_BASE + STACK_LEN)
		check_shadow(at, len, write);
	else if (at >= DIRECT_BASE && at + len <= MMIO_BASE)
		check_direct(at, len, write);
	else if (at < MMIO_BASE || at + len > MMIO_END || at + len < at)
		checked_report("kasan: %s of %lu bytes at %016lx: not the kernel's",
			       write ? "write" : "read", (unsigned long)len,
			       (unsigned long)at);
}

// ---- what the compiler calls ----

#define CHECK(size) \
	void __asan_load##size##_noabort(u64 at); \
	UNCHECKED void __asan_load##size##_noabort(u64 at) \
	{ kasan_check(at, size, false); } \
	void __asan_store##size##_noabort(u64 at); \
	UNCHECKED void __asan_store##size##_noabort(u64 at) \
	{ kasan_check(at, size, true); }
CHECK(1)
CHECK(2)
CHECK(4)
CHECK(8)
CHECK(16)

void __asan_loadN_noabort(u64 at, u64 len);
void __asan_storeN_noabort(u64 at, u64 len);
void __asan_handle_no_return(void);
void __asan_register_globals(const struct global *globals, u64 count);
void __asan_unregister_globals(const struct global *globals, u64 count);
void __asan_poison_stack_memory(u64 at, u64 len);
void __asan_unpoison_stack_memory(u64 at, u64 len);
void __asan_poison_memory_region(const void *at, size_t len);
void __asan_unpoison_memory_region(const void *at, size_t len);

UNCHECKED void
__asan_loadN_noabort(u64 at, u64 len)
{
	kasan_check(at, len, false);
}

UNCHECKED void
__asan_storeN_noabort(u64 at, u64 len)
{
	kasan_check(at, len, true);
}

// The kernel leaves by context_resume() from wherever it is, and begins at the
// top of its stack again: what is left above is nobody's any more.
UNCHECKED void
__asan_handle_no_return(void)
{
	u64 here = (u64)__builtin_frame_address(0);
	u64 end = (u64)boot_kernel_stack_end;

	if (here >= STACK_BASE && here < STACK_BASE + STACK_LEN) {
		end = here;
		while (kernel_map_is_stack(end, 1))
			end = ALIGN_DOWN(end, PAGE_SIZE) + PAGE_SIZE;
	}
	if (end > here)
		fill(ALIGN_DOWN(here, GRANULE), end - ALIGN_DOWN(here, GRANULE), 0);
}

UNCHECKED void
__asan_register_globals(const struct global *globals, u64 count)
{
	for (u64 i = 0; i < count; i++) {
		const struct global *g = &globals[i];
		u64 whole = ALIGN_UP(g->len, GRANULE);

		fill(g->at, g->len, 0);
		fill(g->at + whole, g->len_with_redzone - whole, REDZONE);
	}
}

void
__asan_unregister_globals(const struct global *globals, u64 count)
{
	(void)globals;
	(void)count;
}

UNCHECKED void
__asan_poison_stack_memory(u64 at, u64 len)
{
	fill(at, ALIGN_UP(len, GRANULE), OUT_OF_SCOPE);
}

UNCHECKED void
__asan_unpoison_stack_memory(u64 at, u64 len)
{
	fill(at, len, 0);
}

void
__asan_poison_memory_region(const void *at, size_t len)
{
	kasan_poison(at, len, true);
}

void
__asan_unpoison_memory_region(const void *at, size_t len)
{
	kasan_poison(at, len, false);
}
