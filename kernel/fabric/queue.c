// SPDX-License-Identifier: BSD-2-Clause
// Fabric queues: binding, taking submissions, writing completions, the end.
//
// What a queue may touch is settled when it is bound: a capability for the
// fabric, the frames of the queue, a region of frames. Each submission is copied
// out of shared memory once; submit.c compares it with that and with the
// capability that it names. A queue ends when one of the capabilities under it
// goes: what it had started is cancelled, belongs to nobody, and keeps its frames
// pinned until it has ended.
//
// Invariants F1, F2: state.h.

#include "kernel/abi/errors.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/call.h"
#include "kernel/sys/wait.h"

struct fabric_queue fabric_queues[FABRIC_QUEUES_MAX];
static u32 turn;		// the queue that goes on first
static bool stalled;		// false: none is

void
queue_complete(struct fabric_queue *queue, const struct fabric_complete *c)
{
	ASSERT(queue->running);						// F1
	queue->control->complete[queue->completed % FABRIC_COMPLETE_SLOTS] = *c;
	queue->completed++;
	__atomic_store_n(&queue->control->complete_head, queue->completed,
			 __ATOMIC_RELEASE);
	env_hint(queue->owner);
	if (unlikely(stalled))
		fabric.due = 0;		// there is room for what waits
}

// The program may have set it to anything.
static u32
complete_tail(const struct fabric_queue *queue)
{
	return __atomic_load_n(&queue->control->complete_tail, __ATOMIC_ACQUIRE);
}

// Room for one more, with the pool and in the completion ring (F2).
static bool
has_room(const struct fabric_queue *queue)
{
	u32 unread = MIN(queue->completed - complete_tail(queue), FABRIC_COMPLETE_SLOTS);

	return unread + queue->open < FABRIC_COMPLETE_SLOTS &&
	       queue->open < FABRIC_OPEN_MAX && pending_room();
}

static u32
submit_head(const struct fabric_queue *queue)
{
	return __atomic_load_n(&queue->control->submit_head, __ATOMIC_ACQUIRE);
}

