// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The FPU's state of environments. Most never use the FPU (the libOS is built
// without), and pay nothing for it: its registers hold their initial state then, and
// its first use traps. Whoever has used it once has its state saved and restored at
// each switch, so that the registers never hold another environment's (not lazily:
// CVE-2018-3665).
//
// Invariant: cpu->fpu_live says whether the registers may hold anything but their
// initial state; if not, their use traps.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/sys/env.h"

// The environment leaves the processor.
static inline void
fpu_leave(struct env *env)
{
	if (env->fpu_used)
		fpu_save(env->context.fpu);
}

// It enters the processor, after whoever left it.
static inline void
fpu_enter(struct cpu *cpu, struct env *env)
{
	if (env->fpu_used) {
		fpu_allow();
		fpu_restore(env->context.fpu);
	} else if (cpu->fpu_live) {
		fpu_allow();
		fpu_restore(fpu_initial);
		fpu_forbid();
	}
	cpu->fpu_live = env->fpu_used;
}

// VECTOR_FPU_ABSENT: it runs here and wants the FPU.
static inline void
fpu_first_use(struct cpu *cpu, struct env *env)
{
	env->fpu_used = true;
	cpu->fpu_live = true;
	fpu_allow();
}
