// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The life of an environment: what other parts of the kernel may do to one.
// States and edges are drawn in env.c.

#include "kernel/sys/env.h"

// Every entry free. Once, at boot.
void
env_init(void);

// Fills a free entry: state NEW, address space with the uarea, no capability
// yet. Quotas and free frames were checked.
void
env_make(struct env *env, const struct env_spec *spec, u32 parent);

// The registers with which a program goes on: nothing but where.
void
env_context(struct env *env, u64 rip, u64 rsp);

// NEW -> RUNNABLE at `rip`.
void
env_run(struct env *env, u64 rip, u64 rsp, u64 argument);

// Any live state -> DYING. Nothing happens to one that already ended.
void
env_end(struct env *env, enum env_end how, u32 status);

// The capability that made it was removed: ends it, and frees the entry once it
// is reaped.
void
env_capability_gone(u32 index);

// DYING -> DEAD for one that no processor is using any more: takes back what it
// held, a bounded part at a time. Called on the way out of the kernel. Returns true
// when there is more to do now.
bool
env_reap(void);
