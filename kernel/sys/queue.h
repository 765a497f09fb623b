// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Block queues as the rest of the kernel sees them. The calls queue_bind and
// queue_kick are declared by call.h; what a queue means to a program is in
// kernel/abi/queue.h.
//
// Everything here runs under the kernel lock.

#include "kernel/base/types.h"

// Starts the disk and says in sys_info how many blocks it has. Once, at boot,
// after pci_scan() and when frames can be taken. Without a disk nothing happens.
void
queue_init(void);

// Takes the queue away: its root capability went. Frames that operations in
// flight use stay pinned until the device is done.
void
queue_destroy(u32 index);

// A capability was removed, of frames or of blocks: a queue bound under it
// stops. Its operations in flight still run, and nobody else's operation on
// their blocks starts before they are done.
void
queue_cap_gone(u32 cap_node);
