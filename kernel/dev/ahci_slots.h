// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The command slots of one AHCI port as a sans-IO core: which operation stands in which
// slot, which may go to the disk now, and what becomes of them when it reports an error.
// Command tables and registers are the host's (ahci.c).
//
// A disk with native command queuing takes reads and writes together, up to one a slot, and
// answers in any order; a flush, a trim (the same to this core), and everything on a
// disk without it, it takes alone. The
// rest waits in the order in which it came, so that a flush waits for what was before it
// and is not passed for ever by what comes after.
//
// After an error of several commands, the disk does not say which one failed in a way
// that all disks share. So each of them goes again, alone: the one that fails then has
// failed, the others have not. No operation is tried more than twice.
//
// Invariants, checked by ahci_slots_check():
//   A1  each slot is free, waiting, suspect, active, or finished, and only one of these
//   A2  an operation that goes alone is the only active one
//   A3  the queue of those that wait holds each of them once
//
// No allocation, no clock.

#include "kernel/base/types.h"

#define AHCI_SLOTS_MAX 32u

enum ahci_kind {
	AHCI_READ,
	AHCI_WRITE,
	AHCI_FLUSH,
};

struct ahci_slots {
	u32 depth;		// slots in use: 1..32
	bool queued;		// native command queuing
	bool alone;		// what is active goes alone
	u32 free;		// sets of slots
	u32 waiting;
	u32 suspect;		// go again, alone
	u32 active;		// with the disk
	u32 succeeded;
	u32 failed;
	u32 flushes;		// slots that hold one, free or not
	u32 first;		// of the queue below
	u32 count;
	u8 queue[AHCI_SLOTS_MAX];
	u32 cookie[AHCI_SLOTS_MAX];
};

void
ahci_slots_init(struct ahci_slots *s, u32 depth, bool queued);

// Slots that are free.
u32
ahci_slots_room(const struct ahci_slots *s);

// Puts an operation into a slot, where it waits. Returns the slot. There must be room.
u32
ahci_slots_add(struct ahci_slots *s, enum ahci_kind kind, u32 cookie);

// The next slot that the disk is to be given now, which becomes active; *queued says
// whether as a queued command. False when nothing may go.
must_check bool
ahci_slots_next(struct ahci_slots *s, u32 *slot, bool *queued);

// The disk still works on these slots: the other active ones have succeeded.
void
ahci_slots_finished(struct ahci_slots *s, u32 still);

// The disk reported an error and works on nothing any more.
void
ahci_slots_error(struct ahci_slots *s);

// One operation that has ended; its slot is free from now on. False when there is none.
must_check bool
ahci_slots_take(struct ahci_slots *s, u32 *cookie, bool *succeeded);

// The disk is stopped for good: everything that has not ended has failed.
void
ahci_slots_abandon(struct ahci_slots *s);

void
ahci_slots_check(const struct ahci_slots *s);
