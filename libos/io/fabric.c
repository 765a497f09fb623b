// SPDX-License-Identifier: BSD-2-Clause
// Fabric queue glue.
//
// Invariant: open + kept <= FABRIC_OPEN_MAX, so neither ring can overrun.

#include "libos/io/fabric.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

i64
fabric_open(struct fabric_queue *queue, u32 fabric_slot,
	    const struct frame_run *region)
{
	struct fabric_spec spec = {
		.fabric_slot = fabric_slot,
		.region_slot = region->slot,
		.region_frame = region->frame,
		.region_count = region->count,
	};
	i64 result;

	*queue = (struct fabric_queue){
		.slot = SLOT_NONE,
		.fabric_slot = fabric_slot,
		.region = *region,
	};
	result = frames_take(FABRIC_QUEUE_FRAMES, &queue->memory);
	if (result)
		return result;
	spec.queue_slot = queue->memory.slot;
	spec.queue_frame = queue->memory.frame;
	result = sys_fabric_bind(&spec);
	if (result < 0) {
		frames_give(&queue->memory);
		return result;
	}
	queue->slot = (u32)result;
	queue->control = direct_address(queue->memory.frame);
	return 0;
}

void
fabric_close(struct fabric_queue *queue)
{
	ASSERT(queue->slot != SLOT_NONE);
	cap_drop_all(queue->slot);
	frames_give(&queue->memory);
	queue->slot = SLOT_NONE;
}

u64
fabric_local(const void *address)
{
	ASSERT(is_direct(address));
	return (u64)address - DIRECT_BASE;
}

bool
fabric_put(struct fabric_queue *queue, const struct fabric_submit *submit)
{
	u32 taken = __atomic_load_n(&queue->control->submit_tail,
				    __ATOMIC_ACQUIRE);
	struct fabric_submit *slot;

	ASSERT(queue->open + queue->kept_count <= FABRIC_OPEN_MAX);
	if (queue->open + queue->kept_count == FABRIC_OPEN_MAX ||
	    queue->submit_head - taken == FABRIC_SUBMIT_SLOTS)
		return false;
	slot = &queue->control->submit[queue->submit_head % FABRIC_SUBMIT_SLOTS];
	__builtin_memcpy(slot, submit, fabric_has_operand(submit->op)
					       ? sizeof(*slot) : FABRIC_SUBMIT_HEAD);
	queue->open++;
	queue->submit_head++;
	__atomic_store_n(&queue->control->submit_head, queue->submit_head,
			 __ATOMIC_RELEASE);
	return true;
}

i64
fabric_flush(struct fabric_queue *queue)
{
	return sys_fabric_kick(queue->slot);
}

// However it woke: what was put was taken.
static i64
slept(i64 result)
{
	return result >= 0 || result == -E_TIMEOUT || result == -E_AGAIN ? 0 : result;
}

i64
fabric_flush_sleep(struct fabric_queue *queue, const struct wait_set *set)
{
	return slept(sys_fabric_wait(queue->slot, set->word, set->count,
				     set->deadline_ns));
}

i64
fabric_flush_await(struct fabric_queue *queue, u64 deadline_ns)
{
	return slept(sys_fabric_sleep(queue->slot, queue->kept_count ? 0 : deadline_ns));
}

void
fabric_window(struct fabric_queue *queue, u32 frames)
{
	__atomic_store_n(&queue->control->window, frames, __ATOMIC_RELAXED);
}

static bool
take_fresh(struct fabric_queue *queue, struct fabric_complete *complete)
{
	u32 head = __atomic_load_n(&queue->control->complete_head,
				   __ATOMIC_ACQUIRE);

	if (head == queue->complete_tail)
		return false;
	ASSERT(queue->open > 0);
	*complete = queue->control->complete[queue->complete_tail %
					     FABRIC_COMPLETE_SLOTS];
	queue->open--;
	queue->complete_tail++;
	__atomic_store_n(&queue->control->complete_tail, queue->complete_tail,
			 __ATOMIC_RELEASE);
	return true;
}

bool
fabric_take(struct fabric_queue *queue, struct fabric_complete *complete)
{
	if (!queue->kept_count)
		return take_fresh(queue, complete);
	*complete = queue->kept[0];
	queue->kept_count--;
	for (u32 i = 0; i < queue->kept_count; i++)
		queue->kept[i] = queue->kept[i + 1];
	return true;
}

void
fabric_watch(const struct fabric_queue *queue, struct wait_set *set)
{
	wait_word_add(set, &queue->control->complete_head,
		      queue->complete_tail);
	if (queue->kept_count)
		wait_until(set, 0);
}

// For a completion that is not there yet, whatever was kept. False: the deadline passed.
static bool
sleep(const struct fabric_queue *queue, u64 deadline_ns)
{
	filled_ struct wait_set set;

	wait_begin(&set);
	wait_word_add(&set, &queue->control->complete_head, queue->complete_tail);
	wait_until(&set, deadline_ns);
	return wait_sleep(&set) != -E_TIMEOUT;
}

bool
fabric_next(struct fabric_queue *queue, struct fabric_complete *complete,
	    u64 deadline_ns)
{
	while (!fabric_take(queue, complete)) {
		if (!sleep(queue, deadline_ns))
			return fabric_take(queue, complete);
	}
	return true;
}

i64
fabric_run(struct fabric_queue *queue, const struct fabric_submit *submit,
	   struct fabric_complete *complete)
{
	i64 error;

	if (!fabric_put(queue, submit))
		return -E_STATE;
	error = slept(sys_fabric_sleep(queue->slot, NEVER));
	if (error)
		return error;
	for (;;) {
		if (!take_fresh(queue, complete)) {
			sleep(queue, NEVER);
			continue;
		}
		if (complete->tag == submit->tag)
			return 0;
		ASSERT(queue->kept_count < FABRIC_COMPLETE_SLOTS);
		queue->kept[queue->kept_count++] = *complete;
	}
}
