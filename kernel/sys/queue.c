// SPDX-License-Identifier: BSD-2-Clause
// Block queues: binding, starting operations, completing them.
//
// What a queue may touch is settled when it is bound: an extent of blocks, a
// region of frames, the frame of the queue itself. Each operation is copied out
// of shared memory once, compared with that, and given to the disk with its
// frames pinned. A queue ends when one of the capabilities under it goes; what
// it had started runs on without an owner ("orphans"), keeps its frames pinned,
// and holds back everybody's operations on the same blocks, so that a new owner
// of those blocks never sees an old write land after its own.
//
// Invariants:
//   U1  `control` is touched only while `running`
//   U2  open operations + completions not yet read <= QUEUE_SLOTS
//   U3  the frames of an operation with the device are pinned
//   U4  no operation starts on blocks that an orphan is working on
//
// The disk is shared fairly: with n queues bound, each may have one n-th of the
// operations that the device takes.

#include "kernel/sys/queue.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/span.h"
#include "kernel/base/string.h"
#include "kernel/dev/disk.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/call.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/volume.h"

#define QUEUE_NONE 0xffffffffu
#define QUEUE_FABRIC 0xfffffffeu

struct queue {
	bool bound;		// the entry is in use
	bool running;		// not stopped by a revocation
	bool reads;
	bool writes;
	bool stalled;		// operations wait in the ring
	u32 owner;		// index of the environment
	u32 blocks_node;	// capabilities that it was bound under
	u32 memory_node;
	u32 region_node;
	u64 block_first;
	u64 block_count;
	u32 volume;		// whose blocks these are, or VOLUME_RAW
	u32 root_first;		// roots of it
	u32 root_count;
	u64 offset;		// of its blocks on the disk
	u64 region_first;
	u64 region_count;
	u64 memory_frame;
	struct queue_control *control;	// shared with the owner
	u32 taken;		// submissions looked at
	u32 completed;		// completions written
	u32 open;		// operations with the device
};

// An operation with the device.
struct operation {
	bool open;
	bool withdrawn;		// a peer's that is an orphan by now
	u32 queue;		// QUEUE_NONE: an orphan; QUEUE_FABRIC: a peer's
	u32 count;		// blocks and frames
	u64 block;
	u32 pinned;		// frames of a queue's, from `frame` on
	u64 frame;
	u64 tag;		// of a peer's: its ticket
	struct volume_flight flight;
};

static struct queue queues[QUEUES_MAX];
static struct operation operations[DISK_FLIGHTS_MAX];
static u32 free_operations[DISK_FLIGHTS_MAX];
static u32 free_count;
static u32 orphans;
static u32 fabric_open;		// operations of peers with the device
static u32 turn;		// the queue that goes on first

static void
complete(struct queue *q, u64 tag, i64 status)
{
	struct queue_complete *c = &q->control->complete[q->completed % QUEUE_SLOTS];

	ASSERT(q->running);
	*c = (struct queue_complete){ .tag = tag, .status = (i32)status };
	q->completed++;
	shared_store(&q->control->complete_head, q->completed);
	env_hint(q->owner);
}

static bool
clears(u32 op)
{
	return op == QUEUE_TRIM || op == QUEUE_ZERO;
}

// What is wrong with a submission, or 0.
static i64
judge(const struct queue *q, const struct queue_submit *s)
{
	bool raw = q->volume == VOLUME_RAW;

	if (!raw && s->root - q->root_first >= q->root_count)
		return -E_RANGE;
	if (s->op == QUEUE_FLUSH)
		return s->count == 0 ? 0 : -E_ARGUMENT;
	if (raw && clears(s->op) ? s->count > QUEUE_CLEAR_MAX
				 : s->op > (raw ? QUEUE_WRITE : QUEUE_STORE) ||
				   s->count > QUEUE_BLOCKS_MAX)
		return -E_ARGUMENT;
	if (s->count == 0)
		return -E_ARGUMENT;
	if (s->op == QUEUE_READ ? !q->reads
				: !q->writes || disk_facts()->read_only)
		return -E_RIGHTS;
	if (!span_covers(q->block_first, q->block_count, s->block, s->count) ||
	    q->offset + s->block + s->count > disk_facts()->blocks)
		return -E_RANGE;
	if (raw && volume_covers(s->block, s->count))
		return -E_TAKEN;
	if (s->op == QUEUE_STORE)
		return s->count == 1 ? 0 : -E_ARGUMENT;
	if (clears(s->op))
		return disk_can(s->op) ? 0 : -E_ABSENT;
	return span_covers(q->region_first, q->region_count, s->frame, s->count)
		       ? 0 : -E_RANGE;
}

