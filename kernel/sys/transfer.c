// SPDX-License-Identifier: BSD-2-Clause
// Protected control transfer, the long way: capabilities, links, ends. It is what
// the short path (transfer.S) falls back on, and the definition of what that does.
//
// Invariants:
//   X1  a.callee == b exactly when b.caller == a; a is CALLING then, and b serving
//   X2  a CALLING environment has a callee; chains have no cycle, because who calls
//       or serves has its door closed, and at most TRANSFER_DEPTH_MAX links
//   X3  env->parked says that it sleeps in entry_wait() or serves a call from there;
//       its wait words stay pinned meanwhile, and are looked at again after a reply
//   X4  a door is open only as T1 in door.h says

#include "kernel/sys/transfer.h"
#include "kernel/abi/layout.h"
#include "kernel/abi/transfer.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/door.h"
#include "kernel/base/assert.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

STATIC_ASSERT(CALL_FAST == 0x80000000u);		// transfer.S

u64 transfer_epoch TRANSFER_PAGE = 0;
struct door doors[ENVS_MAX] __attribute__((section(".bss.doors")));

static struct door *
door_of(const struct env *env)
{
	return &doors[env->index];
}

void
transfer_make(struct env *env)
{
	struct door *door = door_of(env);

	ASSERT(!door->open && !door->caller);
	env->callee = ENVS_MAX;
	env->caller = ENVS_MAX;
	env->call_deadline_ns = NEVER;
	*door = (struct door){
		.room = TRANSFER_DEPTH_MAX,
		.root = env->page_root << PAGE_SHIFT,
		.context_end = (u64)&env->context.fs_base,
		.index = env->index,
		.id = env->info->id,
	};
	// No epoch is the last one: a gate that was not set holds for no slot (T3).
	for (u32 i = 0; i < DOOR_GATES; i++) {
		door->gate[i].slot = SLOT_NONE;
		door->gate[i].epoch = ~0ull;
	}
}

void
transfer_withdrawn(void)
{
	transfer_epoch++;
}

// Bases of an environment that does not run are in its context, but in its door
// while that is open: the short path knows only this.
static void
bases_from_door(struct env *env)
{
	env->context.fs_base = door_of(env)->fs_base;
	env->context.gs_base = door_of(env)->gs_base;
}

// It runs here, and sleeps from now on: calls may come.
static void
open_door(struct env *env)
{
	ASSERT(env->parked && !env->serving && env->info->state == ENV_ASLEEP);
	ASSERT(this_cpu()->current == env->index);
	if (cpu_features.fsgsbase) {
		door_of(env)->fs_base = fs_base_read();
		door_of(env)->gs_base = msr_read(MSR_KERNEL_GS_BASE);
	}
	door_of(env)->open = !env->fpu_used;
}

void
transfer_close(struct env *env, i64 result)
{
	struct door *door = door_of(env);

	ASSERT(env->parked && !env->serving && !door->caller);
	env->parked = false;
	door->open = 0;
	door->room = TRANSFER_DEPTH_MAX;
	env_context(env, env->park_rip, env->park_rsp);
	bases_from_door(env);
	env->context.rax = (u64)result;
}

static void
join(struct env *caller, struct env *callee)
{
	ASSERT(caller->callee == ENVS_MAX && callee->caller == ENVS_MAX);
	ASSERT(caller != callee && callee->parked && !callee->serving);
	caller->callee = callee->index;
	callee->caller = caller->index;
	callee->serving = true;
	door_of(callee)->open = 0;
}

static void
part(struct env *caller)
{
	struct env *callee = &envs[caller->callee];

	ASSERT(callee->caller == caller->index);			// X1
	callee->caller = ENVS_MAX;
	caller->callee = ENVS_MAX;
	caller->call_deadline_ns = NEVER;
}

// The caller goes on. With a reply, its message.
static void
return_call(struct env *caller, i64 result, const struct context *reply)
{
	struct context *c = &caller->context;

	ASSERT(caller->info->state == ENV_CALLING);
	part(caller);
	c->rax = (u64)result;
	if (reply) {
		c->rdx = reply->rdx;
		c->r10 = reply->r10;
		c->r8 = reply->r8;
		c->r9 = reply->r9;
	}
	env_become(caller, ENV_RUNNABLE);
	sched_changed(caller);
}

u32
transfer_far_tail(u32 index)
{
	for (u32 steps = 0; index < ENVS_MAX &&
	     env_table[index].state == ENV_CALLING; steps++) {
		ASSERT(steps < TRANSFER_DEPTH_MAX);			// X2
		index = envs[index].callee;
	}
	return index;
}

void
transfer_look(struct env *env, u64 now_ns)
{
	if (now_ns >= env->call_deadline_ns)
		return_call(env, -E_TIMEOUT, NULL);
}

// One link of a call by the short path, as join() and the rest of do_entry_call().
static void
settle_link(struct door *from, struct door *to)
{
	struct env *caller = &envs[from->index], *callee = &envs[to->index];

	ASSERT(to->caller == from);
	to->caller = NULL;
	join(caller, callee);
	env_context(caller, from->rip, from->rsp);
	bases_from_door(caller);
	caller->call_deadline_ns = from->deadline_ns;
	if (callee->info->state == ENV_ASLEEP)
		env_become(callee, ENV_RUNNABLE);
	if (caller->info->state == ENV_ASLEEP ||
	    caller->info->state == ENV_RUNNABLE)
		env_become(caller, ENV_CALLING);
}

