// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Entries into the kernel, from trap.S.

#include "kernel/arch/x86_64/context.h"

// From user mode, on the processor's kernel stack, interrupts off. Does what
// the trap asks and leaves by the scheduler.
noreturn_ void
user_trap(struct context *context);

// From kernel mode: an interrupt of a halted processor, or a panic.
void
kernel_trap(struct context *context);
