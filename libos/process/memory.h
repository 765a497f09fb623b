// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The forkable memory of this process: data, stack and heap, as the table of pages.h
// and the fault handler that keeps its promises. fork.c shares it with children.
//
// What lies elsewhere is not inherited as a copy: the direct window (frame pool,
// rings, archives) is mapped anew, as it is, where a capability in the child's uarea
// covers it, and else not there.
//
// A system call that writes into memory of the process needs pages of its own there:
// the kernel does not fault, it refuses (E_ADDRESS). Locals are written before they
// are passed; memory_own() is for buffers that live longer.

#include "libos/mem/map.h"
#include "libos/process/pages.h"

#define FIXED_MAX 4u
#define MEMORY_STOCK_MIN 16u		// frames taken at once from the kernel
#define MEMORY_STOCK_MAX 256u

// A part of the image that is only read: text, constants.
struct fixed {
	u64 va;
	struct frame_run run;
	u32 rights;
};

// All that the fault handler changes: on pages of its own, which every fork copies.
struct memory {
	struct pages pages;
	u32 heap;		// first page of the heap's area
	u32 heap_top;		// pages of it that have a frame
	u32 forks;		// the number of the newest
	u32 fixed_count;
	struct fixed fixed[FIXED_MAX];
	struct frame_run stock;	// frames not used yet, in the direct window
	u32 stock_size;		// of the next
	bool ready;
	bool unprotected;	// a fork failed: pages may be LENT and still writable
	u64 copies;		// pages copied by faults, for people
} aligned_(4096);

extern struct memory memory;

// Takes over the stack and the image from start-up. To be called first in main():
// -E_STATE when the stack has grown already; errors of system calls.
must_check i64
memory_init(void);

// Takes a frame for a page, mapped in the direct window. *clean says whether it is
// zero. False when there is none.
must_check bool
memory_take(u32 *frame, u32 *slot, bool *clean);

// Makes pages writable that a fork has left read-only. False when no frame is left
// for it, or there is no memory.
must_check bool
memory_own(const void *at, u64 len);

// Gives the first `pages` of the heap's area frames. Returns 0 or an error of the
// kernel; -E_RANGE when the area is full.
must_check i64
memory_extend_heap(u32 pages);

// The heap of a process: for what a fork shall share. The other heap (mem.h) lies in
// the direct window and is not inherited.
must_check void *
process_alloc(u64 size);
void
process_free(void *object);
