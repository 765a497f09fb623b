// SPDX-License-Identifier: BSD-2-Clause
// Allocation and binding of CPU slices. Each processor has a vector of slices;
// the scheduler walks it in order (Engler et al., SOSP '95, section 5.1.1).
//
// Invariants:
//   S1  a free slice has neither owner nor environment
//   S2  a slice is bound to its owner, or under a capability that still exists to
//       an environment that has not been reaped
//   S3  slices_bound and env->slices_on say what the vectors say

#include "kernel/sys/slice.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/sys/call.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/tables.h"

STATIC_ASSERT(SLICES_PER_CPU == 64);

u64 slices_bound[CPUS_MAX];
static u32 bound_with[CPUS_MAX * SLICES_PER_CPU];	// capability's node

static struct slice_info *
slice_at(u64 number)
{
	ASSERT(number < CPUS_MAX * SLICES_PER_CPU);
	return &slice_table[number / SLICES_PER_CPU][number % SLICES_PER_CPU];
}

void
slice_init(void)
{
	for (u64 i = 0; i < CPUS_MAX * SLICES_PER_CPU; i++)
		*slice_at(i) = (struct slice_info){ OWNER_NONE, OWNER_NONE };
}

// The only writer of a slice's environment: an index, or OWNER_NONE.
static void
set_env(u64 number, u32 env, u32 node)
{
	struct slice_info *slice = slice_at(number);
	u32 cpu = (u32)(number / SLICES_PER_CPU);
	u64 bit = 1ull << number % SLICES_PER_CPU;

	ASSERT(cpu < cpu_count);
	ASSERT_LOCKED();
	if (slice->env != OWNER_NONE)
		envs[slice->env].slices_on[cpu] &= ~bit;
	slices_bound[cpu] &= ~bit;
	slice->env = (u16)env;
	bound_with[number] = node;
	if (env != OWNER_NONE) {
		ASSERT(env < ENVS_MAX);
		envs[env].slices_on[cpu] |= bit;
		slices_bound[cpu] |= bit;
	}
	sched_kick(cpu);
}

void
slice_give(u64 number, u32 env, u32 node)
{
	ASSERT(slice_at(number)->owner == OWNER_NONE);		// S1
	slice_at(number)->owner = (u16)env;
	set_env(number, env, node);
	envs[env].info->used.slices++;
}

i64
check_slice_alloc(struct call *call)
{
	u64 *number = CHECKED(call, u64);
	const struct env_info *info = call->env->info;
	u64 cpu = call->a[0], index = call->a[1];

	if (cpu >= cpu_count || (index >= SLICES_PER_CPU && index != SLICE_ANY))
		return -E_RANGE;
	if (SCARCE(info->used.slices >= info->quota.slices))
		return -E_QUOTA;
	if (index == SLICE_ANY)
		FIND_FIRST(index, SLICES_PER_CPU,
			   slice_table[cpu][index].owner == OWNER_NONE);
	if (index == SLICES_PER_CPU || slice_table[cpu][index].owner != OWNER_NONE)
		return -E_TAKEN;
	*number = cpu * SLICES_PER_CPU + index;
	return cap_room(&caps, call->env->index);
}

i64
do_slice_alloc(struct call *call)
{
	u64 number = *CHECKED(call, u64);
	u32 index = call->env->index;
	i64 slot = mint(call, CAP_SLICES, CAP_READ | CAP_WRITE | CAP_DERIVE, number, 1);

	slice_give(number, index,
		   cap_node(&caps, cap_at(&caps, index, (u32)slot)));
	return slot;
}

i64
check_slice_bind(struct call *call)
{
	const struct cap *env;
	i64 error = check_cap(call, call->a[1], CAP_ENV, CAP_WRITE, &env);

	if (error)
		return error;
	*CHECKED(call, u32) = (u32)env->base;
	return envs[env->base].page_root ? 0 : -E_STATE;
}

i64
do_slice_bind(struct call *call)
{
	const struct cap *slices = call->cap;

	for (u64 i = 0; i < slices->count; i++)
		set_env(slices->base + i, *CHECKED(call, u32),
			cap_node(&caps, slices));
	return 0;
}

void
slice_capability_gone(const struct cap *removed, u32 node)
{
	bool root = removed->depth == 0;

	for (u64 number = removed->base;
	     number < removed->base + removed->count; number++) {
		struct slice_info *slice = slice_at(number);

		if (root) {
			ASSERT(slice->owner == removed->list);
			set_env(number, OWNER_NONE, CAP_NIL);
			slice->owner = OWNER_NONE;
			envs[removed->list].info->used.slices--;
		} else if (bound_with[number] == node) {
			set_env(number, slice->owner, CAP_NIL);
		}
	}
}

void
slice_env_gone(u32 env)
{
	for (u64 number = 0; number < cpu_count * SLICES_PER_CPU; number++) {
		struct slice_info *slice = slice_at(number);

		if (slice->env == env)
			set_env(number, slice->owner, CAP_NIL);
	}
}
