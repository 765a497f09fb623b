// SPDX-License-Identifier: BSD-2-Clause
// Block queue glue.
//
// Invariant: open <= QUEUE_SLOTS, so neither the submission nor the completion
// ring can overrun.

#include "libos/io/queue.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

i64
queue_open(struct queue *queue, u32 blocks_slot, const struct frame_run *region)
{
	struct queue_spec spec = {
		.blocks_slot = blocks_slot,
		.region_slot = region->slot,
		.region_frame = region->frame,
		.region_count = region->count,
	};
	i64 result;

	*queue = (struct queue){ .slot = SLOT_NONE };
	result = frames_take(1, &queue->memory);
	if (result)
		return result;
	spec.queue_slot = queue->memory.slot;
	spec.queue_frame = queue->memory.frame;
	result = sys_queue_bind(&spec);
	if (result < 0) {
		frames_give(&queue->memory);
		return result;
	}
	queue->slot = (u32)result;
	queue->control = direct_address(queue->memory.frame);
	return 0;
}

void
queue_close(struct queue *queue)
{
	ASSERT(queue->slot != SLOT_NONE);
	cap_drop_all(queue->slot);
	frames_give(&queue->memory);
	queue->slot = SLOT_NONE;
}

bool
queue_put(struct queue *queue, enum queue_op op, u64 block, u64 frame,
	  u32 count, u64 tag)
{
	ASSERT(queue->open <= QUEUE_SLOTS);
	if (queue->open == QUEUE_SLOTS)
		return false;
	queue->control->submit[queue->submit_head % QUEUE_SLOTS] =
		(struct queue_submit){
			.block = block,
			.frame = (u32)frame,
			.count = (u16)count,
			.op = (u8)op,
			.root = queue->root,
			.tag = tag,
		};
	queue->open++;
	queue->submit_head++;
	__atomic_store_n(&queue->control->submit_head, queue->submit_head,
			 __ATOMIC_RELEASE);
	return true;
}

i64
queue_flush(struct queue *queue)
{
	return sys_queue_kick(queue->slot);
}

bool
queue_take(struct queue *queue, u64 *tag, i32 *status)
{
	const struct queue_complete *done;
	u32 head = __atomic_load_n(&queue->control->complete_head,
				   __ATOMIC_ACQUIRE);

	if (head == queue->complete_tail)
		return false;
	ASSERT(queue->open > 0);
	done = &queue->control->complete[queue->complete_tail % QUEUE_SLOTS];
	*tag = done->tag;
	*status = done->status;
	queue->open--;
	queue->complete_tail++;
	__atomic_store_n(&queue->control->complete_tail, queue->complete_tail,
			 __ATOMIC_RELEASE);
	return true;
}

void
queue_watch(const struct queue *queue, struct wait_set *set)
{
	wait_word_add(set, &queue->control->complete_head,
		      queue->complete_tail);
}

i64
queue_run(struct queue *queue, enum queue_op op, u64 block, u64 frame,
	  u32 count, u64 deadline_ns)
{
	struct wait_set set;
	u64 tag;
	i32 status;
	i64 error;

	ASSERT(queue->open == 0);
	if (!queue_put(queue, op, block, frame, count, 0))
		return -E_STATE;
	error = queue_flush(queue);
	if (error)
		return error;
	while (!queue_take(queue, &tag, &status)) {
		wait_begin(&set);
		queue_watch(queue, &set);
		wait_until(&set, deadline_ns);
		if (wait_sleep(&set) == -E_TIMEOUT)
			return -E_TIMEOUT;
	}
	return status;
}