bool
queue_works_on(u64 block, u64 count, bool orphaned)
{
	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++) {
		const struct operation *o = &operations[i];

		if (o->open && (o->queue == QUEUE_NONE || o->withdrawn || !orphaned) &&
		    span_meets(block, count, o->block, o->count))
			return true;
	}
	return false;
}

// U4: is an orphan working on these blocks? Of a volume one flush goes at a time.
static bool
held_back(const struct queue *q, const struct queue_submit *s)
{
	if (q->volume != VOLUME_RAW && s->op == QUEUE_FLUSH)
		return volume_flushes(q->volume);
	return orphans && queue_works_on(q->offset + s->block, s->count, true);
}

// The device has taken an operation under the number that is the next free one.
static void
opened(const struct disk_op *op, u32 queue, u64 tag, struct volume_flight flight)
{
	struct operation *o = &operations[free_operations[--free_count]];

	ASSERT(!o->open);
	*o = (struct operation){
		.open = true,
		.queue = queue,
		.count = op->count,
		.block = op->block,
		.pinned = queue == QUEUE_FABRIC || clears(op->kind) ? 0 : op->count,
		.frame = op->physical >> PAGE_SHIFT,
		.tag = tag,
		.flight = flight,
	};
	if (o->pinned)
		own_pin(&frames, o->frame, o->pinned);			// U3
}

static void
start(struct queue *q, const struct queue_submit *s)
{
	struct disk_op op = {
		.kind = (enum queue_op)s->op,
		.count = s->count,
		.block = q->offset + s->block,
		.physical = (u64)s->frame << PAGE_SHIFT,
	};
	struct volume_flight flight = { .volume = VOLUME_RAW };
	i64 status = 0;

	ASSERT(free_count > 0);
	if (op.kind == QUEUE_FLUSH)
		op.block = 0;
	if (q->volume != VOLUME_RAW)
		status = volume_start(q->volume, s, &op, &flight);
	if (status || !disk_start(&op, free_operations[free_count - 1])) {
		if (!status)
			volume_finish(&flight, true, true);
		complete(q, s->tag, MIN(status, 0));
		return;
	}
	opened(&op, (u32)(q - queues), s->tag, flight);
	q->open++;
}

static u32
share(void)
{
	u32 bound = fabric_on();

	for (u32 i = 0; i < QUEUES_MAX; i++)
		bound += queues[i].bound;
	ASSERT(bound > 0);
	return DISK_FLIGHTS_MAX / bound;
}

// Room for one more operation: at the device, in this queue's share, and in its
// completion ring, whose tail the program may have set to anything.
static bool
has_room(const struct queue *q, u32 limit)
{
	u32 tail = shared_load(&q->control->complete_tail);
	u32 unread = MIN(q->completed - tail, QUEUE_SLOTS);

	return unread + q->open < QUEUE_SLOTS && q->open < limit &&
	       disk_room() > 0 && free_count > 0;
}

// Starts what lies before `head` as far as there is room; the rest waits.
static void
take_submissions(struct queue *q, u32 head)
{
	u32 limit = share();

	q->stalled = false;
	if (head - q->taken > QUEUE_SLOTS)
		return;
	for (u32 i = 0; i < QUEUE_SLOTS && q->taken != head; i++) {
		struct queue_submit s;

		memcpy(&s, &q->control->submit[q->taken % QUEUE_SLOTS], sizeof(s));
		__atomic_signal_fence(__ATOMIC_SEQ_CST);

		i64 wrong = judge(q, &s);

		if (!has_room(q, limit) || (!wrong && held_back(q, &s))) {
			q->stalled = true;
			break;
		}
		q->taken++;
		if (wrong)
			complete(q, s.tag, wrong);
		else
			start(q, &s);
	}
	shared_store(&q->control->submit_tail, q->taken);
}

// The device is done with an operation.
static void
finish(u32 index, bool succeeded)
{
	struct operation *o = &operations[index];

	ASSERT(index < DISK_FLIGHTS_MAX && o->open);
	o->open = false;
	free_operations[free_count++] = index;
	if (o->queue == QUEUE_FABRIC) {
		orphans -= o->withdrawn;
		fabric_open--;
		fabric_block_done((u32)o->tag, succeeded);
		return;
	}
	if (o->pinned)
		own_unpin(&frames, o->frame, o->pinned);
	volume_finish(&o->flight, succeeded, o->queue != QUEUE_NONE);
	if (o->queue == QUEUE_NONE) {
		orphans--;
		return;
	}

	struct queue *q = &queues[o->queue];

	ASSERT(q->bound && q->running && q->open > 0);
	q->open--;
	complete(q, o->tag, succeeded ? 0 : -E_DEVICE);
}

