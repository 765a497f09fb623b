// SPDX-License-Identifier: BSD-2-Clause
// Making, starting and ending environments, and taking back what they held.
//
// An environment's states (env_info.state), and the function of each edge:
//
//   FREE --env_make--> NEW --do_env_start--> RUNNABLE <--wait.c--> ASLEEP
//     ^                 |                       |                    |
//     |                 +------- env_end -------+--------------------+
//     |                                 v
//     +-- env_forget -- DEAD <--reap-- DYING
//
// and from RUNNABLE to CALLING and back, or to its end: transfer.c.
//
// The entry of a dead environment stays, for whoever wants to know how it
// ended, until the capability that made it goes. Invariants V1..V3: env.h.

#include "kernel/sys/env.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/transfer.h"
#include "kernel/sys/wait.h"

STATIC_ASSERT(ENVS_MAX <= 64);		// sets of them are words

struct env envs[ENVS_MAX];
u64 env_started, env_awake;
struct quota env_quota_total;
struct cap_tree caps;
struct own frames;

#define ID_LAST 0xffffffffu		// ids are never used twice

static u32 last_id;
static u64 dying;		// bit i: environment i awaits reaping

void
env_init(void)
{
	for (u32 i = 0; i < ENVS_MAX; i++) {
		envs[i].info = &env_table[i];
		envs[i].index = i;
		envs[i].running_on = CPU_NONE;
	}
}

static void
set_state(struct env *env, enum env_state state)
{
	ASSERT_LOCKED();
	trace(TRACE_ENV, env->index, state);
	env_become(env, state);
	wait_hint_table(env->info, sizeof(*env->info));
}

void
env_take_frames(struct env *env, u64 base, u64 count, enum frame_state state)
{
	own_take(&frames, base, count, (u16)env->index, state);
	env->info->used.frames += (u32)count;
}

void
env_return_frames(struct env *env, u64 base, u64 count)
{
	ASSERT(env->info->used.frames >= count);
	own_release(&frames, base, count);
	env->info->used.frames -= (u32)count;
}

void
env_make(struct env *env, const struct env_spec *spec, u32 parent)
{
	struct env_info *info = env->info;
	u32 index = env->index;

	ASSERT(info->state == ENV_FREE && env->running_on == CPU_NONE);
	ASSERT(last_id != ID_LAST);
	last_id++;
	*env = (struct env){
		.info = info,
		.index = index,
		.parent = parent,
		.running_on = CPU_NONE,
		.uarea_frame = spec->uarea_frame,
		.uarea = frame_memory(spec->uarea_frame),
		.timer_deadline_ns = NEVER,
		.wait_deadline_ns = NEVER,
	};
	*info = (struct env_info){
		.id = last_id,
		.parent = envs[parent].info->id,
		.quota = spec->quota,
	};
	if (parent == index)
		env_quota_total = spec->quota;
	string_copy(info->name, sizeof(info->name), spec->name);
	own_pin(&frames, env->uarea_frame, 1);
	paging_create(env);
	transfer_make(env);
	set_state(env, ENV_NEW);
}

void
env_context(struct env *env, u64 rip, u64 rsp)
{
	struct context *c = &env->context;

	memset(c, 0, offsetof(struct context, fs_base));
	c->vector = TRAP_SYSCALL;
	c->rip = rip;
	c->rsp = rsp;
	c->cs = SELECTOR_USER_CODE;
	c->ss = SELECTOR_USER_DATA;
	c->rflags = RFLAGS_USER;
	ASSERT(rip < 1ull << 47);
}

void
env_run(struct env *env, u64 rip, u64 rsp, u64 argument)
{
	ASSERT(env->info->state == ENV_NEW);
	env_context(env, rip, rsp);
	env->context.vector = 0;	// not by SYSRET, which shows rip in rcx
	env->context.rdi = argument;
	set_state(env, ENV_RUNNABLE);
	sched_changed(env);
}

void
env_end(struct env *env, enum env_end how, u32 status)
{
	struct env_info *info = env->info;

	ASSERT(info->state != ENV_FREE);
	if (info->state == ENV_DYING || info->state == ENV_DEAD)
		return;
	if (info->state == ENV_ASLEEP || env->serving)
		wait_forget(env);
	watch_forget(env);
	info->end = how;
	info->end_status = status;
	set_state(env, ENV_DYING);
	dying |= 1ull << env->index;
	transfer_ended(env);
	sched_changed(env);
	this_cpu()->reschedule = true;
}

// Frees the entry of a dead environment whose capability is gone and whose
// children all returned their quotas; then the same may hold for its parent.
static void
forget(struct env *env)
{
	while (env->orphan && env->info->state == ENV_DEAD &&
	       env->info->used.envs == 0) {
		struct quota quota = env->info->quota;
		struct env_info *parent = envs[env->parent].info;

		ASSERT(!env->info->used.frames && !env->info->used.slices);
		ASSERT(!env->info->used.rings);
		trace(TRACE_ENV, env->index, ENV_FREE);
		*env->info = (struct env_info){ 0 };
		wait_hint_table(env->info, sizeof(*env->info));
		if (parent == env->info)
			return;		// the first one
		ASSERT(parent->used.envs > 0);
		for (u32 kind = 0; kind < QUOTA_KINDS; kind++)
			parent->quota.of[kind] += quota.of[kind];
		parent->used.envs--;
		env = &envs[env->parent];
	}
}

