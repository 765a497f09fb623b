// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Doors: what transfer.S must know of an environment, one to each, in few pages: a
// change of address space forgets every translation, so what a control transfer
// costs is the pages that it touches.
//
// A call by the short path is noted here alone. The processor's `current` still is
// who called; cpu->door says where it has got to, and `caller` leads back, door by
// door. As soon as the kernel is entered in another way, transfer_settle()
// (kernel/sys/transfer.c) writes it down in the environments themselves.
//
// Invariants:
//   T1  `open` is 1 only while its environment is asleep in entry_wait(), serves
//       nobody, runs nowhere and has never used the FPU
//   T2  `caller` is not NULL exactly while a call by the short path is served here:
//       on one processor, whose `door` it is or leads to by further calls
//   T3  a gate holds while its epoch is the current one: then the capability in that
//       slot of its owner lets it call `callee`
// All of it changes under the kernel lock.

#include "kernel/base/types.h"

#define DOOR_GATES 4u		// capabilities remembered, by slot modulo this

struct gate {
	u64 slot;
	u64 epoch;
	struct door *callee;
	u64 badge;
};

struct door {
	u32 open;
	u32 room;		// calls that may still nest below it
	struct door *caller;
	u64 rip, rsp;		// where the reply to its own call goes
	u64 deadline_ns;	// of its own call
	u64 root;		// CR3
	u64 context_end;	// as struct cpu's
	u64 entry, stack;	// where calls come in
	u32 index;		// of the environment
	u32 id;
	u64 fs_base, gs_base;	// while it is open, or calls
	struct gate gate[DOOR_GATES];
} aligned_(256);

STATIC_ASSERT(sizeof(struct door) == 256);
STATIC_ASSERT(sizeof(struct gate) == 32 && DOOR_GATES == 4);	// transfer.S

// In one page with the first doors.
#define TRANSFER_PAGE __attribute__((section(".bss.transfer")))

// Counts on whenever a gate may have lost what it stands on.
extern u64 transfer_epoch;
extern struct door doors[];	// one for each environment
