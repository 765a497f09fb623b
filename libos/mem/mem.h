// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The program's heap: libos/mem/heap.h over the frame pool. Its memory lies in
// the direct window, so any of it can be named by frame to a ring or a queue.
//
// Not for upcall handlers.

#include "kernel/base/types.h"

// Memory for `size` bytes, aligned to 16, content undefined; NULL when the
// quota, the node, or mem_limit() allows no more. Free it with mem_free().
must_check void *
mem_alloc(u64 size);

// The same, zeroed.
must_check void *
mem_alloc_zeroed(u64 size);

// Takes back what one of the above returned, or NULL. A wrong pointer or a
// second free ends the program with a failed assertion.
void
mem_free(void *object);

// Bounds the heap to `pages` pages; without it the quota is the bound.
void
mem_limit(u64 pages);

// Pages that the heap holds now.
u64
mem_pages(void);
