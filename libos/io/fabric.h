// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A fabric queue as a program uses it (kernel/abi/fabric.h is the shared memory):
// asynchronous operations with tags, and one blocking helper. Memory is named by
// addresses in the direct window, of frames in the region that the queue was
// opened with.

#include "kernel/abi/fabric.h"
#include "libos/io/wait.h"
#include "libos/mem/map.h"

struct fabric_queue {
	u32 slot;		// of the queue's capability; SLOT_NONE: closed
	u32 fabric_slot;	// of the capability that it was opened with
	struct frame_run memory;
	struct frame_run region;
	struct fabric_control *control;
	u32 submit_head;
	u32 complete_tail;
	u32 open;		// put and not taken
	u32 kept_count;		// completions that fabric_run() found and passed over
	struct fabric_complete kept[FABRIC_COMPLETE_SLOTS];
};

// Takes frames and binds a queue under a capability for the fabric. Returns 0 or
// an error, with nothing left behind.
must_check i64
fabric_open(struct fabric_queue *queue, u32 fabric_slot,
	    const struct frame_run *region);

// Ends the binding. Operations that are open are cancelled.
void
fabric_close(struct fabric_queue *queue);

// The `local` of a submission for an address in the region.
u64
fabric_local(const void *address);

// Puts a submission. False when no more fit: flush and take first.
must_check bool
fabric_put(struct fabric_queue *queue, const struct fabric_submit *submit);

// Hands over what was put. Returns 0 or the kernel's error.
must_check i64
fabric_flush(struct fabric_queue *queue);

// The same, and then sleeps for what a set has, in one call. Returns 0 when it has slept,
// or need not, or the kernel's error: then nothing was handed over.
must_check i64
fabric_flush_sleep(struct fabric_queue *queue, const struct wait_set *set);

// Likewise, and sleeps until there is a completion to take or the deadline passes: for who
// waits for nothing else, in fewer steps.
must_check i64
fabric_flush_await(struct fabric_queue *queue, u64 deadline_ns);

// Frames that may be under way at a node from now on, whatever the delay; 0: as the
// kernel finds right. docs/pace.md.
void
fabric_window(struct fabric_queue *queue, u32 frames);

// Takes one completion. False when none waits.
must_check bool
fabric_take(struct fabric_queue *queue, struct fabric_complete *complete);

// Adds to a wait: wake when a completion comes that was not taken.
void
fabric_watch(const struct fabric_queue *queue, struct wait_set *set);

// Takes the next completion; sleeps for it. False: the deadline passed.
must_check bool
fabric_next(struct fabric_queue *queue, struct fabric_complete *complete,
	    u64 deadline_ns);

// Runs one operation to its end; completions of others stay for fabric_take().
// `tag` must be no other's. Returns 0 or the kernel's error; *complete says how it
// ended.
must_check i64
fabric_run(struct fabric_queue *queue, const struct fabric_submit *submit,
	   struct fabric_complete *complete);
