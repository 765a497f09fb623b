// SPDX-License-Identifier: BSD-2-Clause
// A binary heap in an array: the parent of i is (i - 1) / 2, and never later
// than its children.

#include "harness/sim/heap.h"
#include "kernel/base/assert.h"

void
heap_init(struct heap *heap, struct event *event, u32 room)
{
	ASSERT(room > 0);
	*heap = (struct heap){ .event = event, .room = room };
}

static bool
earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
heap_add(struct heap *heap, struct event event)
{
	u32 at = heap->count++;

	ASSERT(heap->count <= heap->room);
	heap->most = MAX(heap->most, heap->count);
	event.order = heap->added++;
	while (at > 0 && earlier(&event, &heap->event[(at - 1) / 2])) {
		heap->event[at] = heap->event[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->event[at] = event;
}

// Puts `event` where the hole at the top has to move to.
static void
sink(struct heap *heap, const struct event *event)
{
	u32 at = 0;

	for (;;) {
		u32 child = 2 * at + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    earlier(&heap->event[child + 1], &heap->event[child]))
			child++;
		if (!earlier(&heap->event[child], event))
			break;
		heap->event[at] = heap->event[child];
		at = child;
	}
	heap->event[at] = *event;
}

bool
heap_take(struct heap *heap, struct event *event)
{
	if (!heap->count)
		return false;
	*event = heap->event[0];

	struct event last = heap->event[--heap->count];

	if (heap->count)
		sink(heap, &last);
	return true;
}

void
heap_check(const struct heap *heap)
{
	ASSERT(heap->count <= heap->room);
	for (u32 i = 1; i < heap->count; i++)
		ASSERT(earlier(&heap->event[(i - 1) / 2], &heap->event[i]));
}
