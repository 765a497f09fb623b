// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The processor context of an environment: what trap.S saves on entry to the
// kernel and restores on the way out. The order is the push order there.

#include "kernel/base/types.h"

#define FPU_AREA_SIZE 512	// FXSAVE: x87, MMX, SSE

struct context {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector;		// how the kernel was entered; TRAP_SYSCALL for calls
	u64 error;
	u64 rip, cs, rflags, rsp, ss;
	u64 fs_base, gs_base;	// swapped with the environment, as is the FPU state
	u8 fpu[FPU_AREA_SIZE] aligned_(16);
};

#define TRAP_SYSCALL 256

STATIC_ASSERT(offsetof(struct context, fs_base) % 16 == 0);
STATIC_ASSERT(offsetof(struct context, fpu) % 16 == 0);