void
queue_push(void)
{
	disk_push();
	if (disk_look_ns < cpus[0].timer_at_ns)
		sched_kick(0);
}

// Takes what finished and lets waiting queues go on, another one first each
// time.
void
queue_look(void)
{
	u32 index;
	bool succeeded;

	// One more than can be open, so that the device hears that nothing is left.
	for (u32 i = 0; i <= DISK_FLIGHTS_MAX; i++) {
		if (!disk_finished(&index, &succeeded))
			break;
		finish(index, succeeded);
	}
	turn = (turn + 1) % QUEUES_MAX;
	for (u32 i = 0; i < QUEUES_MAX; i++) {
		struct queue *q = &queues[(turn + i) % QUEUES_MAX];

		if (q->stalled)
			take_submissions(q, shared_load(&q->control->submit_head));
	}
	if (fabric_deadline() == 0)
		fabric_work(clock_ns());
	queue_push();
}

void
queue_init(void)
{
	if (!disk_init(queue_look))
		return;
	sys_info.disk_blocks = disk_facts()->blocks;
	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++)
		free_operations[free_count++] = i;
}

struct bind_checked {
	u32 index;		// free entry
	struct queue queue;	// that it becomes
};

// What the capability for blocks, or for roots of a volume, lets it reach.
static i64
check_blocks(const struct env *env, u32 slot, struct queue *q)
{
	const struct cap *cap;
	i64 error = cap_lookup(&caps, env->index, slot, CAP_BLOCKS, 0, &cap);

	if (error == -E_TYPE)
		error = cap_lookup(&caps, env->index, slot, CAP_VOLUME, 0, &cap);
	if (error)
		return error;
	if (!(cap->rights & (CAP_READ | CAP_WRITE)))
		return -E_RIGHTS;
	q->reads = cap->rights & CAP_READ;
	q->writes = cap->rights & CAP_WRITE;
	q->blocks_node = cap_node(&caps, cap);
	q->volume = VOLUME_RAW;
	q->block_first = cap->base;
	q->block_count = cap->count;
	if (cap->type == CAP_BLOCKS)
		return 0;
	q->root_first = (u32)cap->base % VOLUME_ROOTS_MAX;
	q->root_count = (u32)cap->count;
	q->block_first = 0;
	q->volume = (u32)cap->base / VOLUME_ROOTS_MAX;
	return volume_extent(q->volume, &q->offset, &q->block_count);
}

// Fills in what capabilities give.
static i64
check_authority(const struct env *env, const struct queue_spec *s, struct queue *q)
{
	*q = (struct queue){
		.bound = true,
		.running = true,
		.owner = env->index,
		.region_first = s->region_frame,
		.region_count = s->region_count,
		.memory_frame = s->queue_frame,
	};

	i64 error = check_blocks(env, s->blocks_slot, q);

	if (error)
		return error;
	error = check_frames(env, s->queue_slot, CAP_READ | CAP_WRITE,
			     s->queue_frame, 1, &q->memory_node);
	if (error)
		return error;
	return check_frames(env, s->region_slot, CAP_READ | CAP_WRITE,
			    s->region_frame, s->region_count, &q->region_node);
}

i64
check_queue_bind(struct call *call)
{
	struct bind_checked *c = CHECKED(call, struct bind_checked);
	struct queue_spec spec;
	i64 error;

	if (!disk_works())
		return -E_ABSENT;
	error = user_read(call->env, call->a[0], &spec, sizeof(spec));
	if (!error)
		error = check_authority(call->env, &spec, &c->queue);
	if (error)
		return error;
	FIND_FIRST(c->index, QUEUES_MAX, !queues[c->index].bound);
	return SCARCE(c->index == QUEUES_MAX) ? -E_TABLE : check_ring_room(call);
}

i64
do_queue_bind(struct call *call)
{
	const struct bind_checked *c = CHECKED(call, struct bind_checked);
	struct queue *q = &queues[c->index];

	ASSERT(!q->bound && q->open == 0);
	*q = c->queue;
	q->control = frame_memory(q->memory_frame);
	memset(q->control, 0, sizeof(*q->control));
	return mint_ring(call, CAP_QUEUE, (q->reads ? CAP_READ : 0) |
			 (q->writes ? CAP_WRITE : 0) | CAP_DERIVE, c->index);
}

