// SPDX-License-Identifier: BSD-2-Clause
// Demand-zero regions over the fault upcall. The kernel hands out zeroed
// frames, so they need no more than to be mapped.
//
// Invariants:
//   R1  entries of open_regions are NULL or regions that are open and disjoint
//   R2  slots[0..slots_used) hold the region's capabilities for frames; of the
//       newest, stock_left frames from stock_frame on are not mapped
//
// region_fault() runs in the upcall: it calls the kernel and nothing else. A
// region's fields change only there while it is open.

#include "libos/mem/region.h"
#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/map.h"

static struct region *open_regions[REGIONS_MAX];
static u32 open_count;

static struct region *
region_at(u64 address)
{
	for (u32 i = 0; i < REGIONS_MAX; i++) {
		struct region *r = open_regions[i];

		if (r && address >= r->base &&
		    address - r->base < r->pages * PAGE_SIZE)
			return r;
	}
	return NULL;
}

// Takes the next frames. Returns false when the kernel has none for it.
static bool
take_stock(struct region *region)
{
	struct frame_run run;
	i64 slot;

	if (region->slots_used == region->slots_max)
		return false;
	slot = sys_frame_alloc(FRAME_ANY, region->stock_pages);
	if (slot < 0)
		return false;
	if (run_of_slot((u32)slot, &run)) {
		cap_drop_all((u32)slot);
		return false;
	}
	region->slots[region->slots_used++] = (u16)slot;
	region->stock_frame = run.frame;
	region->stock_left = region->stock_pages;
	return true;
}

static bool
map_granule(struct region *region, u64 granule)
{
	u32 pages = region->granule_pages;
	u64 va = region->base + granule * pages * PAGE_SIZE;

	if (region->stock_left < pages && !take_stock(region))
		return false;
	if (map_run(CAP_SLOT_SELF, va, region->slots[region->slots_used - 1],
		    region->stock_frame, pages, PROT_READ | PROT_WRITE))
		return false;
	region->stock_frame += pages;
	region->stock_left -= pages;
	region->present += pages;
	return true;
}

static bool
region_fault(struct upcall_context *context)
{
	const struct upcall_frame *f = &context->frame;
	struct region *region;

	if (f->vector != VECTOR_PAGE_FAULT || f->error & FAULT_PRESENT)
		return false;
	region = region_at(f->address);
	return region &&
	       map_granule(region, (f->address - region->base) / PAGE_SIZE /
					   region->granule_pages);
}

i64
region_open(struct region *region)
{
	u64 last = region->base + region->pages * PAGE_SIZE - 1;
	u32 i = 0;

	ASSERT(region->base % PAGE_SIZE == 0 && region->pages > 0);
	ASSERT(region->granule_pages > 0 &&
	       region->pages % region->granule_pages == 0);
	ASSERT(region->stock_pages % region->granule_pages == 0 &&
	       region->stock_pages <= STOCK_PAGES_MAX);
	ASSERT(!region_at(region->base) && !region_at(last));
	ASSERT(!region->slots_used && !region->stock_left && !region->present);
	while (i < REGIONS_MAX && open_regions[i])
		i++;
	if (i == REGIONS_MAX)
		return -E_TABLE;
	open_regions[i] = region;
	if (open_count++ == 0)
		fault_handler_add(region_fault);
	return 0;
}

void
region_close(struct region *region)
{
	u32 i = 0;

	while (i < REGIONS_MAX && open_regions[i] != region)
		i++;
	ASSERT(i < REGIONS_MAX);
	open_regions[i] = NULL;
	for (u32 s = 0; s < region->slots_used; s++)
		cap_drop_all(region->slots[s]);
	region->slots_used = region->stock_left = 0;
	region->present = 0;
	if (--open_count == 0)
		fault_handler_remove(region_fault);
}
