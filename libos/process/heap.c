// SPDX-License-Identifier: BSD-2-Clause
// The heap of a process: libos/mem/heap.h over the heap's area. Pages come one after
// another; what the heap gives back is used again, first fit, and never returned to
// the kernel.
//
// Invariant: bit i of `used` is set exactly while page i of the area is the heap's.

#include "kernel/base/assert.h"
#include "libos/mem/heap.h"
#include "libos/process/memory.h"
#include "libos/mem/layout.h"

#define GROWTH_PAGES 32u

static u64 used[PAGES_MAX / 64];

static bool
is_used(u64 page)
{
	return used[page / 64] >> (page % 64) & 1;
}

static void
mark(u64 first, u64 pages, bool in_use)
{
	for (u64 i = first; i < first + pages; i++) {
		ASSERT(is_used(i) != in_use);
		used[i / 64] ^= 1ull << (i % 64);
	}
}

// The first free run of that many pages, which may reach beyond what has frames.
static u64
find(u64 pages)
{
	u64 length = 0;

	for (u64 i = 0; i < PAGES_MAX; i++) {
		length = is_used(i) ? 0 : length + 1;
		if (length == pages)
			return i + 1 - pages;
	}
	return PAGES_MAX;
}

static bool
take(u64 pages, void **at, u32 *cookie)
{
	u64 first = find(pages);
	u64 end = first + pages;

	if (first == PAGES_MAX)
		return false;
	if (end > memory.heap_top &&
	    memory_extend_heap((u32)end + GROWTH_PAGES) &&
	    memory_extend_heap((u32)end))
		return false;
	mark(first, pages, true);
	*at = (void *)(PROCESS_HEAP_BASE + first * PAGE_SIZE);
	*cookie = 0;
	return true;
}

static void
give(void *at, u64 pages, u32 cookie)
{
	(void)cookie;
	mark(((u64)at - PROCESS_HEAP_BASE) / PAGE_SIZE, pages, false);
}

static struct heap heap = {
	.source = { take, give },
	.pages_max = PAGES_MAX,
};

void *
process_alloc(u64 size)
{
	return heap_alloc(&heap, size);
}

void
process_free(void *object)
{
	heap_free(&heap, object);
}
