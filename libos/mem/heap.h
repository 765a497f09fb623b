// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The heap: size classes in pages of their own, larger objects in page runs.
// A sans-IO core: pages come from and go to the host (libos/mem/mem.c is the
// libOS's), so that it is tested on the development machine.
//
// It is checked: a pointer that it did not give out, or one freed twice, is a
// broken promise and fails an assertion at once.

#include "kernel/base/types.h"

#define HEAP_CLASSES 13u
#define HEAP_OBJECT_MAX 2016u	// larger objects have page runs of their own

// Where pages come from. take() finds `pages` contiguous pages, page aligned,
// with any content, and a cookie that give() gets back with them.
struct heap_source {
	bool (*take)(u64 pages, void **at, u32 *cookie);
	void (*give)(void *at, u64 pages, u32 cookie);
};

struct heap_page;

struct heap {
	struct heap_source source;
	struct heap_page *partial[HEAP_CLASSES];	// pages with free objects
	u64 pages;			// held now
	u64 pages_max;
	u64 objects;			// given out now
};

// Makes an empty heap that never holds more than `pages_max` pages.
void
heap_init(struct heap *heap, const struct heap_source *source, u64 pages_max);

// Memory for `size` bytes, aligned to 16, content undefined; a size of 0 counts
// as 1. NULL when the source or the bound gives no more.
must_check void *
heap_alloc(struct heap *heap, u64 size);

// Takes memory back. NULL is allowed.
void
heap_free(struct heap *heap, void *object);

// How many bytes an object really has.
u64
heap_size(const void *object);

// Walks the partial pages; asserts.
void
heap_check(const struct heap *heap);
