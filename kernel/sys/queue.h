// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Block queues as the rest of the kernel sees them. The calls queue_bind and
// queue_kick are declared by call.h; what a queue means to a program is in
// kernel/abi/queue.h.
//
// Everything here runs under the kernel lock.

#include "kernel/abi/queue.h"

// Starts the disk and says in sys_info how many blocks it has. Once, at boot,
// after pci_scan() and when frames can be taken. Without a disk nothing happens.
void
queue_init(void);

// Takes the queue away: its root capability went. Frames that operations in
// flight use stay pinned until the device is done.
void
queue_destroy(u32 index);

// A capability for frames or for blocks was removed (`from` is 0), or ends at the
// unit `from` now: a queue bound under it that reaches beyond stops. Its operations
// in flight still run, and nobody else's operation on their blocks starts before they
// are done.
void
queue_cap_gone(u32 cap_node, u64 from);

// Tells the disk what was started, and the boot processor when to call queue_look().
void
queue_push(void);

// disk_look_ns has come.
void
queue_look(void);

// Does the device work on some of these blocks: for an orphan, or for anybody?
bool
queue_works_on(u64 block, u64 count, bool orphaned);

// A volume is gone: queues on it stop, and their operations are orphans as above.
void
queue_volume_gone(u32 volume);

// Blocks of a volume that operations are with the device for, each as often.
u64
queue_volume_busy(u32 volume);

// Pins that operations with the disk hold. Asserts that none is lost.
u64
queue_pins(void);

// Operations of other nodes (kernel/fabric/blocks.c): one more queue, whose pages
// are the kernel's.
enum queue_fabric {
	QUEUE_FABRIC_STARTED,	// fabric_block_done() follows
	QUEUE_FABRIC_FULL,	// later
	QUEUE_FABRIC_DONE,	// there was nothing to do
	QUEUE_FABRIC_FAILED,	// the disk does not do that
};

// Starts one on `count` blocks (none for a flush). The device learns of it by
// queue_push().
must_check enum queue_fabric
queue_fabric_start(u32 ticket, enum queue_op op, u64 block, u32 count, u64 physical);

// A peer's capability for these blocks is gone: what it had begun counts as an
// orphan's from now on.
void
queue_fabric_withdrawn(u64 block, u64 count);
