// SPDX-License-Identifier: BSD-2-Clause
// The memory of a process, and its faults.
//
// Copy on write is done by whoever writes, for itself: a frame that is shared is never
// written by anybody. So parent and child agree on nothing while they run, and neither
// trusts the other.
//
// Invariants:
//   M1  a page of kind OWN is mapped writable, LENT and FOREIGN read-only, NONE not
//   M2  stock frames are mapped in the direct window and derived to nobody
//   M3  the upcall stack and `memory` itself are never LENT or FOREIGN: the kernel
//       can always push a fault, and the handler never faults on its own table

#include "libos/process/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/layout.h"
#include "libos/mem/stack.h"
#include "libos/process/process.h"

#define PROT_RW (PROT_READ | PROT_WRITE)
#define AROUND_PAGES 16u	// made writable at once when nobody shares any more
#define SHARED_AROUND 16u	// mapped at once of what a child has as it is

struct memory memory;

static bool
refill_stock(void)
{
	u32 size = MAX(memory.stock_size, MEMORY_STOCK_MIN);
	i64 slot = -E_QUOTA;

	for (; size && slot < 0; size = slot < 0 ? size / 2 : size)
		slot = sys_frame_alloc(FRAME_ANY, size);
	if (slot < 0)
		return false;
	if (run_of_slot((u32)slot, &memory.stock) ||
	    map_direct(&memory.stock, PROT_RW)) {
		memory.stock = (struct frame_run){ 0 };
		cap_drop_all((u32)slot);
		return false;
	}
	memory.stock_size = MIN(size * 2, MEMORY_STOCK_MAX);
	return true;
}

bool
memory_take(u32 *frame, u32 *slot, bool *clean)
{
	*clean = !pages_reuse(&memory.pages, process_oldest_fork(), frame, slot);
	// A frame of the image had no place in the direct window until now.
	if (!*clean)
		return !sys_page_map(CAP_SLOT_SELF, (u64)direct_address(*frame),
				     *slot, *frame, 1, PROT_RW);
	if (!memory.stock.count && !refill_stock())
		return false;
	*frame = (u32)memory.stock.frame++;
	*slot = memory.stock.slot;
	memory.stock.count--;
	return true;
}

static bool
place(u32 page, u32 frame, u32 slot)
{
	if (sys_page_map(CAP_SLOT_SELF, pages_address(&memory.pages, page), slot,
			 frame, 1, PROT_RW))
		return false;
	memory.pages.page[page] = (union page){
		.frame = frame,
		.slot = (u16)slot,
		.kind = PAGE_OWN,
		.copied = memory.pages.page[page].copied,
	};
	return true;
}

static bool
grow_stack(u32 page)
{
	u32 frame, slot;
	bool clean;

	if (page >= memory.heap || !memory_take(&frame, &slot, &clean))
		return false;
	if (!clean)
		memset(direct_address(frame), 0, PAGE_SIZE);
	return place(page, frame, slot);
}

// Nobody shares what was lent: it is the process's alone again, and its neighbours.
static bool
take_back(u32 page)
{
	u32 end = pages_run_end(&memory.pages, page, page + AROUND_PAGES);
	u32 count = end - page;

	if (sys_page_map(CAP_SLOT_SELF, pages_address(&memory.pages, page),
			 memory.pages.page[page].slot,
			 memory.pages.page[page].frame, count, PROT_RW))
		return false;
	for (u32 i = page; i < end; i++)
		memory.pages.page[i].kind = PAGE_OWN;
	return true;
}

static bool
copy_page(u32 page)
{
	const union page *p = &memory.pages.page[page];
	const void *from = (const void *)pages_address(&memory.pages, page);
	union page was = *p;
	u32 frame, slot;
	bool clean;

	if (was.kind == PAGE_LENT && process_oldest_fork() == PAGES_NONE)
		return take_back(page);
	if (!memory_take(&frame, &slot, &clean))
		return false;
	memcpy(direct_address(frame), from, PAGE_SIZE);
	if (!place(page, frame, slot))
		return false;
	if (was.kind == PAGE_LENT)
		pages_leave(&memory.pages, was.frame, was.slot, memory.forks);
	memory.copies++;
	return true;
}

// Frames that the uarea tells of (archives, pipes, logs), at their place in the
// direct window: a child maps them when it meets them.
static bool
map_shared(u64 address)
{
	u64 frame = direct_frame((const void *)address);
	const struct uarea *u = uarea();

	for (u32 i = 0; i < MIN(u->cap_count, STARTUP_CAPS_MAX); i++) {
		struct cap_info c;
		u64 count;

		if (u->cap[i].role == ROLE_IMAGE ||
		    sys_cap_inspect(CAP_SLOT_SELF, u->cap[i].slot, &c) ||
		    c.type != CAP_FRAMES || frame - c.base >= c.count)
			continue;
		count = MIN(c.base + c.count - frame, SHARED_AROUND);
		return !sys_page_map(CAP_SLOT_SELF, ALIGN_DOWN(address, PAGE_SIZE),
				     u->cap[i].slot, frame, (u32)count,
				     PROT_READ | (c.rights & CAP_WRITE ?
						  PROT_WRITE : 0));
	}
	return false;
}

