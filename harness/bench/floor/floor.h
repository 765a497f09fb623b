// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The floors of the `primitives` benchmark: what the processor alone takes for
// the steps that any protected system must take, with nothing decided, checked
// or recorded on the way. A multiboot ELF of its own, no part of DEOS: it
// exists so that each row has a figure that no kernel here can beat.
//
//	floor.S		start-up, tables of the processor, the two ways into
//			ring 0 (system call and page fault), the timed loops
//	floor.c		calibration, repetitions, printing
//
// One flat address space, ring 3 may touch all of it, interrupts stay off, no
// stack is switched by a call: less than any real system could do.

#define BATCH 1024 // pages that one call maps or unmaps, as in both programs
#define LARGE_TABLES 8 // page tables of 16 MiB

#ifndef __ASSEMBLER__

#include "kernel/base/types.h"

// Runs one timed loop in ring 3 and returns the processor's ticks it took.
// loop is one of those below, round_count the number of its rounds, above 0.
u64
run_in_ring_3(void (*loop)(void), u64 round_count);

// Nothing but the loop itself; what remains of the others is the operation.
void
loop_empty(void);

// A system call that returns at once.
void
loop_null(void);

// A store to a page that is not there, delivered to a handler in ring 3 that
// goes on behind the store.
void
loop_fault(void);

// A call that write-protects a page, a store to it, the fault delivered, a call
// that unprotects it, the store again.
void
loop_protect(void);

// A call that enters BATCH pages into a page table, and one that removes them.
void
loop_batch(void);

// A call that clears and joins the page tables of the smallest address space
// and goes on inside it, and one that goes back.
void
loop_environment(void);

// A call that copies the page tables of 16 MiB into an address space of their own,
// without the right to write, and goes on inside it, and one that goes back.
void
loop_fork(void);

// A call that goes on in another address space, and one there that goes back.
void
loop_transfer(void);

#endif
