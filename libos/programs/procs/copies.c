// SPDX-License-Identifier: BSD-2-Clause
// What a child and its parent see of each other's memory: at the fork the same, after
// it nothing. Both write at once, so that the child may come first or last; the result
// is one.

#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/mem/layout.h"
#include "libos/process/memory.h"
#include "libos/programs/procs/procs.h"

#define HEAP_PAGES 64u
#define ROUNDS 40u
#define DEPTH 4u
#define RECURSION 40u		// frames of 4 KiB: beyond what the image has

static volatile u64 global = 1;
static volatile u8 *heap;
static u8 buffer[16 * PAGE_SIZE];

static void
fill(u8 value)
{
	for (u32 i = 0; i < HEAP_PAGES; i++)
		heap[i * PAGE_SIZE + i % PAGE_SIZE] = (u8)(value + i);
}

static bool
is_filled(u8 value)
{
	for (u32 i = 0; i < HEAP_PAGES; i++) {
		if (heap[i * PAGE_SIZE + i % PAGE_SIZE] != (u8)(value + i))
			return false;
	}
	return true;
}

static void
need_heap(void)
{
	if (!heap)
		heap = process_alloc(HEAP_PAGES * PAGE_SIZE);
	must(heap ? 0 : -E_FRAMES, "a heap");
}

// Looks at what was there at the fork, writes everywhere, and looks again.
static u32
look_and_write(u64 value)
{
	volatile u64 local = value;

	if (global != value || !is_filled((u8)value))
		return 1;
	for (u8 round = 100; round < 103; round++) {
		fill(round);
		global = local = round;
		if (global != round || local != round || !is_filled(round))
			return 2;
	}
	return STATUS_GOOD;
}

// The parent writes while the child looks: whoever comes first, the child sees what
// was there at the fork. Then what the child wrote is not seen here.
void
test_copy(void)
{
	need_heap();
	for (u64 i = 0; i < 6; i++) {
		u32 child;

		global = i;
		fill((u8)i);
		child = begin(look_and_write, i, 0);
		global = i + 1000;
		fill((u8)(i + 50));
		check(status_of(child) == STATUS_GOOD,
		      "the child saw what was there at the fork, and its own");
		check(global == i + 1000 && is_filled((u8)(i + 50)),
		      "the parent sees its own writes only");
	}
	pages_check(&memory.pages);
}

static u32
nest(u64 depth)
{
	u32 before = (u32)global;

	if (before != depth)
		return 0;
	global = depth + 1;
	fill((u8)(depth + 1));
	if (depth == DEPTH)
		return 1;
	if (status_of(begin(nest, depth + 1,
			    (u32)(DEPTH - depth - 1))) != DEPTH - depth)
		return 0;
	return is_filled((u8)(depth + 1)) && global == depth + 1 ?
	       (u32)(DEPTH - depth + 1) : 0;
}

// Copies of copies: each sees what its own parent had.
void
test_nested(void)
{
	need_heap();
	global = 1;
	fill(1);
	check(status_of(begin(nest, 1, DEPTH - 1)) == DEPTH, "each saw its parent's");
	check(global == 1 && is_filled(1), "and the first still its own");
}

// Forks and writes for ever cost no memory for ever: what stays behind for children
// is used again when they are gone.
void
test_steady(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 held = 0;

	need_heap();
	for (u32 i = 0; i < ROUNDS; i++) {
		u32 child;

		global = 7;
		fill(7);
		child = begin(look_and_write, 7, 0);
		for (u32 j = 0; j < 20; j++)
			heap[(i + 7 * j) % HEAP_PAGES * PAGE_SIZE] = 1;
		check(status_of(child) == STATUS_GOOD, "the child saw it");
		if (i == ROUNDS / 4)
			held = self->used.frames;
	}
	check(self->used.frames <= held + 2 * MEMORY_STOCK_MAX,
	      "the frames in use do not grow");
	pages_check(&memory.pages);
}

__attribute__((noinline)) static u64
recurse(u32 depth)
{
	volatile u8 frame[PAGE_SIZE - 256];

	frame[0] = frame[sizeof(frame) - 1] = (u8)depth;
	if (depth == 0)
		return 0;
	return recurse(depth - 1) + (frame[0] == (u8)depth) +
	       (frame[sizeof(frame) - 1] == (u8)depth);
}

static u32
use_stack(u64 unused)
{
	(void)unused;
	return recurse(RECURSION) == 2 * RECURSION ? STATUS_GOOD : 1;
}

// The stack grows in the child, in the parent, and in a child after that.
void
test_stack(void)
{
	check(status_of(begin(use_stack, 0, 0)) == STATUS_GOOD, "in the child");
	check(use_stack(0) == STATUS_GOOD, "in the parent");
	check(status_of(begin(use_stack, 0, 0)) == STATUS_GOOD, "in a child after");
}

// The kernel does not write into what is shared: it refuses, until the page is the
// process's own.
static u32
use_buffer(u64 unused)
{
	u8 *middle = buffer + sizeof(buffer) / 2;

	(void)unused;
	if (sys_entropy_read(middle, 256) != -E_ADDRESS)
		return 1;
	if (!memory_own(middle, 256) || sys_entropy_read(middle, 256) < 0)
		return 2;
	return STATUS_GOOD;
}

void
test_buffers(void)
{
	memset(buffer, 0, sizeof(buffer));
	check(status_of(begin(use_buffer, 0, 0)) == STATUS_GOOD, "it is refused");
	check(buffer[0] == 0 && !memcmp(buffer, buffer + 1, sizeof(buffer) - 1),
	      "the kernel wrote nothing here");
}

// What a child inherited it cannot write, by no mapping of its own.
static bool
cannot_write_inherited(void)
{
	u32 tried = 0;

	for (u32 i = 0; i < memory.pages.page_count; i++) {
		const union page *p = &memory.pages.page[i];

		if (p->kind != PAGE_FOREIGN)
			continue;
		if (sys_page_map(CAP_SLOT_SELF, REGION_BASE, p->slot, p->frame, 1,
				 PROT_READ | PROT_WRITE) != -E_RIGHTS)
			return false;
		tried++;
	}
	return tried > HEAP_PAGES / 2;
}

// A child that looks what its capabilities cover: not `frame`, which its parent has
// taken and not used.
static u32
look_around(u64 frame)
{
	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		struct cap_info c;

		if (!sys_cap_inspect(CAP_SLOT_SELF, slot, &c) &&
		    c.type == CAP_FRAMES && frame - c.base < c.count)
			return 1;
	}
	return cannot_write_inherited() ? STATUS_GOOD : 2;
}

void
test_private(void)
{
	u32 frame, slot;
	bool clean;

	need_heap();
	fill(9);
	must(memory_take(&frame, &slot, &clean) ? 0 : -E_FRAMES, "a frame");
	check(status_of(begin(look_around, frame, 0)) == STATUS_GOOD,
	      "the child has what is shared, to read, and nothing else");
	must(memory_take(&frame, &slot, &clean) ? 0 : -E_FRAMES, "a frame");
	check(status_of(begin(look_around, frame, 0)) == STATUS_GOOD, "again");
}
