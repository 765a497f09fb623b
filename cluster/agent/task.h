// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Tasks of the agent: cooperative threads that wait for the fabric, the disk, time,
// other agents and each other, while the agent's one loop goes on. Nothing that a
// task waits for holds up membership.
//
// A task runs until it calls one of the functions that are marked "waits"; what it
// reads of the agent's state before such a call may have changed after it. Long
// computations call task_yield(). Handlers of messages run in the loop itself: they
// must not wait, and start a task when they have to.
//
// Memory that the fabric and the disk touch lies in the agent's region
// (task_buffer_take): one run of frames that both queues are bound with.

#include "kernel/abi/fabric.h"
#include "kernel/abi/queue.h"
#include "cluster/agent/peer.h"

#define TASKS_MAX 24u
#define TASK_BATCH_MAX 16u	// fabric operations, or blocks, of one call
#define TASK_ASK_NS (3 * NS_PER_SECOND)

struct thread;

// Starts body(argument) as a task; its end gives everything of its own back. False:
// TASKS_MAX run, or no memory for a stack.
must_check bool
task_start(void (*body)(void *argument), void *argument);

// The running task; NULL in the loop, where nothing may wait.
struct thread *
task_self(void);

// Waits until then (clock of now_ns).
void
task_sleep(u64 until_ns);

// Waits: lets the loop and the other tasks go first.
void
task_yield(void);

// Waits until task_wake() for this task, or the deadline (NEVER: none). It may come
// back early: look at what was waited for, and wait again.
void
task_wait(u64 deadline_ns);
void
task_wake(struct thread *task);

// One task at a time; zeroed is free. Waits.
struct task_lock {
	struct thread *owner;
};

void
task_lock(struct task_lock *lock);
void
task_unlock(struct task_lock *lock);

// Pages of the region, contiguous, not cleared; NULL: none free now. The address
// lies in the direct window: direct_frame() and fabric_local() know it.
must_check void *
task_buffer_take(u32 pages);
void
task_buffer_give(void *at, u32 pages);

// Waits: runs `count` operations at once, up to TASK_BATCH_MAX, each to its end.
// Tags are set here; complete[i] is that of submit[i]. Not for POST, ACCEPT and
// CANCEL. Returns 0 when all of them are DONE; else the first one's result that is
// not, as far_result() of libos/remote tells it (FAR_CODE or FAR_UNKNOWN; all are
// finished then too).
must_check i64
task_fabric(struct fabric_submit *submit, struct fabric_complete *complete,
	    u32 count);

// Waits: `count` blocks of this node's disk, up to TASK_BATCH_MAX, from or to pages
// of the region. Blocks count from the disk's start. Returns 0, an error that the
// operation ended with, or -E_ABSENT: no disk.
must_check i64
task_disk_read(u64 block, void *pages, u32 count);
must_check i64
task_disk_write(u64 block, const void *pages, u32 count);
must_check i64
task_disk_flush(void);

// Blocks of the disk: 0 without one.
u64
task_disk_blocks(void);

// A capability that another node is to grant. Begin, put `word` into the question
// that asks for it, wait, and end. Begin draws a random word.
struct task_grant {
	u64 word;
	u32 slot;		// SLOT_NONE: none came
	u16 node;		// link of who granted
	u8 rights;
	u8 type;		// enum fabric_type
	u64 units;
	struct thread *waiter;
	struct task_grant *next;
};

void
task_grant_begin(struct task_grant *grant);

// Waits: 0 or -E_TIMEOUT.
must_check i64
task_grant_wait(struct task_grant *grant, u64 deadline_ns);

// What came stays the caller's (cap_drop_all gives it back).
void
task_grant_end(struct task_grant *grant);

// Waits: asks the agent of `to` (this node's own too) a question of a kind of
// message.h. Its answer is copied to `answer`, which has room for `*len` bytes; *len
// becomes its length. Returns 0; -E_ABSENT: no session with that node; -E_TIMEOUT:
// no answer within `patience_ns`; -E_STATE: its session or its life ended meanwhile;
// -E_RANGE: the answer does not fit.
must_check i64
task_ask(const struct peer *to, u16 kind, const void *question, u32 question_len,
	 void *answer, u32 *len, u64 patience_ns);
