// SPDX-License-Identifier: BSD-2-Clause
// Growth of the main stack: a demand-zero region right below its first pages.
// Faults on it are served on the upcall stack, so a full stack is no obstacle.

#include "libos/mem/stack.h"
#include "kernel/base/assert.h"
#include "libos/mem/region.h"

#define SLOTS REGION_SLOTS(STACK_GROWTH / PAGE_SIZE, STACK_STOCK_PAGES)

extern const u8 stack_growth_bottom[], stack_bottom[];

static struct region growth;
static u16 slots[SLOTS];

void
stack_init(void)
{
	i64 error;

	growth = (struct region){
		.base = (u64)stack_growth_bottom,
		.pages = STACK_GROWTH / PAGE_SIZE,
		.granule_pages = STACK_GRANULE_PAGES,
		.stock_pages = STACK_STOCK_PAGES,
		.slots = slots,
		.slots_max = SLOTS,
	};
	ASSERT((u64)stack_bottom - growth.base == STACK_GROWTH);
	error = region_open(&growth);
	ASSERT(!error);
}

bool
stack_release(void)
{
	if (growth.present)
		return false;
	region_close(&growth);
	return true;
}

u64
stack_room_below(u64 va)
{
	return va == (u64)stack_bottom ? STACK_GROWTH : 0;
}
