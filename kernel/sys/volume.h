// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Volumes as the rest of the kernel sees them: the host of kernel/volume. The calls
// volume_* are declared by call.h; kernel/abi/volume.h says what a volume is.
//
// Everything here runs under the kernel lock. Volumes are named by index.

#include "kernel/abi/volume.h"
#include "kernel/dev/disk.h"

#define VOLUME_RAW VOLUMES_MAX		// in place of a volume: blocks of the disk

// An operation on a volume while the device has it.
struct volume_flight {
	u8 volume;		// or VOLUME_RAW
	u8 kind;
	u8 root;
	u8 reserved;
	u16 block;
	u16 count;
	u32 frame;		// of the submitter, where metadata is copied to
	u32 slot;		// of the cache
};

// Does an open volume own some of these blocks of the disk? Then only it uses them.
bool
volume_covers(u64 block, u64 count);

// Where its blocks lie on the disk, for a queue on it: 0, or -E_STATE.
must_check i64
volume_extent(u32 volume, u64 *first, u64 *count);

// Begins an operation that was checked against the queue: rights, blocks of the volume,
// frames. Its root is one of the queue's. 0: give *op to the disk, and say when that is
// done; 1: nothing is left to do; or an error.
must_check i64
volume_start(u32 volume, const struct queue_submit *s, struct disk_op *op,
	     struct volume_flight *flight);

// The device is done with it; nothing when it is none on a volume. `owned`: who submitted
// it still has its frames.
void
volume_finish(const struct volume_flight *flight, bool succeeded, bool owned);

// Is one flushing? Then the next waits.
bool
volume_flushes(u32 volume);

// A capability for blocks or a program was removed (`from` is 0), or ends at the unit
// `from` now: a volume that stands on it stops.
void
volume_cap_gone(u32 cap_node, u64 from);

// Asserts what kernel/volume does of each open volume, and that what is busy on it is with
// the device, and its extent in the capability that it stands on and in no other volume.
void
volume_audit(void);

// The capability for all roots of a volume went, of which this is the first.
void
volume_destroy(u32 root);
