// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Packet rings as the rest of the kernel sees them. The calls ring_bind,
// ring_kick and the others are declared by call.h; what a ring means to a
// program is in kernel/abi/ring.h.
//
// Everything here runs under the kernel lock.

#include "kernel/abi/layout.h"

#define SMALL_NODE_FRAMES (48 * MIB / PAGE_SIZE)	// up to here pools are halved

// Starts the network interface and says so in sys_info. Once, at boot, after
// pci_scan() and when frames can be taken. Without an interface nothing happens.
void
ring_init(void);

// Takes the ring away: its root capability went (the owner's end is a case of
// that). Frames that the device is reading stay pinned until it is done.
void
ring_destroy(u32 index);

// A capability for frames or for a network interface was removed (`from` is 0), or
// ends at the frame `from` now: what was bound under it and reaches beyond ends.
// Regions under it close; a ring whose memory or interface it was stops.
void
ring_cap_gone(u32 cap_node, u64 from);

// A capability for a ring was removed that is not its root: what was claimed by
// showing it ends.
void
ring_guard_gone(u32 cap_node, u64 from);

// An environment went to sleep on the word at `offset` of `frame`. If that is a
// ring's tx_done, completions interrupt until its frames are out. Call it when
// the sleeper can be hinted.
void
ring_watched(u64 frame, u32 offset);

// On the way out of the scheduler, when who sleeps is settled: lets the
// interface interrupt if somebody asleep may want a frame, and takes what came
// before that.
void
ring_rx_settle(void);

// Is there something to take back? Frames of the fabric alone wait until they are many.
must_check bool
ring_tx_sent(void);

// Takes back what the interface is done with: unpins, advances tx_done, hints.
void
ring_tx_collect(void);

// Pins that frames with the interface hold. Asserts that none is lost.
u64
ring_pins(void);

// When the interface is to be looked at without an interrupt or a kick: while those are
// off it may hold frames of the fabric, and after a turn that took all that it may, more.
// NEVER otherwise.
u64
ring_look_deadline(void);
void
ring_look(u64 now);

// A processor did not halt, for frames may have come of which no interrupt tells.
void
ring_look_end(void);

// Before a processor halts: takes back what was sent without an interrupt, if it is to be.
void
ring_idle(void);
