// SPDX-License-Identifier: BSD-2-Clause
// links: libos/process/pages.c harness/testing/host_assert.c
//
// The table of a process's memory under random histories of writes, forks and ends of
// children, as memory.c and fork.c use it. What a plan promises is checked against a
// model that looks at every page by itself: shared and copied pages together are all
// that there are, a run is what one capability and one operation can name, and no frame
// is used again while a child may read it. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/process/pages.h"

#define IMAGE_VA 0x400000ull
#define IMAGE_PAGES 40u
#define STACK_VA 0x600000ull
#define STACK_PAGES 68u
#define HEAP_VA 0x80000000000ull
#define HEAP_PAGES 3000u
#define STEPS 1500
#define CHILDREN 8u
#define FRAMES 40000u

static struct pages table;
static struct prng prng;
static u32 next_frame, forks;
static u32 living[CHILDREN];		// numbers of forks, 0: none
static u32 lent_until[FRAMES];		// the newest fork that reads the frame

static void
map(u32 page, u32 frame, u32 slot)
{
	table.page[page] = (union page){
		.frame = frame,
		.slot = (u16)slot,
		.kind = PAGE_OWN,
		.copied = table.page[page].copied,
	};
}

static void
start(u64 seed)
{
	u32 image, stack, heap;

	prng_seed(&prng, seed);
	table = (struct pages){ 0 };
	memset(living, 0, sizeof(living));
	memset(lent_until, 0, sizeof(lent_until));
	next_frame = 100;
	forks = 0;
	image = pages_add(&table, IMAGE_VA, IMAGE_PAGES);
	stack = pages_add(&table, STACK_VA, STACK_PAGES);
	heap = pages_add(&table, HEAP_VA, HEAP_PAGES);
	assert_true(image == 0 && stack == IMAGE_PAGES);
	assert_int_equal(heap, IMAGE_PAGES + STACK_PAGES);
	for (u32 i = 0; i < IMAGE_PAGES; i++)
		map(i, next_frame++, 3);
	for (u32 i = 64; i < STACK_PAGES; i++)
		map(stack + i, next_frame++, 4);
	for (u32 i = 0; i < HEAP_PAGES / 2; i++)
		map(heap + i, next_frame++, 5);
	pages_copy_always(&table, IMAGE_VA + 5 * PAGE_SIZE + 8, 2 * PAGE_SIZE, true);
	pages_check(&table);
}

static u32
oldest(void)
{
	u32 found = PAGES_NONE;

	for (u32 i = 0; i < CHILDREN; i++) {
		if (living[i])
			found = MIN(found, living[i]);
	}
	return found;
}

// A write, as the fault handler does it.
static void
write_page(u32 page)
{
	union page was = table.page[page];
	u32 frame, slot;

	if (was.kind == PAGE_OWN)
		return;
	if (was.kind == PAGE_LENT && oldest() == PAGES_NONE) {
		table.page[page].kind = PAGE_OWN;
		return;
	}
	if (pages_reuse(&table, oldest(), &frame, &slot)) {
		for (u32 i = 0; i < CHILDREN; i++)
			assert_true(!living[i] || living[i] > lent_until[frame]);
	} else {
		frame = next_frame++;
		slot = 6 + frame / 256 % 200;
		assert_true(frame < FRAMES);
	}
	map(page, frame, slot);
	if (was.kind == PAGE_LENT)
		pages_leave(&table, was.frame, was.slot, forks);
}

static void
check_run(const struct run *run, u8 *seen)
{
	const union page *p = &table.page[run->first];
	u64 va = pages_address(&table, run->first);

	assert_true(run->count >= PLAN_RUN_MIN);
	for (u32 i = 0; i < run->count; i++) {
		assert_int_equal(pages_address(&table, run->first + i),
				 va + i * PAGE_SIZE);
		assert_int_equal(p[i].frame, p->frame + i);
		assert_int_equal(p[i].slot, p->slot);
		assert_int_equal(p[i].kind, p->kind);
		assert_true(p->kind != PAGE_NONE && !p[i].copied);
		assert_false(seen[run->first + i]);
		seen[run->first + i] = 1;
	}
}

static void
check_plan(const struct plan *plan)
{
	u8 seen[PAGES_MAX] = { 0 };
	u32 others = 0;

	assert_true(plan->run_count <= PLAN_RUNS_MAX);
	for (u32 i = 0; i < plan->run_count; i++)
		check_run(&plan->run[i], seen);
	for (u32 i = 0; i < table.page_count; i++)
		others += table.page[i].kind != PAGE_NONE && !seen[i];
	assert_int_equal(plan->copies, others);
}

static void
fork_one(u32 child)
{
	struct plan plan;

	pages_plan(&table, &plan);
	check_plan(&plan);
	living[child] = ++forks;
	for (u32 i = 0; i < plan.run_count; i++) {
		for (u32 j = 0; j < plan.run[i].count; j++) {
			union page *p = &table.page[plan.run[i].first + j];

			p->kind = PAGE_LENT;
			lent_until[p->frame] = forks;
		}
	}
}

static void
step(void)
{
	u32 child = (u32)prng_below(&prng, CHILDREN);

	if (prng_below(&prng, 20) == 0 && !living[child])
		fork_one(child);
	else if (prng_below(&prng, 10) == 0)
		living[child] = 0;
	else {
		u32 page = (u32)prng_below(&prng, table.page_count);

		if (table.page[page].kind != PAGE_NONE)
			write_page(page);
	}
}

static void
histories(void **state)
{
	u64 seed = test_seed();

	(void)state;
	for (u32 round = 0; round < 20; round++) {
		start(seed + round);
		for (u32 i = 0; i < STEPS; i++)
			step();
		pages_check(&table);
	}
}

static void
look_ups(void **state)
{
	(void)state;
	start(1);
	assert_int_equal(pages_find(&table, IMAGE_VA), 0);
	assert_int_equal(pages_find(&table, IMAGE_VA - 1), PAGES_NONE);
	assert_int_equal(pages_find(&table, STACK_VA + STACK_PAGES * PAGE_SIZE),
			 PAGES_NONE);
	for (u32 i = 0; i < table.page_count; i += 7)
		assert_int_equal(pages_find(&table, pages_address(&table, i) + 5),
				 i);
	assert_int_equal(pages_add(&table, 0x90000000000ull, PAGES_MAX),
			 PAGES_NONE);
	assert_int_equal(pages_run_end(&table, IMAGE_PAGES, table.page_count),
			 IMAGE_PAGES + 64);
	assert_int_equal(pages_run_end(&table, 0, 3), 3);
}

// With every second page on a frame elsewhere there are no runs: all is copied.
static void
scattered(void **state)
{
	struct plan plan;

	(void)state;
	start(2);
	for (u32 i = 0; i < HEAP_PAGES / 2; i += 2)
		map(IMAGE_PAGES + STACK_PAGES + i, next_frame++, 7);
	pages_plan(&table, &plan);
	check_plan(&plan);
	assert_true(plan.copies >= HEAP_PAGES / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories),
		cmocka_unit_test(look_ups),
		cmocka_unit_test(scattered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
