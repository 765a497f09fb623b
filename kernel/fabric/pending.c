// SPDX-License-Identifier: BSD-2-Clause
// Pending operations: a pool, their pins, their end. A queue may have
// FABRIC_OPEN_MAX of them, so that the pool runs out only while those of queues
// that went have not ended.

#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"

struct pending pendings[PENDING_MAX];
static u32 free_first;
static u64 serial;

void
pending_init(void)
{
	for (u32 i = 0; i < PENDING_MAX; i++)
		pendings[i].next_free = i + 1 < PENDING_MAX ? i + 1 : NONE;
}

bool
pending_room(void)
{
	return free_first != NONE;
}

struct pending *
pending_take(struct fabric_queue *queue, enum pending_kind kind,
	     const struct fabric_submit *s)
{
	ASSERT(free_first != NONE);

	struct pending *p = &pendings[free_first];

	ASSERT(p->kind == PENDING_FREE);
	free_first = p->next_free;
	// Of one that is free all else is zero.
	p->kind = (u8)kind;
	p->op = s->op;
	p->queue = (u32)(queue - fabric_queues);
	p->id = p->held = NONE;
	p->tag = s->tag;
	p->serial = ++serial;
	queue->open++;
	return p;
}

void
pending_pin(struct pending *p, u64 local, u32 len)
{
	ASSERT(!p->pin_count);
	if (!len)
		return;
	p->pin_frame = local >> PAGE_SHIFT;
	p->pin_count = (u32)(((local + len - 1) >> PAGE_SHIFT) - p->pin_frame + 1);
	own_pin(&frames, p->pin_frame, p->pin_count);			// F3
}

void
pending_end(struct pending *p, struct fabric_complete *c)
{
	ASSERT(p->kind != PENDING_FREE);
	if (p->pin_count)
		own_unpin(&frames, p->pin_frame, p->pin_count);
	if (p->queue != NONE) {
		struct fabric_queue *queue = &fabric_queues[p->queue];

		ASSERT(queue->running && queue->open > 0);
		c->tag = p->tag;
		c->op = p->op;
		queue->open--;
		queue_complete(queue, c);
	}
	*p = (struct pending){ .next_free = free_first };
	free_first = (u32)(p - pendings);
}

void
pending_orphan(u32 queue)
{
	for (u32 i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &pendings[i];

		if (p->kind == PENDING_FREE || p->queue != queue)
			continue;
		p->queue = NONE;
		fabric_queues[queue].open--;
		if (p->kind == PENDING_OPERATION)
			rcap_cancel(fabric.rcap, clock_ns(), p->id);
		else if (p->kind == PENDING_ACCEPT)
			pending_end(p, &(struct fabric_complete){ 0 });
	}
	ASSERT(fabric_queues[queue].open == 0);
}

// The oldest place that an environment has ready for a capability.
struct pending *
pending_accept(u32 env)
{
	struct pending *oldest = NULL;

	for (u32 i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &pendings[i];

		if (p->kind == PENDING_ACCEPT && p->queue != NONE &&
		    fabric_queues[p->queue].owner == env &&
		    (!oldest || p->serial < oldest->serial))
			oldest = p;
	}
	return oldest;
}

u64
fabric_pins(void)
{
	u64 pins = 0;
	u32 taken = 0, free = 0;

	if (!fabric.on)
		return 0;
	for (u32 i = 0; i < PENDING_MAX; i++) {
		taken += pendings[i].kind != PENDING_FREE;
		pins += pendings[i].pin_count;
	}
	for (u32 i = free_first; i != NONE; i = pendings[i].next_free) {
		free++;
		ASSERT(free <= PENDING_MAX);
	}
	ASSERT(taken + free == PENDING_MAX);
	return pins;
}