// Some of a chain may have ended on other processors before it was written down.
static void
settle_ends(struct env *tail)
{
	struct env *env = tail, *next;

	for (u32 i = 0; env; i++, env = next) {
		ASSERT(i <= TRANSFER_DEPTH_MAX);
		next = env->caller < ENVS_MAX ? &envs[env->caller] : NULL;
		if (env->info->state == ENV_DYING)
			transfer_ended(env);
	}
}

struct env *
transfer_settle(struct cpu *cpu)
{
	struct env *root = &envs[cpu->current];
	struct env *tail = &envs[cpu->door->index];
	struct door *door = cpu->door;

	ASSERT(root != tail && root->running_on == cpu->index);
	ASSERT(tail->running_on == CPU_NONE && cpu->space == tail->index);
	for (u32 steps = 0; door->caller; steps++) {
		struct door *from = door->caller;

		ASSERT(steps < TRANSFER_DEPTH_MAX);
		settle_link(from, door);
		envs[door->index].cpu = cpu->index;
		wait_due(&envs[door->index]);
		door = from;
	}
	wait_due(root);
	ASSERT(door == door_of(root));
	root->running_on = CPU_NONE;
	tail->running_on = cpu->index;
	cpu->current = tail->index;
	settle_ends(tail);
	return tail;
}

bool
transfer_unsettled(const struct env *env)
{
	const struct door *door = door_of(env);
	u32 steps = 0;

	if (!door->caller)
		return false;
	for (; door->caller; door = door->caller)
		ASSERT(steps++ < TRANSFER_DEPTH_MAX);
	ASSERT(envs[door->index].running_on < cpu_count);
	sched_kick(envs[door->index].running_on);
	return true;
}

void
transfer_ended(struct env *env)
{
	struct door *door = door_of(env);

	if (door->entry)
		transfer_withdrawn();		// gates lead here
	door->entry = 0;
	door->open = 0;
	if (transfer_unsettled(env))
		return;				// settle_ends() goes on
	env->parked = false;
	env->serving = false;
	if (env->callee < ENVS_MAX)
		part(env);
	if (env->caller < ENVS_MAX)
		return_call(&envs[env->caller], -E_ABORTED, NULL);
}

i64
check_entry_make(struct call *call)
{
	return cap_room(&caps, call->env->index);
}

i64
do_entry_make(struct call *call)
{
	u64 id = env_table[call->cap->base].id;

	return mint(call, CAP_ENTRY, CAP_EXECUTE | CAP_DERIVE,
		    id << ENTRY_BADGE_BITS, ENTRY_BADGES);
}

i64
check_entry_wait(struct call *call)
{
	if (call->a[3] < USER_BASE || call->a[3] >= USER_END ||
	    call->a[4] >= USER_END)
		return -E_ARGUMENT;
	return check_wait(call);
}

i64
do_entry_wait(struct call *call)
{
	struct env *env = call->env;
	i64 result = do_wait(call);

	if (env->info->state != ENV_ASLEEP)
		return result;
	ASSERT(!env->parked && !env->serving);
	env->parked = true;
	env->park_rip = env->context.rip;
	env->park_rsp = env->context.rsp;
	door_of(env)->entry = call->a[3];
	door_of(env)->stack = call->a[4];
	open_door(env);
	return result;
}

i64
check_entry_call(struct call *call)
{
	u32 id = (u32)(call->cap->base >> ENTRY_BADGE_BITS), index;
	struct env *callee;

	FIND_FIRST(index, ENVS_MAX, env_table[index].id == id);
	callee = &envs[index];
	if (index == ENVS_MAX || !env_lives(callee))
		return -E_STATE;
	if (callee->info->state != ENV_ASLEEP || !callee->parked ||
	    transfer_unsettled(callee))
		return -E_BUSY;
	*CHECKED(call, struct env *) = callee;
	if (door_of(call->env)->room == 0)
		return -E_DEPTH;
	return call->a[1] != NEVER && clock_ns() >= call->a[1] ? -E_TIMEOUT : 0;
}

i64
do_entry_call(struct call *call)
{
	struct env *env = call->env, *callee = *CHECKED(call, struct env *);
	struct door *door = door_of(callee);
	struct context *to = &callee->context;
	u64 rip = env->context.rip, rsp = env->context.rsp;

	// The next call with this capability goes the short way.
	door_of(env)->gate[call->a[0] % DOOR_GATES] = (struct gate){
		.slot = call->a[0],
		.epoch = transfer_epoch,
		.callee = door,
		.badge = ENTRY_BADGE(call->cap->base),
	};
	join(env, callee);
	door->room = door_of(env)->room - 1;
	env_context(callee, door->entry, door->stack);
	bases_from_door(callee);
	to->rdi = ENTRY_BADGE(call->cap->base);
	to->rsi = env->info->id;
	to->rdx = call->a[2];
	to->r10 = call->a[3];
	to->r8 = call->a[4];
	to->r9 = call->a[5];
	env_context(env, rip, rsp);
	env->call_deadline_ns = call->a[1];
	env_become(env, ENV_CALLING);
	env_become(callee, ENV_RUNNABLE);
	callee->cpu = this_cpu()->index;
	wait_due(env);
	wait_due(callee);
	this_cpu()->reschedule = true;
	return 0;
}

i64
check_entry_reply(struct call *call)
{
	return call->env->serving ? 0 : -E_STATE;
}

i64
do_entry_reply(struct call *call)
{
	struct env *env = call->env;

	if (env->caller < ENVS_MAX)
		return_call(&envs[env->caller], 0, &env->context);
	env->serving = false;
	env_become(env, ENV_ASLEEP);
	open_door(env);
	// What it waits for may have come meanwhile.
	env_hint(env->index);
	this_cpu()->reschedule = true;
	return 0;
}
