// SPDX-License-Identifier: BSD-2-Clause
// Memory: one run of frames, taken once, at one place in the order of its use. There is
// nothing to give back and nothing to look up.

#include "libos/mini/mini.h"
#include "kernel/base/assert.h"

struct memory memory;
static u32 used;		// frames handed out

void
memory_take(void)
{
	static struct cap_info info;

	memory.slot = (u32)must(call(SYS_frame_alloc, FRAME_ANY, MEMORY_FRAMES, 0, 0,
				     0, 0));
	must(call(SYS_cap_inspect, CAP_SLOT_SELF, memory.slot, (u64)&info, 0, 0, 0));
	memory.frame = info.base;
}

void *
memory_pages(u32 count, u64 *frame)
{
	u64 va = MEMORY_VA + used * PAGE_SIZE;

	ASSERT(count <= MEMORY_FRAMES - used);
	*frame = memory.frame + used;
	must(call(SYS_page_map, CAP_SLOT_SELF, va, memory.slot, *frame, count,
		  PROT_READ | PROT_WRITE));
	used += count;
	return (void *)va;
}
