// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Block queues: submission and completion rings, in one frame of the
// environment that binds it, for operations on disk blocks of 4 KiB.
//
// The environment fills submit[head % QUEUE_SLOTS], advances submit_head and
// calls queue_kick(); the kernel starts what it finds, and writes
// complete[complete_head % QUEUE_SLOTS] before it advances complete_head.
// Operations complete in any order; `tag` says which is which. At most
// QUEUE_SLOTS operations are open at a time: more wait in the ring.

#include "kernel/abi/layout.h"

#define QUEUE_SLOTS 32u
#define BLOCK_SIZE 4096u
#define QUEUE_BLOCKS_MAX 32u	// blocks in one operation
#define QUEUE_CLEAR_MAX 256u	// in one TRIM or ZERO

enum queue_op {
	QUEUE_READ,
	QUEUE_WRITE,
	QUEUE_FLUSH,		// what completed before is durable
	QUEUE_STORE,		// of a volume: one block of metadata, as it is in memory
	QUEUE_TRIM,		// what the blocks hold is not wanted any more (of no volume)
	QUEUE_ZERO,		// they hold zeroes (of no volume)
};

// Blocks lie in the queue's extent; frames in its region (consecutive frames). On a
// volume (volume.h) blocks are its own, from 0 on. Data is read and written as ever, if
// it is the root's; metadata is read a block at a time, which leaves it in the volume's
// cache, and written by STORE.
struct queue_submit {
	u64 block;
	u32 frame;
	u16 count;		// blocks, and frames; 0 for FLUSH; TRIM, ZERO: blocks alone
	u8 op;			// enum queue_op
	u8 root;		// of a volume; else nothing
	u64 tag;
};

struct queue_complete {
	u64 tag;
	i32 status;		// 0, or -code of kernel/abi/errors.def
	u32 reserved;
};

struct queue_control {
	u32 complete_head;	// written by the kernel
	u32 submit_tail;	// written by the kernel: taken from the ring
	u8 reserved0[56];
	u32 submit_head;	// written by the environment
	u32 complete_tail;	// written by the environment
	u8 reserved1[56];
	struct queue_submit submit[QUEUE_SLOTS];
	struct queue_complete complete[QUEUE_SLOTS];
};

STATIC_ASSERT(sizeof(struct queue_control) <= PAGE_SIZE);

// queue_bind: the queue's frame and the region that data may lie in, both
// under capabilities for frames with READ and WRITE.
struct queue_spec {
	u32 blocks_slot;	// CAP_BLOCKS or CAP_VOLUME; READ to read, WRITE to write
	u32 queue_slot;		// CAP_FRAMES for queue_frame
	u64 queue_frame;
	u32 region_slot;	// CAP_FRAMES for the region
	u32 reserved;
	u64 region_frame;
	u64 region_count;
};
