// SPDX-License-Identifier: BSD-2-Clause
// What page_bits tells: how pages are mapped, and whether the processor used them since
// that was last forgotten; of the caller's own pages and of a child's. And what it
// refuses.

#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define VA (REGION_BASE + 2 * REGION_SIZE_MAX)
#define COUNT 80u			// more than are flushed one by one
#define BOTH (PAGE_ACCESSED | PAGE_DIRTY)

static u8 bits[COUNT];
static struct frame_run run;

static u8
look(u64 page, u32 clear)
{
	must(sys_page_bits(CAP_SLOT_SELF, VA + page * PAGE_SIZE, 1, bits, clear),
	     "page_bits");
	return bits[0];
}

static void
touch(u64 page, bool write)
{
	volatile u8 *at = (volatile u8 *)(VA + page * PAGE_SIZE);

	if (write)
		*at = 1;
	else
		(void)*at;
}

static void
own_pages(void)
{
	check(look(0, 0) == 0, "nothing is mapped");
	must(map_run(CAP_SLOT_SELF, VA, run.slot, run.frame, COUNT,
		     PROT_READ | PROT_WRITE), "map");
	check(look(1, 0) == (PROT_READ | PROT_WRITE), "mapped and not used");
	touch(1, false);
	check(look(1, 0) == (PROT_READ | PROT_WRITE | PAGE_ACCESSED), "read");
	touch(1, true);
	check(look(1, BOTH) == (PROT_READ | PROT_WRITE | BOTH), "written");
	check(look(1, 0) == (PROT_READ | PROT_WRITE), "forgotten");
	touch(1, true);
	check(look(1, PAGE_ACCESSED) == (PROT_READ | PROT_WRITE | BOTH),
	      "the next write is seen again: nothing old is cached");
	check(look(1, 0) == (PROT_READ | PROT_WRITE | PAGE_DIRTY), "dirty still");
	must(map_run(CAP_SLOT_SELF, VA, run.slot, run.frame, 1, PROT_READ), "map");
	check(look(0, 0) == PROT_READ, "read-only");
	touch(0, false);
	must(map_run(CAP_SLOT_SELF, VA, run.slot, run.frame, 1,
		     PROT_READ | PROT_WRITE), "map");
	check(look(0, 0) == (PROT_READ | PROT_WRITE | PAGE_ACCESSED),
	      "a right more, and used as before");
	touch(0, true);
	check(look(0, 0) == (PROT_READ | PROT_WRITE | BOTH), "and it may be written");
	must(map_run(CAP_SLOT_SELF, VA, run.slot, run.frame, 1,
		     PROT_READ | PROT_WRITE), "map");
	check(look(0, 0) == (PROT_READ | PROT_WRITE), "the same right is not more");
}

static void
many_pages(void)
{
	u32 wrong = 0;

	must(sys_page_bits(CAP_SLOT_SELF, VA, COUNT, bits, BOTH), "bits");
	for (u32 round = 0; round < 3; round++) {
		for (u32 i = 1; i < COUNT; i++)
			touch(i, i % 3 == round);
		must(sys_page_bits(CAP_SLOT_SELF, VA, COUNT, bits, BOTH), "bits");
		for (u32 i = 1; i < COUNT; i++) {
			u8 used = i % 3 == round ? BOTH : PAGE_ACCESSED;

			wrong += bits[i] != (PROT_READ | PROT_WRITE | used);
		}
	}
	check(wrong == 0, "each page by itself");
}

static void
refusals(void)
{
	struct cap_info self;
	i64 reader;

	check(sys_page_bits(CAP_SLOT_SELF, VA + 1, 1, bits, 0) == -E_ARGUMENT,
	      "no page begins there");
	check(sys_page_bits(CAP_SLOT_SELF, VA, 0, bits, 0) == -E_ARGUMENT, "none");
	check(sys_page_bits(CAP_SLOT_SELF, VA, MAP_PAGES_MAX + 1, bits, 0) ==
	      -E_ARGUMENT, "too many");
	check(sys_page_bits(CAP_SLOT_SELF, USER_END, 1, bits, 0) == -E_RANGE,
	      "the kernel's");
	check(sys_page_bits(CAP_SLOT_SELF, VA, 1, bits, PROT_WRITE) == -E_ARGUMENT,
	      "only those two can be cleared");
	check(sys_page_bits(CAP_SLOT_SELF, VA, 1, (u8 *)TABLES_BASE, 0) ==
	      -E_ADDRESS, "not into tables");
	check(sys_page_bits(255, VA, 1, bits, 0) == -E_SLOT, "nobody's");
	check(sys_page_bits(run.slot, VA, 1, bits, 0) == -E_TYPE, "frames");
	// A capability to read shows, and does not clear.
	must(sys_cap_inspect(CAP_SLOT_SELF, CAP_SLOT_SELF, &self), "self");
	reader = sys_cap_derive(CAP_SLOT_SELF, CAP_SLOT_SELF, CAP_READ, self.base, 1);
	must(reader, "cap_derive");
	check(sys_page_bits((u32)reader, VA, 1, bits, 0) == 0, "to look at");
	check(sys_page_bits((u32)reader, VA, 1, bits, BOTH) == -E_RIGHTS,
	      "not to change");
	must(sys_cap_drop((u32)reader), "cap_drop");
}

// A child that counts in the page that it shares: its parent sees that it is used, again
// and again, on whatever processor it runs.
static void
pages_of_a_child(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct helper h;
		u64 until = now_ns() + PATIENCE_NS;

		helper_start(&h, "count", cpu, NULL);
		for (u32 seen = 0; seen < 5 && now_ns() < until;) {
			must(sys_page_bits(h.child.env, REGION_BASE, 1, bits, BOTH),
			     "page_bits of a child");
			seen += (bits[0] & BOTH) == BOTH;
			sys_yield(SLOT_NONE);
		}
		check(now_ns() < until, "a child's writes are seen each time");
		helper_end(&h);
	}
}

void
test_bits(void)
{
	must(frames_take(COUNT, &run), "frames");
	own_pages();
	many_pages();
	refusals();
	must(unmap_run(CAP_SLOT_SELF, VA, COUNT), "unmap");
	frames_give(&run);
	pages_of_a_child();
}
