// SPDX-License-Identifier: BSD-2-Clause
// The agent's two queues, the fabric's and the disk's, and the region that both move
// data in. Tasks put operations here and wait; completions wake them.
//
// Invariants:
//   O1  of the fabric queue's FABRIC_OPEN_MAX, each class of operation has a share
//       (hosts.h), so messages never wait for what tasks do
//   O2  an entry of op[] is in use from the put to its completion, and its task waits
//   O3  pages of the region are in one of the two states that `used` says; whoever
//       took some gives back the same

#include "cluster/agent/hosts.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/task.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/remote/far.h"

#define REGION_PAGES_MAX 512u
#define RETRY_NS NS_PER_MS

struct op {
	struct thread *task;		// NULL: free
	struct fabric_complete *complete;
	u32 *left;
};

struct disk_op {
	struct thread *task;		// NULL: free
	i32 status;
	bool done;
};

static struct fabric_queue fabric;
static struct queue disk = { .slot = SLOT_NONE };
static struct frame_run region;
static bool used[REGION_PAGES_MAX];
static struct op ops[TASKS_OPEN];
static struct disk_op disk_ops[QUEUE_SLOTS];
static struct task_grant *grants;
static bool fabric_waits, disk_waits;	// something was put and not handed over

const struct fabric_queue *
operations_queue(void)
{
	return &fabric;
}

// ---- the region

void *
task_buffer_take(u32 pages)
{
	u32 length = 0;

	ASSERT(pages > 0);
	for (u32 i = 0; i < region.count; i++) {
		length = used[i] ? 0 : length + 1;
		if (length < pages)
			continue;
		for (u32 j = i + 1 - pages; j <= i; j++)
			used[j] = true;
		return direct_address(region.frame + i + 1 - pages);
	}
	return NULL;
}

void
task_buffer_give(void *at, u32 pages)
{
	u64 first = direct_frame(at) - region.frame;

	ASSERT(first < region.count && pages <= region.count - first);
	for (u64 i = first; i < first + pages; i++) {
		ASSERT(used[i]);
		used[i] = false;
	}
}

// ---- the fabric

bool
operation_put(const struct fabric_submit *submit)
{
	if (!fabric_put(&fabric, submit))
		return false;
	fabric_waits = true;
	return true;
}

void
operations_flush(void)
{
	i64 error = 0;

	if (fabric_waits)
		error = fabric_flush(&fabric);
	if (!error && disk_waits)
		error = queue_flush(&disk);
	// Both queues stand on what init gave for good.
	ASSERT(!error);
	fabric_waits = disk_waits = false;
}

static u32
op_take(void)
{
	for (;;) {
		for (u32 i = 0; i < TASKS_OPEN; i++) {
			if (!ops[i].task)
				return i;
		}
		task_wait(now_ns() + RETRY_NS);
	}
}

static void
op_put(struct fabric_submit *submit, struct fabric_complete *complete, u32 *left)
{
	u32 index = op_take();

	ops[index] = (struct op){ task_self(), complete, left };
	submit->tag = OPERATION_TAG(OPERATION_TASK, index);
	while (!operation_put(submit)) {
		operations_flush();
		task_yield();
	}
}

i64
task_fabric(struct fabric_submit *submit, struct fabric_complete *complete,
	    u32 count)
{
	u32 left = count;
	i64 result = 0;

	ASSERT(count > 0 && count <= TASK_BATCH_MAX);
	for (u32 i = 0; i < count; i++)
		op_put(&submit[i], &complete[i], &left);
	while (left)
		task_wait(NEVER);
	for (u32 i = 0; i < count && !result; i++)
		result = far_result(&complete[i]);
	return result;
}

static void
op_completed(const struct fabric_complete *complete)
{
	u32 index = (u32)complete->tag;
	struct op *op = &ops[index];

	ASSERT(index < TASKS_OPEN && op->task && *op->left > 0);
	*op->complete = *complete;
	if (--*op->left == 0)
		task_wake(op->task);
	op->task = NULL;
}

// ---- capabilities that come

static void
accept_put(u32 index)
{
	const struct fabric_submit s = {
		.tag = OPERATION_TAG(OPERATION_ACCEPT, index),
		.op = FABRIC_ACCEPT,
	};

	if (!operation_put(&s)) {
		operations_flush();
		// The ring is empty now, and accepts have a share of what is open.
		if (!operation_put(&s))
			ASSERT(false);
	}
}

