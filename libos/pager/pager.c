// SPDX-License-Identifier: BSD-2-Clause
// The pager: fault, frame, block.
//
// Invariants, while it is open:
//   G1  a page has at most one of the frames; frame_of[] and the free list together
//       name each frame once
//   G2  a page is mapped exactly when it has a frame, writable; its mapping is as old
//       as what the frame holds, so its dirty bit says whether that has changed
//   G3  block p holds what page p holds, or held when it went, where stored[p] is set
//
// All of it runs in the fault handler, one fault at a time: the region must not be
// touched by other handlers.

#include "libos/pager/pager.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define NO_FRAME 0xffffu

static struct {
	bool open;
	struct pager_spec spec;
	struct clock clock;
	struct queue queue;
	struct frame_run run;
	struct pager_counts counts;
	u32 free_count;
	u16 free[PAGER_FRAMES_MAX];		// indices of frames in the run
	u16 frame_of[PAGER_PAGES_MAX];		// likewise, or NO_FRAME
	bool stored[PAGER_PAGES_MAX];
} pager;

static u64
address_of(u32 page)
{
	return pager.spec.base + (u64)page * PAGE_SIZE;
}

// Waits until all that was put is done. False when any of it failed.
static bool
finish(u32 open)
{
	bool good = !queue_flush(&pager.queue);

	while (open) {
		struct wait_set set;
		i32 status;
		u64 tag;

		wait_begin(&set);
		queue_watch(&pager.queue, &set);
		if (queue_take(&pager.queue, &tag, &status)) {
			good &= status == 0;
			open--;
		} else if (!good) {
			return false;
		} else {
			wait_sleep(&set);
		}
	}
	return good;
}

// Writes those of the victims to their blocks whose content is nowhere else.
static bool
write_back(const u32 *victims, const u8 *bits, u32 count)
{
	u32 open = 0;

	for (u32 i = 0; i < count; i++) {
		u32 page = victims[i];

		if (!(bits[i] & PAGE_DIRTY)) {
			pager.counts.clean++;
			continue;
		}
		if (!queue_put(&pager.queue, QUEUE_WRITE,
			       pager.spec.first_block + page,
			       pager.run.frame + pager.frame_of[page], 1, page))
			return false;
		pager.stored[page] = true;
		pager.counts.writes++;
		open++;
	}
	return !open || finish(open);
}

// Chooses pages to go. Returns how many; bits[] says of each whether it is dirty. When
// all were used since the hand passed, which one goes says nothing: then it is only one.
static u32
choose(u32 *victims, u8 *bits)
{
	u32 clear = pager.spec.policy == PAGER_CLOCK ? PAGE_ACCESSED : 0;
	u32 passed = 0, count = 0, want = PAGER_BATCH;

	while (count < want && passed < 2 * pager.spec.pages) {
		u8 seen[CLOCK_STEP];
		u32 first = pager.clock.hand;
		u32 step = clock_step(&pager.clock);
		u32 found;

		if (sys_page_bits(CAP_SLOT_SELF, address_of(first), step, seen,
				  clear))
			return 0;
		for (u32 i = 0; i < step && !clear; i++)
			seen[i] &= (u8)~PAGE_ACCESSED;
		// The hand may have come round to those that go already.
		for (u32 i = 0; i < count; i++) {
			if (victims[i] - first < step)
				seen[victims[i] - first] = 0;
		}
		found = clock_pass(&pager.clock, seen, want - count,
				   victims + count);
		for (u32 i = count; i < count + found; i++)
			bits[i] = seen[victims[i] - first];
		count += found;
		passed += step;
		if (passed >= pager.spec.pages)
			want = MAX(count, 1u);
	}
	return count;
}

// Frees frames: the victims are unmapped first, so that nothing changes them while
// they are written.
static bool
reclaim(void)
{
	u32 victims[PAGER_BATCH];
	u8 bits[PAGER_BATCH];
	struct map_op ops[PAGER_BATCH];
	u32 count = choose(victims, bits);

	for (u32 i = 0; i < count; i++)
		ops[i] = (struct map_op){ .va = address_of(victims[i]), .count = 1 };
	if (!count || sys_page_batch(CAP_SLOT_SELF, ops, count) ||
	    !write_back(victims, bits, count))
		return false;
	for (u32 i = 0; i < count; i++) {
		pager.free[pager.free_count++] = pager.frame_of[victims[i]];
		pager.frame_of[victims[i]] = NO_FRAME;
	}
	ASSERT(pager.free_count <= pager.spec.frames);
	return true;
}

static bool
fill(u32 page, u64 frame)
{
	if (!pager.stored[page]) {
		memset(direct_address(frame), 0, PAGE_SIZE);
		return true;
	}
	pager.counts.reads++;
	return queue_put(&pager.queue, QUEUE_READ, pager.spec.first_block + page,
			 frame, 1, page) && finish(1);
}

static bool
on_fault(struct upcall_context *context)
{
	const struct upcall_frame *f = &context->frame;
	u64 page = (f->address - pager.spec.base) / PAGE_SIZE;
	u64 frame;

	if (f->vector != VECTOR_PAGE_FAULT || f->error & FAULT_PRESENT ||
	    f->address < pager.spec.base || page >= pager.spec.pages)
		return false;
	pager.counts.faults++;
	if (!pager.free_count && !reclaim())
		return false;
	frame = pager.run.frame + pager.free[pager.free_count - 1];
	if (!fill((u32)page, frame) ||
	    sys_page_map(CAP_SLOT_SELF, address_of((u32)page), pager.run.slot, frame,
			 1, PROT_READ | PROT_WRITE))
		return false;
	pager.frame_of[page] = pager.free[--pager.free_count];
	return true;
}

i64
pager_open(const struct pager_spec *spec)
{
	i64 error;

	if (pager.open)
		return -E_TABLE;
	if (!spec->pages || spec->pages > PAGER_PAGES_MAX ||
	    spec->frames < PAGER_BATCH || spec->frames > PAGER_FRAMES_MAX ||
	    spec->base % PAGE_SIZE)
		return -E_ARGUMENT;
	error = frames_take(spec->frames, &pager.run);
	if (error)
		return error;
	error = queue_open(&pager.queue, spec->blocks_slot, &pager.run);
	if (error) {
		frames_give(&pager.run);
		return error;
	}
	pager.spec = *spec;
	pager.clock = (struct clock){ .pages = spec->pages };
	pager.counts = (struct pager_counts){ 0 };
	pager.free_count = spec->frames;
	for (u32 i = 0; i < spec->frames; i++)
		pager.free[i] = (u16)i;
	for (u32 i = 0; i < spec->pages; i++) {
		pager.frame_of[i] = NO_FRAME;
		pager.stored[i] = false;
	}
	pager.open = true;
	fault_handler_add(on_fault);
	return 0;
}

void
pager_close(void)
{
	ASSERT(pager.open);
	fault_handler_remove(on_fault);
	unmap_run(CAP_SLOT_SELF, pager.spec.base, pager.spec.pages);
	queue_close(&pager.queue);
	frames_give(&pager.run);
	pager.open = false;
}

struct pager_counts
pager_counts(void)
{
	return pager.counts;
}
