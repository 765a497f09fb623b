// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Environments: the unit of protection. An environment is an address space, a
// list of capabilities, a quota and one saved processor context; threads are
// the libOS's affair. Its public half is its entry in the exported table
// (struct env_info), which is authoritative: there is no second copy.
//
// Invariants:
//   V1  info->id != 0 exactly for states other than ENV_FREE
//   V2  running_on is a processor's number while that processor runs it, else
//       CPU_NONE; one that is reaped runs nowhere
//   V3  waits are pinned exactly while the state is ENV_ASLEEP, or it serves a call
//       (transfer.c)
//   V4  env_started has the bits of those that are RUNNABLE, ASLEEP or CALLING, and
//       env_awake of those of them that are not ASLEEP

#include "kernel/abi/tables.h"
#include "kernel/abi/uarea.h"
#include "kernel/arch/x86_64/context.h"
#include "kernel/base/assert.h"
#include "kernel/cap/demand.h"
#include "kernel/own/own.h"

#define CPU_NONE 0xffffffffu

// A word that a sleeper watches. Its frame is pinned, unless it is one of the
// kernel's own (exported tables), which never goes away.
struct env_wait {
	u64 frame;
	u32 offset;
	u32 expected;
	bool exported;
};

// A program that is asked whether to wake, instead of "a word differs".
struct predicate {
	const struct program *program;	// or NULL
	u32 node;		// capability that it was named by
	u64 argument;
	u64 deadline_ns;	// of the call; wait_deadline_ns is when to look next
};

struct env {
	struct context context;
	struct env_info *info;
	u32 index;
	u32 parent;		// index
	u32 running_on;
	u32 cpu;		// where it ran last: looks when it is hinted or due
	u64 slices_on[CPUS_MAX];	// bit: this slice of the processor is bound to it
	u64 page_root;		// frame of the top page table
	u32 tables;		// page tables, of used.frames
	u64 uarea_frame;
	struct uarea *uarea;	// in the direct map
	u64 timer_deadline_ns;
	u64 wait_deadline_ns;
	u32 wait_count;
	bool orphan;		// its capability is gone: free the entry when reaped
	u32 told;		// bit (1 << cause): revoke.c or a watch has something new
	struct demand demand[REVOKE_REQUESTS_MAX];
	u32 taking_node;	// withdrawn by force and not yet removed, or
	u32 taking_generation;	// generation 0: nothing
	u32 taken_head;		// what the uarea shows
	u64 taken_missed;
	u64 units_missed;
	bool fpu_used;		// context.fpu counts; else the FPU's initial state does
	// Control transfer (transfer.c).
	bool parked;		// in entry_wait(), or serving from there
	bool serving;
	u32 callee;		// index of whom it called, or ENVS_MAX
	u32 caller;		// of who awaits its reply, or ENVS_MAX
	u64 call_deadline_ns;
	u64 park_rip, park_rsp;	// where entry_wait() returns
	struct env_wait wait[WAIT_WORDS_MAX];
	struct predicate predicate;
	u32 watch_count;	// words that raise an upcall: pinned while there are any
	struct env_wait watch[WAIT_WORDS_MAX];
};

extern struct env envs[ENVS_MAX];
extern u64 env_started, env_awake;
extern struct quota env_quota_total;	// what the first environment was given
extern struct cap_tree caps;	// list i belongs to environment i
extern struct own frames;

// The only writer of a state, but for FREE.
static inline void
env_become(struct env *env, enum env_state state)
{
	bool awake = state == ENV_RUNNABLE || state == ENV_CALLING;
	u64 bit = 1ull << env->index;

	env->info->state = state;
	env_awake = awake ? env_awake | bit : env_awake & ~bit;
	env_started = awake || state == ENV_ASLEEP ? env_started | bit : env_started & ~bit;
}

// Has it an address space and a list that capabilities can be in, to stay?
static inline bool
env_lives(const struct env *env)
{
	return env->info->state != ENV_FREE && env->info->state != ENV_DYING &&
	       env->info->state != ENV_DEAD;
}

// Frames that it may still get: of its own, or that the kernel keeps for it.
static inline u32
env_quota_left(const struct env *env)
{
	const struct env_info *info = env->info;

	ASSERT(info->used.frames <= info->quota.frames);
	return info->quota.frames - info->used.frames;
}

// Takes free frames out of its quota (FRAME_OWNED, FRAME_TABLE), and gives them back.
void
env_take_frames(struct env *env, u64 base, u64 count, enum frame_state state);
void
env_return_frames(struct env *env, u64 base, u64 count);

// Says that a word which the kernel writes for this environment has changed:
// if it sleeps, its words are looked at before its processor halts or lends
// its slice again. Cheap; any environment index that is in use.
void
env_hint(u32 index);