// Once; the operand of an operation that has one.
static void
copy_out(struct fabric_submit *s, const struct fabric_submit *shared)
{
	__builtin_memcpy(s, shared, FABRIC_SUBMIT_HEAD);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (fabric_has_operand(s->op))
		memcpy((u8 *)s + FABRIC_SUBMIT_HEAD,
		       (const u8 *)shared + FABRIC_SUBMIT_HEAD,
		       sizeof(*s) - FABRIC_SUBMIT_HEAD);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void
take_submissions(struct fabric_queue *queue, u32 head)
{
	filled_ struct fabric_submit s;

	queue->stalled = false;
	if (head - queue->taken > FABRIC_SUBMIT_SLOTS)
		return;
	for (u32 i = 0; i < FABRIC_SUBMIT_SLOTS && queue->taken != head; i++) {
		if (!has_room(queue)) {
			queue->stalled = stalled = true;
			break;
		}
		copy_out(&s, &queue->control->submit[queue->taken %
						     FABRIC_SUBMIT_SLOTS]);
		queue->taken++;
		submit_one(queue, &s);
	}
	__atomic_store_n(&queue->control->submit_tail, queue->taken,
			 __ATOMIC_RELEASE);
}

void
queues_resume(void)
{
	if (likely(!stalled))
		return;
	stalled = false;
	turn = (turn + 1) % FABRIC_QUEUES_MAX;
	for (u32 i = 0; i < FABRIC_QUEUES_MAX; i++) {
		struct fabric_queue *queue =
			&fabric_queues[(turn + i) % FABRIC_QUEUES_MAX];

		if (queue->running && queue->stalled)
			take_submissions(queue, submit_head(queue));
	}
}

struct bind_checked {
	struct fabric_spec spec;
	u32 index;		// free entry
	u32 fabric_node;
	u32 memory_node;
	u32 region_node;
};

static i64
check_authority(const struct env *env, struct bind_checked *c)
{
	const struct fabric_spec *s = &c->spec;
	const struct cap *cap;
	i64 error = cap_lookup(&caps, env->index, s->fabric_slot, CAP_FABRIC,
			       CAP_WRITE, &cap);

	if (error)
		return error;
	c->fabric_node = cap_node(&caps, cap);
	error = check_frames(env, s->queue_slot, CAP_READ | CAP_WRITE,
			     s->queue_frame, FABRIC_QUEUE_FRAMES, &c->memory_node);
	if (error)
		return error;
	return check_frames(env, s->region_slot, CAP_READ | CAP_WRITE,
			    s->region_frame, s->region_count, &c->region_node);
}

i64
check_fabric_bind(struct call *call)
{
	struct bind_checked *c = CHECKED(call, struct bind_checked);
	i64 error;

	if (!fabric.on)
		return -E_ABSENT;
	error = user_read(call->env, call->a[0], &c->spec, sizeof(c->spec));
	if (error)
		return error;
	error = check_authority(call->env, c);
	if (error)
		return error;
	for (c->index = 0; c->index < FABRIC_QUEUES_MAX; c->index++) {
		if (!fabric_queues[c->index].bound)
			break;
	}
	return SCARCE(c->index == FABRIC_QUEUES_MAX) ? -E_TABLE
						     : check_ring_room(call);
}

i64
do_fabric_bind(struct call *call)
{
	const struct bind_checked *c = CHECKED(call, struct bind_checked);
	struct fabric_queue *queue = &fabric_queues[c->index];

	ASSERT(!queue->bound && queue->open == 0);
	*queue = (struct fabric_queue){
		.bound = true,
		.running = true,
		.owner = call->env->index,
		.fabric_node = c->fabric_node,
		.memory_node = c->memory_node,
		.region_node = c->region_node,
		.region_first = c->spec.region_frame,
		.region_count = c->spec.region_count,
		.memory_frame = c->spec.queue_frame,
		.control = frame_memory(c->spec.queue_frame),
	};
	memset(queue->control, 0, sizeof(*queue->control));
	return mint_ring(call, CAP_FABRIC_QUEUE, CAP_READ | CAP_WRITE, c->index);
}

struct kick_checked {
	u32 head;
	struct env_wait wait[WAIT_WORDS_MAX];	// of fabric_wait; one, of fabric_sleep
};

i64
check_fabric_kick(struct call *call)
{
	struct kick_checked *c = CHECKED(call, struct kick_checked);
	const struct fabric_queue *queue = &fabric_queues[call->cap->base];

	ASSERT(queue->bound);
	if (!queue->running)
		return -E_STATE;
	c->head = submit_head(queue);
	return c->head - queue->taken <= FABRIC_SUBMIT_SLOTS ? 0 : -E_ARGUMENT;
}

i64
do_fabric_kick(struct call *call)
{
	take_submissions(&fabric_queues[call->cap->base],
			 CHECKED(call, struct kick_checked)->head);
	fabric_submitted(clock_ns());
	return 0;
}

i64
check_fabric_wait(struct call *call)
{
	i64 error = check_fabric_kick(call);

	return error ? error : wait_check(call, call->a[1], call->a[2],
					  CHECKED(call, struct kick_checked)->wait);
}

i64
do_fabric_wait(struct call *call)
{
	do_fabric_kick(call);
	return wait_begin(call->env, CHECKED(call, struct kick_checked)->wait,
			  (u32)call->a[2], call->a[3]);
}

i64
check_fabric_sleep(struct call *call)
{
	const struct fabric_queue *queue = &fabric_queues[call->cap->base];
	i64 error = check_fabric_kick(call);

	if (error)
		return error;
	CHECKED(call, struct kick_checked)->wait[0] = (struct env_wait){
		.frame = queue->memory_frame,
		.offset = offsetof(struct fabric_control, complete_head),
		.expected = complete_tail(queue),
	};
	return call->env->serving ? -E_STATE : 0;
}

i64
do_fabric_sleep(struct call *call)
{
	do_fabric_kick(call);
	return wait_begin(call->env, CHECKED(call, struct kick_checked)->wait, 1,
			  call->a[1]);
}

// It takes and completes nothing any more.
static void
stop(struct fabric_queue *queue)
{
	u32 index = (u32)(queue - fabric_queues);

	queue->stalled = false;
	endpoints_queue_gone(index);
	pending_orphan(index);
	queue->running = false;
	fabric.due = 0;
}

void
fabric_queue_destroy(u32 index)
{
	ASSERT(index < FABRIC_QUEUES_MAX && fabric_queues[index].bound);

	struct fabric_queue *queue = &fabric_queues[index];

	if (queue->running)
		stop(queue);
	quota_return_ring(&envs[queue->owner]);
	*queue = (struct fabric_queue){ 0 };
}

// Did it need, under that capability, a frame from `from` on?
static bool
stands_on(const struct fabric_queue *queue, u32 node, u64 from)
{
	return queue->fabric_node == node ||
	       (queue->memory_node == node &&
		queue->memory_frame + FABRIC_QUEUE_FRAMES > from) ||
	       (queue->region_node == node &&
		queue->region_first + queue->region_count > from);
}

void
fabric_cap_gone(u32 node, u64 from)
{
	if (!fabric.on)
		return;
	endpoints_cap_gone(node);
	invoke_cap_gone(node, from);
	leases_cap_gone(node, from);
	for (u32 i = 0; i < FABRIC_QUEUES_MAX; i++) {
		struct fabric_queue *queue = &fabric_queues[i];

		if (!queue->running || !stands_on(queue, node, from))
			continue;
		stop(queue);
		env_hint(queue->owner);
	}
}
