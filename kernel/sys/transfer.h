// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Protected control transfer, as the rest of the kernel sees it. What it means to
// programs is in kernel/abi/transfer.h; the short path, which knows nothing but
// doors, in kernel/arch/x86_64/transfer.S and door.h.
//
// A call joins two environments: the caller is CALLING, the callee RUNNABLE and
// `serving`, and whoever has a slice for the caller runs the callee in it. The links
// are env->callee and env->caller. Either may end at any time, the caller's deadline
// may pass: the other goes on then, the caller with an error, the callee in its own
// slices until it replies to nobody.
//
// Everything here runs under the kernel lock.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/sys/env.h"
#include "kernel/sys/tables.h"

// An environment was made: closes its door.
void
transfer_make(struct env *env);

// The processor was entered while it ran a call by the short path: writes down who
// called whom, up to cpu->current, which becomes who really runs here. Returns that.
struct env *
transfer_settle(struct cpu *cpu);

// The environment that runs when it is the turn of `index`: that one, or at whom its
// call has arrived.
u32
transfer_far_tail(u32 index);
static inline u32
transfer_tail(u32 index)
{
	return index < ENVS_MAX && env_table[index].state == ENV_CALLING
		       ? transfer_far_tail(index) : index;
}

// An environment that waits in entry_wait() goes on with `result`: the door closes.
void
transfer_close(struct env *env, i64 result);

// One that is CALLING: its call ends when the deadline has passed.
void
transfer_look(struct env *env, u64 now_ns);

// Serves it a call that only doors know of? Then its processor is told to settle.
bool
transfer_unsettled(const struct env *env);

// An environment ends: so do the calls from it and to it. Its door closes.
void
transfer_ended(struct env *env);

// Capabilities for entries were withdrawn: no gate counts any more.
void
transfer_withdrawn(void);
