// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A block queue as a program uses it (kernel/abi/queue.h is the shared memory):
// asynchronous operations with tags, and one blocking helper.
//
// Blocks are numbered on the disk; memory is named by frames of the region that
// the queue was opened with.

#include "kernel/abi/queue.h"
#include "libos/io/wait.h"
#include "libos/mem/map.h"

struct queue {
	u32 slot;		// of the queue's capability; SLOT_NONE: closed
	struct frame_run memory;
	struct queue_control *control;
	u32 submit_head;
	u32 complete_tail;
	u32 open;		// put and not taken
	u8 root;		// of a volume; else nothing
};

// Takes a frame and binds a queue over a capability for blocks or for roots of a
// volume, and a region of frames. Returns 0 or an error, with nothing left behind.
must_check i64
queue_open(struct queue *queue, u32 blocks_slot, const struct frame_run *region);

// Ends the binding. Operations that are open may still run.
void
queue_close(struct queue *queue);

// Puts an operation on `count` blocks from `block` (0 for QUEUE_FLUSH) and as
// many frames from `frame`. Returns false when QUEUE_SLOTS are open.
must_check bool
queue_put(struct queue *queue, enum queue_op op, u64 block, u64 frame,
	  u32 count, u64 tag);

// Starts what was put. Returns 0 or the kernel's error.
must_check i64
queue_flush(struct queue *queue);

// Takes one completion: its tag, and 0 or -code. Returns false when none waits.
must_check bool
queue_take(struct queue *queue, u64 *tag, i32 *status);

// Adds to a wait: wake when a completion comes that was not taken.
void
queue_watch(const struct queue *queue, struct wait_set *set);

// Runs one operation to its end while no other is open. Returns 0; the error
// that the operation ended with; or -E_TIMEOUT, after which the operation is
// still open and its completion must be taken.
must_check i64
queue_run(struct queue *queue, enum queue_op op, u64 block, u64 frame,
	  u32 count, u64 deadline_ns);
