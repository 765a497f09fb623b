// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The event heap: what will happen, ordered by virtual time. Events of the same
// instant come in the order in which they were added, so that a run depends on
// nothing but its seed.

#include "kernel/base/types.h"

struct event {
	u64 at;			// virtual nanoseconds
	u64 order;		// the heap's: which was added first
	u32 kind;		// enum sim_event
	u32 node;
	u32 a, b;		// the kind's own
};

struct heap {
	struct event *event;
	u32 count;
	u32 room;
	u32 most;		// the largest count so far
	u64 added;
};

// Empties a heap over `room` events of the caller's memory.
void
heap_init(struct heap *heap, struct event *event, u32 room);

// Adds an event; `order` is filled in. Room is the caller's promise.
void
heap_add(struct heap *heap, struct event event);

// Takes the earliest event. False when there is none.
must_check bool
heap_take(struct heap *heap, struct event *event);

// Asserts the heap's order.
void
heap_check(const struct heap *heap);
