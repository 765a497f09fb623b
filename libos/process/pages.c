// SPDX-License-Identifier: BSD-2-Clause
// The table of a process's memory (pages.h): look-ups, runs, and the plan of a fork.
//
// Every function is a walk over at most PAGES_MAX entries; a plan is at most 13
// of them, since each doubles the length of the runs that it keeps.

#include "libos/process/pages.h"
#include "kernel/base/assert.h"

u32
pages_add(struct pages *pages, u64 va, u64 count)
{
	u32 first = pages->page_count;

	ASSERT(va % PAGE_SIZE == 0);
	if (pages->area_count == PAGES_AREAS_MAX ||
	    count > PAGES_MAX - pages->page_count)
		return PAGES_NONE;
	pages->area[pages->area_count++] = (struct area){ va, first, (u32)count };
	pages->page_count += (u32)count;
	for (u32 i = first; i < pages->page_count; i++)
		pages->page[i] = (union page){ 0 };
	return first;
}

u32
pages_find(const struct pages *pages, u64 va)
{
	for (u32 i = 0; i < pages->area_count; i++) {
		const struct area *a = &pages->area[i];
		u64 page = (va - a->va) >> PAGE_SHIFT;

		if (va >= a->va && page < a->pages)
			return a->first + (u32)page;
	}
	return PAGES_NONE;
}

static const struct area *
area_of(const struct pages *pages, u32 page)
{
	u32 i = 0;

	ASSERT(page < pages->page_count);
	while (page - pages->area[i].first >= pages->area[i].pages)
		i++;
	ASSERT(i < pages->area_count);
	return &pages->area[i];
}

u64
pages_address(const struct pages *pages, u32 page)
{
	const struct area *a = area_of(pages, page);

	return a->va + (u64)(page - a->first) * PAGE_SIZE;
}

u32
pages_run_end(const struct pages *pages, u32 page, u32 end)
{
	const struct area *a = area_of(pages, page);
	const union page *p = &pages->page[page];
	u32 count = MIN(end, a->first + a->pages) - page;
	u64 step = p->kind == PAGE_NONE ? 0 : 1;
	u32 i = 1;

	while (i < count && p[i].word == p[i - 1].word + step)
		i++;
	return page + i;
}

// Keeps runs of at least `shortest` pages. Returns false when they are too many.
static bool
plan_runs(const struct pages *pages, u32 shortest, struct plan *plan)
{
	u32 end;

	*plan = (struct plan){ 0 };
	for (u32 i = 0; i < pages->page_count; i = end) {
		const union page *p = &pages->page[i];

		end = pages_run_end(pages, i, pages->page_count);
		if (p->kind == PAGE_NONE)
			continue;
		if (p->copied || end - i < shortest) {
			plan->copies += end - i;
			continue;
		}
		if (plan->run_count == PLAN_RUNS_MAX)
			return false;
		plan->run[plan->run_count++] = (struct run){ i, end - i };
	}
	return true;
}

void
pages_plan(const struct pages *pages, struct plan *plan)
{
	u32 shortest = PLAN_RUN_MIN;

	while (!plan_runs(pages, shortest, plan)) {
		ASSERT(shortest < PAGES_MAX);
		shortest *= 2;
	}
}

void
pages_copy_always(struct pages *pages, u64 va, u64 len, bool always)
{
	for (u64 at = ALIGN_DOWN(va, PAGE_SIZE); at < va + len; at += PAGE_SIZE) {
		u32 page = pages_find(pages, at);

		if (page != PAGES_NONE)
			pages->page[page].copied = always;
	}
}

void
pages_leave(struct pages *pages, u32 frame, u32 slot, u32 fork)
{
	u32 at = (pages->left_head + pages->left_count) % PAGES_LEFT_MAX;

	if (pages->left_count == PAGES_LEFT_MAX)
		return;
	pages->left[at] = (struct left_frame){ frame, slot, fork };
	pages->left_count++;
}

bool
pages_reuse(struct pages *pages, u32 oldest, u32 *frame, u32 *slot)
{
	const struct left_frame *l =
		&pages->left[pages->left_head % PAGES_LEFT_MAX];

	if (!pages->left_count || (oldest != PAGES_NONE && oldest <= l->fork))
		return false;
	*frame = l->frame;
	*slot = l->slot;
	pages->left_head++;
	pages->left_count--;
	return true;
}

void
pages_check(const struct pages *pages)
{
	u32 sum = 0;

	for (u32 i = 0; i < pages->area_count; i++) {
		const struct area *a = &pages->area[i];

		ASSERT(a->first == sum);				// S1
		sum += a->pages;
		for (u32 j = 0; j < i; j++) {
			const struct area *b = &pages->area[j];

			ASSERT(a->va >= b->va + b->pages * PAGE_SIZE ||
			       b->va >= a->va + a->pages * PAGE_SIZE);
		}
	}
	ASSERT(sum == pages->page_count && sum <= PAGES_MAX);
	for (u32 i = 0; i < pages->page_count; i++) {
		const union page *p = &pages->page[i];

		ASSERT(p->kind <= PAGE_FOREIGN);
		ASSERT(p->kind != PAGE_NONE || (!p->frame && !p->slot)); // S2
	}
	ASSERT(pages->left_count <= PAGES_LEFT_MAX);
}