static bool
on_fault(struct upcall_context *context)
{
	const struct upcall_frame *f = &context->frame;
	u32 page;

	if (f->vector != VECTOR_PAGE_FAULT)
		return false;
	page = pages_find(&memory.pages, f->address);
	if (page == PAGES_NONE)
		return is_direct((const void *)f->address) &&
		       !(f->error & FAULT_PRESENT) && map_shared(f->address);
	if (!(f->error & FAULT_PRESENT))
		return memory.pages.page[page].kind == PAGE_NONE &&
		       grow_stack(page);
	return f->error & FAULT_WRITE &&
	       memory.pages.page[page].kind > PAGE_OWN && copy_page(page);
}

bool
memory_own(const void *at, u64 len)
{
	u64 first = ALIGN_DOWN((u64)at, PAGE_SIZE);

	for (u64 va = first; va < (u64)at + len; va += PAGE_SIZE) {
		u32 page = pages_find(&memory.pages, va);

		if (page == PAGES_NONE)
			continue;	// not copied on write: as it is
		switch ((enum page_kind)memory.pages.page[page].kind) {
		case PAGE_OWN:
			break;
		case PAGE_NONE:
			if (!grow_stack(page))
				return false;
			break;
		case PAGE_LENT:
		case PAGE_FOREIGN:
			if (!copy_page(page))
				return false;
		}
	}
	return true;
}

static void
add_pages(u32 first, const struct frame_run *run)
{
	for (u32 i = 0; i < run->count; i++) {
		memory.pages.page[first + i] = (union page){
			.frame = (u32)run->frame + i,
			.slot = (u16)run->slot,
			.kind = PAGE_OWN,
		};
	}
}

// A segment of the image, as start-up tells of it. The stack's has room below.
static i64
add_segment(const struct startup_cap *cap)
{
	u64 below = stack_room_below(cap->argument);
	struct frame_run run;
	struct cap_info info;
	i64 error = sys_cap_inspect(CAP_SLOT_SELF, cap->slot, &info);
	u32 first;

	if (error)
		return error;
	run = (struct frame_run){ info.base, info.count, cap->slot };
	if (!(info.rights & CAP_WRITE)) {
		if (memory.fixed_count == FIXED_MAX)
			return -E_TABLE;
		memory.fixed[memory.fixed_count++] =
			(struct fixed){ cap->argument, run, info.rights };
		return 0;
	}
	first = pages_add(&memory.pages, cap->argument - below,
			  below / PAGE_SIZE + run.count);
	if (first == PAGES_NONE)
		return -E_TABLE;
	add_pages(first + (u32)(below / PAGE_SIZE), &run);
	return 0;
}

i64
memory_init(void)
{
	const struct uarea *u = uarea();
	const struct startup_cap *cap;
	u64 left;

	ASSERT(!memory.ready);
	if (!stack_release())
		return -E_STATE;
	fault_handler_add(on_fault);
	for (u32 i = 0; (cap = startup_find(ROLE_IMAGE, i)); i++) {
		i64 error = add_segment(cap);

		if (error)
			return error;
	}
	pages_copy_always(&memory.pages, u->upcall_stack_bottom,
			  u->upcall_stack_top - u->upcall_stack_bottom, true);
	pages_copy_always(&memory.pages, (u64)&memory, sizeof(memory), true);
	left = PAGES_MAX - memory.pages.page_count;
	memory.heap = pages_add(&memory.pages, PROCESS_HEAP_BASE, left);
	memory.ready = true;
	pages_check(&memory.pages);
	return memory.heap == PAGES_NONE ? -E_TABLE : 0;
}

// Maps `count` fresh frames under one capability at the top of the heap.
static i64
extend_by(u32 count)
{
	u32 first = memory.heap + memory.heap_top;
	i64 slot = sys_frame_alloc(FRAME_ANY, count);
	struct frame_run run;
	i64 error;

	if (slot < 0)
		return slot;
	error = run_of_slot((u32)slot, &run);
	if (!error)
		error = map_run(CAP_SLOT_SELF,
				pages_address(&memory.pages, first), run.slot,
				run.frame, count, PROT_RW);
	if (error) {
		cap_drop_all((u32)slot);
		return error;
	}
	add_pages(first, &run);
	memory.heap_top += count;
	return 0;
}

i64
memory_extend_heap(u32 pages)
{
	u32 room = memory.pages.page_count - memory.heap;

	if (pages > room || !memory.ready)
		return -E_RANGE;
	while (memory.heap_top < pages) {
		i64 error = extend_by(MIN(pages - memory.heap_top,
					  ALLOC_FRAMES_MAX));

		if (error)
			return error;
	}
	return 0;
}
