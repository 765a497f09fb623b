// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who runs on each processor.
//
// A processor's slices are a vector, walked in order at SLICE_NS each; free
// slices take no time. The environment that a slice is bound to has first
// right to it. While it sleeps its time is lent to the next runnable one in the
// vector, which is accounted as excess; when it wakes within its slice it takes
// the processor back at once. A yield to a named environment lends the rest of
// the slice to that one. With nothing to run the processor halts.
//
// Slices begin and end by upcalls for who asks for them (docs/time.md). Who was
// told that its slice is over may run on for SLICE_OVERRUN_NS to put its things in
// order; what it used its next slice is shorter by.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/sys/env.h"

#define SLICE_NS (1 * NS_PER_MS)

// The way out of the kernel: reaps, picks who runs, delivers a due timer
// upcall, and resumes. Called with the kernel lock held, which it releases.
noreturn_ void
sched_leave(void);

// An environment became runnable or ended: the processor that runs it looks
// again, or else every one on which it has a slice or was lent one.
void
sched_changed(const struct env *env);

// Makes a processor look again soon, interrupting user mode or a halt there.
void
sched_kick(u32 cpu);

// Makes sure that no processor runs in, or has loaded, the address space of an
// environment that ended. Returns false when one still has: it was kicked.
bool
sched_leave_space(struct env *env);

// Prepares a processor's scheduling state.
void
sched_init(struct cpu *cpu);