i64
check_queue_kick(struct call *call)
{
	u32 *head = CHECKED(call, u32);
	const struct queue *q = &queues[call->cap->base];

	ASSERT(q->bound);
	if (!q->running)
		return -E_STATE;
	if (!disk_works())
		return -E_DEVICE;
	*head = shared_load(&q->control->submit_head);
	return *head - q->taken <= QUEUE_SLOTS ? 0 : -E_ARGUMENT;
}

i64
do_queue_kick(struct call *call)
{
	take_submissions(&queues[call->cap->base], *CHECKED(call, u32));
	queue_look();
	return 0;
}

// What the queue started belongs to nobody from now on.
static void
orphan_operations(struct queue *q)
{
	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++) {
		struct operation *o = &operations[i];

		if (!o->open || o->queue != (u32)(q - queues))
			continue;
		o->queue = QUEUE_NONE;
		orphans++;
		q->open--;
	}
	ASSERT(q->open == 0);
}

void
queue_destroy(u32 index)
{
	ASSERT(index < QUEUES_MAX && queues[index].bound);

	struct queue *q = &queues[index];

	orphan_operations(q);
	quota_return_ring(&envs[q->owner]);
	*q = (struct queue){ 0 };
}

// Did it need, under that capability, a unit from `from` on?
static bool
stands_on(const struct queue *q, u32 cap_node, u64 from)
{
	return (q->blocks_node == cap_node &&
		q->block_first + q->block_count > from) ||
	       (q->region_node == cap_node &&
		q->region_first + q->region_count > from) ||
	       (q->memory_node == cap_node && q->memory_frame >= from);
}

static void
stop(struct queue *q)
{
	if (!q->bound || !q->running)
		return;
	orphan_operations(q);
	q->running = false;						// U1
	q->stalled = false;
	env_hint(q->owner);
}

void
queue_cap_gone(u32 cap_node, u64 from)
{
	for (u32 i = 0; i < QUEUES_MAX; i++) {
		if (stands_on(&queues[i], cap_node, from))
			stop(&queues[i]);
	}
}

void
queue_volume_gone(u32 volume)
{
	for (u32 i = 0; i < QUEUES_MAX; i++) {
		if (queues[i].volume == volume)
			stop(&queues[i]);
	}
	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++) {
		if (operations[i].flight.volume == volume)
			operations[i].flight.volume = VOLUME_RAW;
	}
}

enum queue_fabric
queue_fabric_start(u32 ticket, enum queue_op op, u64 block, u32 count, u64 physical)
{
	struct disk_op disk = { op, count, count ? block : 0, physical };

	if (!disk_works() || (op != QUEUE_READ && disk_facts()->read_only) ||
	    disk.block + count > disk_facts()->blocks ||
	    (count && volume_covers(block, count)))
		return QUEUE_FABRIC_FAILED;
	if (!free_count || !disk_room() || fabric_open >= share() ||
	    (count && orphans && queue_works_on(block, count, true)))
		return QUEUE_FABRIC_FULL;
	if (!disk_start(&disk, free_operations[free_count - 1]))
		return QUEUE_FABRIC_DONE;
	opened(&disk, QUEUE_FABRIC, ticket, (struct volume_flight){ .volume = VOLUME_RAW });
	fabric_open++;
	return QUEUE_FABRIC_STARTED;
}

void
queue_fabric_withdrawn(u64 block, u64 count)
{
	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++) {
		struct operation *o = &operations[i];

		if (!o->open || o->queue != QUEUE_FABRIC || o->withdrawn ||
		    !o->count || !span_meets(block, count, o->block, o->count))
			continue;
		o->withdrawn = true;
		orphans++;
	}
}

u64
queue_volume_busy(u32 volume)
{
	u64 busy = 0;

	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++) {
		if (operations[i].open && operations[i].flight.volume == volume)
			busy += operations[i].flight.count;
	}
	return busy;
}

u64
queue_pins(void)
{
	u64 pins = 0;
	u32 open = 0, ownerless = 0;

	for (u32 i = 0; i < DISK_FLIGHTS_MAX; i++) {
		const struct operation *o = &operations[i];

		if (!o->open)
			continue;
		open++;
		ownerless += o->queue == QUEUE_NONE || o->withdrawn;
		pins += o->pinned;					// U3
	}
	ASSERT(ownerless == orphans);
	ASSERT(!sys_info.disk_blocks || open + free_count == DISK_FLIGHTS_MAX);
	return pins;
}
