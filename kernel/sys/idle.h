// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Waiting with nothing to do. Part of the scheduler (sched.c), which says what comes
// before and after.

#include "kernel/arch/x86_64/cpu.h"

// Until there may be something to do. With the kernel lock, which is free meanwhile.
void
idle_halt(struct cpu *cpu);