static void
accepted(const struct fabric_complete *complete)
{
	struct task_grant *g = grants;

	if (complete->outcome == FABRIC_DONE) {
		while (g && (g->word != complete->word || g->slot != SLOT_NONE))
			g = g->next;
		if (g) {
			g->slot = complete->slot;
			g->node = complete->node;
			g->rights = complete->rights;
			g->type = complete->type;
			g->units = complete->old[0];
			if (g->waiter)
				task_wake(g->waiter);
		} else {
			cap_drop_all(complete->slot);
		}
	}
	accept_put((u32)complete->tag);
}

void
task_grant_begin(struct task_grant *grant)
{
	*grant = (struct task_grant){ .slot = SLOT_NONE, .next = grants };
	while (sys_entropy_read(&grant->word, sizeof(grant->word)) ||
	       !grant->word)
		task_sleep(now_ns() + RETRY_NS);
	grant->next = grants;
	grants = grant;
}

i64
task_grant_wait(struct task_grant *grant, u64 deadline_ns)
{
	grant->waiter = task_self();
	while (grant->slot == SLOT_NONE && now_ns() < deadline_ns)
		task_wait(deadline_ns);
	grant->waiter = NULL;
	return grant->slot == SLOT_NONE ? -E_TIMEOUT : 0;
}

void
task_grant_end(struct task_grant *grant)
{
	struct task_grant **at = &grants;

	while (*at != grant) {
		ASSERT(*at);
		at = &(*at)->next;
	}
	*at = grant->next;
}

// ---- the disk

u64
task_disk_blocks(void)
{
	return disk.slot == SLOT_NONE ? 0 : sys_info()->disk_blocks;
}

static u32
disk_op_take(void)
{
	for (;;) {
		for (u32 i = 0; i < QUEUE_SLOTS; i++) {
			if (!disk_ops[i].task)
				return i;
		}
		task_wait(now_ns() + RETRY_NS);
	}
}

static i64
disk_run(enum queue_op kind, u64 block, const void *pages, u32 count)
{
	u64 frame = pages ? direct_frame(pages) : 0;
	struct disk_op *op;
	u32 index;
	i64 status;

	if (disk.slot == SLOT_NONE)
		return -E_ABSENT;
	ASSERT(count <= TASK_BATCH_MAX);
	index = disk_op_take();
	op = &disk_ops[index];
	*op = (struct disk_op){ .task = task_self() };
	if (!queue_put(&disk, kind, block, frame, count, index))
		ASSERT(false);		// as many entries as the queue has
	disk_waits = true;
	while (!op->done)
		task_wait(NEVER);
	status = op->status;
	*op = (struct disk_op){ 0 };
	return status;
}

i64
task_disk_read(u64 block, void *pages, u32 count)
{
	return disk_run(QUEUE_READ, block, pages, count);
}

i64
task_disk_write(u64 block, const void *pages, u32 count)
{
	return disk_run(QUEUE_WRITE, block, pages, count);
}

i64
task_disk_flush(void)
{
	return disk_run(QUEUE_FLUSH, 0, NULL, 0);
}

static void
disk_completed(u64 tag, i32 status)
{
	struct disk_op *op = &disk_ops[tag];

	ASSERT(tag < QUEUE_SLOTS && op->task && !op->done);
	op->status = status;
	op->done = true;
	task_wake(op->task);
}

// ---- the loop's part

static void
dispatch(const struct fabric_complete *complete)
{
	switch (complete->tag >> 32) {
	case OPERATION_TASK:
		op_completed(complete);
		break;
	case OPERATION_ACCEPT:
		accepted(complete);
		break;
	default:
		post_completed(complete);
		break;
	}
}

static void
run(u64 now)
{
	struct fabric_complete complete;
	u64 tag;
	i32 status;

	(void)now;
	while (fabric_take(&fabric, &complete))
		dispatch(&complete);
	while (disk.slot != SLOT_NONE && queue_take(&disk, &tag, &status))
		disk_completed(tag, status);
}

static void
watch(struct wait_set *set)
{
	fabric_watch(&fabric, set);
	if (disk.slot != SLOT_NONE)
		queue_watch(&disk, set);
}

static i64
open_disk(void)
{
	u32 slot = startup_slot(ROLE_BLOCKS);

	return slot == SLOT_NONE ? 0 : queue_open(&disk, slot, &region);
}

i64
operations_open(u32 pages)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	u32 slot = startup_slot(ROLE_FABRIC);
	i64 error;

	if (slot == SLOT_NONE)
		return -E_ABSENT;
	error = frames_take(MIN(pages, REGION_PAGES_MAX), &region);
	if (!error)
		error = fabric_open(&fabric, slot, &region);
	if (!error)
		error = open_disk();
	if (error)
		return error;
	for (u32 i = 0; i < ACCEPTS_OPEN; i++)
		accept_put(i);
	loop_add(&part);
	return 0;
}
