// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Frame buffers: the only memory that moves through the switch.
//
// A frame is read once into a buffer and then travels as a pointer: a flooded
// frame is one buffer with one reference for each port it waits on. Buffers
// come from slabs that the host hands over at start, one slab for each port,
// so nothing is allocated while frames move. The free list is last in, first
// out: a lightly loaded switch touches a handful of buffers again and again.
//
// Invariants:
//   F1  references is 0 exactly while a frame is on the free list.
//   F2  free_count <= total.
//   F3  the bytes of a frame with references > 1 do not change.
// Single-threaded; sans-IO.

#include "kernel/base/types.h"

// A 9000-byte payload with its Ethernet header, two VLAN tags and some slack.
#define FRAME_LEN_MAX 9600
#define FRAME_LEN_MIN 14
// Room directly before the bytes, so that a host's own framing (the length
// prefix of stream.h) goes out in one piece with them.
#define FRAME_HEADROOM 4

struct frame {
	struct frame *next; // on the free list
	u32 references;
	u32 len;
	u32 from; // the port it came in on
	u8 headroom[FRAME_HEADROOM];
	u8 data[FRAME_LEN_MAX];
};

STATIC_ASSERT(offsetof(struct frame, headroom) + FRAME_HEADROOM ==
	      offsetof(struct frame, data));

struct frame_pool {
	struct frame *free;
	u32 free_count;
	u32 total;
};

// Adds `count` buffers at `slab`, which the pool keeps for ever. The memory
// may be uninitialised.
void
frame_pool_add(struct frame_pool *pool, struct frame *slab, u32 count);

// Returns a buffer with one reference and no length, or NULL when all are out.
struct frame *
frame_alloc(struct frame_pool *pool);

// Takes one more reference. Cannot fail.
void
frame_hold(struct frame *frame);

// Gives one reference back; the last one returns the buffer to the pool.
void
frame_release(struct frame_pool *pool, struct frame *frame);

// Returns a frame with the same bytes that nobody else holds, consuming the
// caller's reference to `frame`; NULL when a copy was needed and the pool is
// empty (the reference is consumed then too).
struct frame *
frame_make_private(struct frame_pool *pool, struct frame *frame);

// A bounded first-in first-out queue of references.
#define FRAME_QUEUE_MAX 256u

struct frame_queue {
	u32 head;
	u32 count;
	struct frame *slots[FRAME_QUEUE_MAX];
};

// Appends, taking over the caller's reference. Returns false, and takes
// nothing, when the queue is full.
must_check bool
frame_queue_push(struct frame_queue *queue, struct frame *frame);

// Removes the oldest and hands its reference over; NULL when empty.
struct frame *
frame_queue_pop(struct frame_queue *queue);

// Frame number `index` from the oldest (0); index < queue->count.
struct frame *
frame_queue_at(const struct frame_queue *queue, u32 index);
