// SPDX-License-Identifier: BSD-2-Clause
// The host of the heap: frames as its source of pages. The cookie of a run is
// the slot of the capability that covers it; the frame follows from the
// address.

#include "libos/mem/mem.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/mem/frames.h"
#include "libos/mem/heap.h"
#include "libos/mem/layout.h"

static bool
take(u64 pages, void **at, u32 *cookie)
{
	struct frame_run run;

	if (pages > ~0u || frames_take((u32)pages, &run))
		return false;
	*at = direct_address(run.frame);
	*cookie = run.slot;
	return true;
}

static void
give(void *at, u64 pages, u32 cookie)
{
	const struct frame_run run = { direct_frame(at), pages, cookie };

	ASSERT(is_direct(at));
	frames_give(&run);
}

static struct heap heap = {
	.source = { take, give },
	.pages_max = ~0ull / PAGE_SIZE,
};

void *
mem_alloc(u64 size)
{
	return heap_alloc(&heap, size);
}

void *
mem_alloc_zeroed(u64 size)
{
	void *object = heap_alloc(&heap, size);

	if (object)
		memset(object, 0, size);
	return object;
}

void
mem_free(void *object)
{
	heap_free(&heap, object);
}

void
mem_limit(u64 pages)
{
	ASSERT(pages >= heap.pages);
	heap.pages_max = pages;
}

u64
mem_pages(void)
{
	return heap.pages;
}