void
env_capability_gone(u32 index)
{
	struct env *env = &envs[index];

	env_end(env, END_DESTROYED, 0);
	env->orphan = true;
	forget(env);
}

// A round of it. Returns false when some of what it held is left.
static bool
reap_one(struct env *env)
{
	if (env->page_root)
		paging_destroy(env);
	if (!removal_run_all(env->index))
		return false;
	slice_env_gone(env->index);
	own_unpin(&frames, env->uarea_frame, 1);
	ASSERT(env->info->used.frames == 0);
	set_state(env, ENV_DEAD);
	if (env->parent == env->index) {
		kprintf("the first environment ended (%u, status %u, vector %u, "
			"rip 0x%lx, address 0x%lx): nothing runs any more\n",
			env->info->end, env->info->end_status,
			env->info->fault_vector, env->info->fault_rip,
			env->info->fault_address);
	}
	forget(env);
	return true;
}

bool
env_reap(void)
{
	u64 ready = 0;
	u32 index;

	for (u64 waiting = dying; waiting; waiting &= waiting - 1) {
		index = (u32)__builtin_ctzll(waiting);
		if (sched_leave_space(&envs[index]))
			ready |= 1ull << index;
	}
	if (!ready)
		return false;
	index = (u32)__builtin_ctzll(ready);
	if (reap_one(&envs[index])) {
		dying &= ~(1ull << index);
		ready &= ~(1ull << index);
	}
	return ready != 0;
}

struct env_create_checked {
	struct env_spec spec;
	struct env *env;
};

static bool
quota_fits(const struct env_info *info, const struct quota *wanted)
{
	// One environment is the new one itself.
	bool fits = wanted->envs < info->quota.envs - info->used.envs;

	for (u32 kind = 0; kind < QUOTA_KINDS; kind++)
		fits &= wanted->of[kind] <= info->quota.of[kind] - info->used.of[kind];
	return fits;
}

i64
check_env_create(struct call *call)
{
	struct env_create_checked *c = CHECKED(call, struct env_create_checked);
	i64 error = user_read(call->env, call->a[0], &c->spec, sizeof(c->spec));
	u32 index;

	if (error)
		return error;
	c->spec.name[ENV_NAME_SIZE - 1] = 0;
	error = check_frames(call->env, c->spec.uarea_slot, CAP_READ | CAP_WRITE,
			     c->spec.uarea_frame, 1, NULL);
	if (error)
		return error;
	if (c->spec.quota.frames < PAGING_CREATE_FRAMES)
		return -E_ARGUMENT;
	if (SCARCE(!quota_fits(call->env->info, &c->spec.quota)))
		return -E_QUOTA;
	if (SCARCE(frames.free < PAGING_CREATE_FRAMES))
		return -E_FRAMES;
	FIND_FIRST(index, ENVS_MAX, env_table[index].state == ENV_FREE);
	if (SCARCE(index == ENVS_MAX || last_id == ID_LAST ||
		   caps.pool_size - caps.used - caps.retired < 2))
		return -E_TABLE;
	c->env = &envs[index];
	return cap_room(&caps, call->env->index);
}

i64
do_env_create(struct call *call)
{
	struct env_create_checked *c = CHECKED(call, struct env_create_checked);
	struct env_info *parent = call->env->info;
	i64 slot;

	for (u32 kind = 0; kind < QUOTA_KINDS; kind++)
		parent->quota.of[kind] -= c->spec.quota.of[kind];
	parent->used.envs++;
	env_make(c->env, &c->spec, call->env->index);
	slot = mint(call, CAP_ENV, CAP_READ | CAP_WRITE | CAP_DERIVE, c->env->index, 1);
	// The child's own capability hangs below its parent's, in slot 0.
	cap_derive_self(&caps, call->env->index, (u32)slot, c->env->index);
	return slot;
}

i64
check_env_start(struct call *call)
{
	if (call->a[1] >= USER_END || call->a[2] >= USER_END)
		return -E_ARGUMENT;
	return env_table[call->cap->base].state == ENV_NEW ? 0 : -E_STATE;
}

i64
do_env_start(struct call *call)
{
	env_run(&envs[call->cap->base], call->a[1], call->a[2], call->a[3]);
	return 0;
}

NEVER_REFUSED(env_exit)

i64
do_env_exit(struct call *call)
{
	env_end(call->env, END_EXIT, (u32)call->a[0]);
	return 0;
}

NEVER_REFUSED(null)

i64
do_null(struct call *call)
{
	(void)call;
	return 0;
}
