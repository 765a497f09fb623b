// SPDX-License-Identifier: BSD-2-Clause
// The heap. Every page run begins with a struct heap_page of 64 bytes, so the
// page of an object is found by clearing the low bits of its address: objects
// of a class lie in one page, a large object starts in its run's first.
//
//   page:  | heap_page | object 0 | object 1 | ...          |
//   run:   | heap_page | large object ...                      ... |
//
// Invariants, checked by heap_check() and at every free:
//   M1  a page on the list of class c has that class, used < its objects, and
//       the set bits of `map` count `used`
//   M2  at most one page of a class has used = 0: it is kept for the next
//       object, any other goes back
//   M3  tag is the page's own address scrambled: what lacks it is no page of
//       the heap

#include "libos/mem/heap.h"
#include "kernel/base/assert.h"

#define PAGE 4096ull
#define HEADER 64ull
#define LARGE HEAP_CLASSES
#define TAG_KEY 0x9e3779b97f4a7c15ull

struct heap_page {
	u64 tag;
	u16 class;		// or LARGE
	u16 used;
	u32 cookie;		// the source's
	union {
		struct {
			struct heap_page *next, *previous;
			u64 map[4];	// set: given out. At most 252 objects
		};
		u64 run_pages;		// of a large object
	};
};

STATIC_ASSERT(sizeof(struct heap_page) == HEADER);

static const u16 class_size[HEAP_CLASSES] = {
	16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1008, HEAP_OBJECT_MAX,
};

static u32
objects_of(u32 class)
{
	return (u32)((PAGE - HEADER) / class_size[class]);
}

static u32
class_of(u64 size)
{
	u32 class = 0;

	while (class_size[class] < size)
		class++;
	ASSERT(class < HEAP_CLASSES);
	return class;
}

static u64
tag_of(const struct heap_page *page)
{
	return ((u64)(uintptr_t)page ^ TAG_KEY) * TAG_KEY;
}

static struct heap_page *
page_of(const void *object)
{
	struct heap_page *page = (struct heap_page *)(void *)
		((uintptr_t)object & ~(uintptr_t)(PAGE - 1));

	ASSERT(page->tag == tag_of(page));			// M3
	return page;
}

static struct heap_page *
take_pages(struct heap *heap, u64 pages, u32 class)
{
	struct heap_page *page;
	void *at;
	u32 cookie;

	if (pages > heap->pages_max - heap->pages ||
	    !heap->source.take(pages, &at, &cookie))
		return NULL;
	ASSERT((uintptr_t)at % PAGE == 0);
	page = at;
	*page = (struct heap_page){ .class = (u16)class, .cookie = cookie };
	page->tag = tag_of(page);
	heap->pages += pages;
	return page;
}

static void
give_pages(struct heap *heap, struct heap_page *page, u64 pages)
{
	ASSERT(heap->pages >= pages);
	heap->pages -= pages;
	page->tag = 0;
	heap->source.give(page, pages, page->cookie);
}

static void
list_add(struct heap *heap, struct heap_page *page)
{
	struct heap_page **first = &heap->partial[page->class];

	page->previous = NULL;
	page->next = *first;
	if (*first)
		(*first)->previous = page;
	*first = page;
}

static void
list_remove(struct heap *heap, struct heap_page *page)
{
	if (page->next)
		page->next->previous = page->previous;
	if (page->previous)
		page->previous->next = page->next;
	else
		heap->partial[page->class] = page->next;
}

static void *
object_take(struct heap *heap, struct heap_page *page)
{
	u32 count = objects_of(page->class);
	u32 word = 0;

	ASSERT(page->used < count);
	while (page->map[word] == ~0ull)
		word++;
	u32 i = word * 64 + (u32)__builtin_ctzll(~page->map[word]);

	ASSERT(i < count);
	page->map[word] |= 1ull << (i % 64);
	if (++page->used == count)
		list_remove(heap, page);
	return (u8 *)page + HEADER + (u64)i * class_size[page->class];
}

static void
object_give(struct heap *heap, struct heap_page *page, const void *object)
{
	u64 offset = (u64)((const u8 *)object - (const u8 *)page) - HEADER;
	u64 i = offset / class_size[page->class];
	u64 bit = 1ull << (i % 64);
	bool was_full = page->used == objects_of(page->class);

	ASSERT(offset % class_size[page->class] == 0);
	ASSERT(i < objects_of(page->class) && page->map[i / 64] & bit);
	page->map[i / 64] &= ~bit;
	page->used--;
	if (was_full)
		list_add(heap, page);
	if (page->used == 0 && (page->next || page->previous)) {
		list_remove(heap, page);			// M2
		give_pages(heap, page, 1);
	}
}

void
heap_init(struct heap *heap, const struct heap_source *source, u64 pages_max)
{
	*heap = (struct heap){ .source = *source, .pages_max = pages_max };
}

static void *
large_alloc(struct heap *heap, u64 size)
{
	struct heap_page *page;

	if (size > heap->pages_max * PAGE)
		return NULL;
	u64 pages = ALIGN_UP(size + HEADER, PAGE) / PAGE;

	page = take_pages(heap, pages, LARGE);
	if (!page)
		return NULL;
	page->run_pages = pages;
	heap->objects++;
	return (u8 *)page + HEADER;
}

void *
heap_alloc(struct heap *heap, u64 size)
{
	struct heap_page *page;
	u32 class;

	if (size > HEAP_OBJECT_MAX)
		return large_alloc(heap, size);
	class = class_of(size);
	page = heap->partial[class];
	if (!page) {
		page = take_pages(heap, 1, class);
		if (!page)
			return NULL;
		list_add(heap, page);
	}
	heap->objects++;
	return object_take(heap, page);
}

void
heap_free(struct heap *heap, void *object)
{
	struct heap_page *page;

	if (!object)
		return;
	page = page_of(object);
	if (page->class != LARGE) {
		object_give(heap, page, object);
	} else {
		ASSERT(object == (u8 *)page + HEADER);
		give_pages(heap, page, page->run_pages);
	}
	ASSERT(heap->objects > 0);
	heap->objects--;
}

u64
heap_size(const void *object)
{
	const struct heap_page *page = page_of(object);

	return page->class == LARGE ? page->run_pages * PAGE - HEADER :
				      class_size[page->class];
}

static void
page_check(const struct heap_page *page, u32 class)
{
	u32 set = 0;

	for (u32 i = 0; i < ARRAY_SIZE(page->map); i++)
		set += (u32)__builtin_popcountll(page->map[i]);
	ASSERT(page->tag == tag_of(page));			// M3
	ASSERT(page->class == class && set == page->used);	// M1
	ASSERT(page->used < objects_of(class));
}

void
heap_check(const struct heap *heap)
{
	for (u32 class = 0; class < HEAP_CLASSES; class++) {
		const struct heap_page *before = NULL;
		u32 empty = 0;

		for (const struct heap_page *page = heap->partial[class]; page;
		     before = page, page = page->next) {
			page_check(page, class);
			ASSERT(page->previous == before);
			empty += page->used == 0;
		}
		ASSERT(empty <= 1);				// M2
	}
}
