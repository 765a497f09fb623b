// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Demand-zero regions: address ranges whose memory is taken from the kernel on
// first touch, by the fault upcall. What lies outside a region stays unmapped
// and is its guard.
//
// A region takes frames from the kernel `stock_pages` at a time, under one
// capability, and maps them `granule_pages` a fault. It shares nothing with the
// frame pool, so the fault path uses no state that it could have interrupted.

#include "kernel/abi/layout.h"

#define REGIONS_MAX 16u
#define STOCK_PAGES_MAX 1024u

struct region {
	u64 base;		// page aligned
	u64 pages;		// a multiple of granule_pages
	u32 granule_pages;	// mapped by one fault
	u32 stock_pages;	// taken by one frame_alloc: a multiple of these
	u16 *slots;		// of what was taken, in order; lent by the owner
	u32 slots_max;
	u32 slots_used;
	u64 stock_frame;	// the part of the newest not mapped yet
	u32 stock_left;
	u64 present;		// pages mapped
};

// How many entries `slots` of a region needs.
#define REGION_SLOTS(pages, stock_pages) \
	(((pages) + (stock_pages) - 1) / (stock_pages))

// Begins to serve faults in [base, base + pages). The caller fills in base,
// pages, granule_pages, stock_pages, slots and slots_max (REGION_SLOTS of them,
// or fewer to bound the memory), the rest is 0. *region stays until
// region_close(). Returns 0, or -E_TABLE when REGIONS_MAX are open.
must_check i64
region_open(struct region *region);

// Stops, and gives all its memory back to the kernel.
void
region_close(struct region *region);
