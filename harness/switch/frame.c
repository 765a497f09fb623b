// SPDX-License-Identifier: BSD-2-Clause
// Frame buffers and queues: see frame.h for the invariants.
//
// Everything here is a few instructions on the hot path of the switch; there
// is no locking, because the switch is one thread.

#include "harness/switch/frame.h"

#include "kernel/base/assert.h"
#include "kernel/base/string.h"

void
frame_pool_add(struct frame_pool *pool, struct frame *slab, u32 count)
{
	ASSERT(slab && count > 0);
	// Backwards, so that the slab's first buffers are handed out first.
	for (u32 i = count; i-- > 0;) {
		slab[i].references = 0;
		slab[i].next = pool->free;
		pool->free = &slab[i];
	}
	pool->free_count += count;
	pool->total += count;
}

struct frame *
frame_alloc(struct frame_pool *pool)
{
	struct frame *frame = pool->free;

	if (!frame)
		return NULL;
	ASSERT(frame->references == 0 && pool->free_count > 0);
	pool->free = frame->next;
	pool->free_count--;
	frame->next = NULL;
	frame->references = 1;
	frame->len = 0;
	return frame;
}

void
frame_hold(struct frame *frame)
{
	ASSERT(frame->references > 0);
	frame->references++;
}

void
frame_release(struct frame_pool *pool, struct frame *frame)
{
	ASSERT(frame->references > 0);
	if (--frame->references > 0)
		return;
	frame->next = pool->free;
	pool->free = frame;
	pool->free_count++;
	ASSERT(pool->free_count <= pool->total);
}

struct frame *
frame_make_private(struct frame_pool *pool, struct frame *frame)
{
	struct frame *copy;

	if (frame->references == 1)
		return frame;
	copy = frame_alloc(pool);
	if (copy) {
		ASSERT(frame->len <= FRAME_LEN_MAX);
		copy->len = frame->len;
		copy->from = frame->from;
		memcpy(copy->data, frame->data, frame->len);
	}
	frame_release(pool, frame);
	return copy;
}

bool
frame_queue_push(struct frame_queue *queue, struct frame *frame)
{
	ASSERT(frame->references > 0);
	if (queue->count == FRAME_QUEUE_MAX)
		return false;
	queue->slots[(queue->head + queue->count) % FRAME_QUEUE_MAX] = frame;
	queue->count++;
	return true;
}

struct frame *
frame_queue_pop(struct frame_queue *queue)
{
	struct frame *frame;

	if (queue->count == 0)
		return NULL;
	frame = queue->slots[queue->head];
	queue->head = (queue->head + 1) % FRAME_QUEUE_MAX;
	queue->count--;
	ASSERT(frame->references > 0);
	return frame;
}

struct frame *
frame_queue_at(const struct frame_queue *queue, u32 index)
{
	ASSERT(index < queue->count);
	return queue->slots[(queue->head + index) % FRAME_QUEUE_MAX];
}
