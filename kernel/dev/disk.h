// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The first disk as the rest of the kernel sees it: operations on blocks of
// BLOCK_SIZE bytes, started in batches, finished in any order. Implemented by
// the driver (virtio_blk.c). Calls come one at a time, under the kernel lock.

#include "kernel/abi/queue.h"
#include "kernel/base/types.h"

#define DISK_FLIGHTS_MAX 85u	// operations with the device at any time

struct disk_facts {
	u64 blocks;		// whole blocks of BLOCK_SIZE
	bool read_only;
};

struct disk_op {
	enum queue_op kind;
	u32 count;		// blocks: 1..QUEUE_BLOCKS_MAX; 0 for a flush
	u64 block;		// block + count is at most facts->blocks
	u64 physical;		// of `count` consecutive frames
};

// Finds and starts the disk. `interrupt` runs on the boot processor when
// operations have finished. Boot only. False: there is none.
must_check bool
disk_init(void (*interrupt)(u32 argument));

// NULL when there is no disk.
const struct disk_facts *
disk_facts(void);

// A device that broke the rules is stopped; what it held comes back through
// disk_finished() as failed, and from then on this is false.
must_check bool
disk_works(void);

// Operations that can be started now; 0 when the disk does not work.
u32
disk_room(void);

// Starts an operation; there must be room. The device learns of it by
// disk_push(). Returns false when there was nothing to do (a flush of a disk
// without a volatile cache): it is done, and its cookie does not come back.
must_check bool
disk_start(const struct disk_op *op, u32 cookie);
void
disk_push(void);

// One finished operation. False when there is none: only then does the next one
// interrupt.
must_check bool
disk_finished(u32 *cookie, bool *succeeded);
