// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The first disk as the rest of the kernel sees it: operations on blocks of
// BLOCK_SIZE bytes, started in batches, finished in any order. Implemented by a
// driver: virtio_blk.c, or ahci.c where no virtio disk is there (disk.c chooses).
// Calls come one at a time, under the kernel lock.

#include "kernel/abi/queue.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/types.h"

#define DISK_FLIGHTS_MAX 85u	// operations with the device at any time
#define DISK_CLEAR_MAX 256u	// blocks of one TRIM or ZERO

struct disk_facts {
	u64 blocks;		// whole blocks of BLOCK_SIZE
	bool read_only;
	bool trims;		// takes a TRIM
	bool zeroes;		// takes a ZERO
};

struct disk_op {
	enum queue_op kind;
	u32 count;		// blocks: 1..QUEUE_BLOCKS_MAX, or ..DISK_CLEAR_MAX for TRIM and
				// ZERO; 0 for a flush
	u64 block;		// block + count is at most facts->blocks
	u64 physical;		// of `count` consecutive frames; TRIM, ZERO: nothing
};

// What a driver implements, each function as its namesake below says.
struct disk_driver {
	bool (*init)(void (*interrupt)(void));
	const struct disk_facts *(*facts)(void);
	bool (*works)(void);
	u32 (*room)(void);
	bool (*start)(const struct disk_op *op, u32 cookie);
	void (*push)(void);
	bool (*finished)(u32 *cookie, bool *succeeded);
};

extern const struct disk_driver virtio_blk_driver;
extern const struct disk_driver ahci_driver;

// The one in use; before disk_init(), and where there is no disk, one that has nothing.
// Set at boot, once.
extern const struct disk_driver *disk_driver;

// When the driver wants disk_finished() called though nothing interrupts: no later than
// that an operation has taken too long; or NEVER.
extern u64 disk_look_ns;

// Finds and starts the disk. `interrupt` runs on the boot processor when
// operations have finished. Boot only. False: there is none.
must_check bool
disk_init(void (*interrupt)(void));

// NULL when there is no disk.
static inline const struct disk_facts *
disk_facts(void)
{
	return disk_driver->facts();
}

// Does it take operations of that kind?
must_check static inline bool
disk_can(enum queue_op kind)
{
	const struct disk_facts *facts = disk_facts();

	return facts && (kind != QUEUE_TRIM || facts->trims) &&
	       (kind != QUEUE_ZERO || facts->zeroes);
}

// A device that broke the rules is stopped; what it held comes back through
// disk_finished() as failed, and from then on this is false.
must_check static inline bool
disk_works(void)
{
	return disk_driver->works();
}

// Operations that can be started now; 0 when the disk does not work.
static inline u32
disk_room(void)
{
	return disk_driver->room();
}

// Starts an operation; there must be room. The device learns of it by
// disk_push(). Returns false when there was nothing to do (a flush of a disk
// without a volatile cache): it is done, and its cookie does not come back.
must_check static inline bool
disk_start(const struct disk_op *op, u32 cookie)
{
	return disk_driver->start(op, cookie);
}

static inline void
disk_push(void)
{
	disk_driver->push();
}

// One finished operation. False when there is none: only then does the next one
// interrupt.
must_check static inline bool
disk_finished(u32 *cookie, bool *succeeded)
{
	return disk_driver->finished(cookie, succeeded);
}
