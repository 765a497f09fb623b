// SPDX-License-Identifier: BSD-2-Clause
// Allocation and binding of CPU slices. Each processor has a vector of slices;
// the scheduler walks it in order (Engler et al., SOSP '95, section 5.1.1).
//
// Invariant S1: a free slice has neither owner nor environment.

#include "kernel/sys/slice.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/sys/call.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/tables.h"

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

static void
bind(u64 number, u32 env)
{
	slice_at(number)->env = (u16)env;
	envs[env].cpu = (u32)(number / SLICES_PER_CPU);
	sched_changed(&envs[env]);
}

i64
check_slice_alloc(struct call *call)
{
	u64 *number = CHECKED(call, u64);
	const struct env_info *info = call->env->info;
	u64 cpu = call->a[0], index = call->a[1];

	if (cpu >= cpu_count || (index >= SLICES_PER_CPU && index != SLICE_ANY))
		return -E_RANGE;
	if (info->used.slices >= info->quota.slices)
		return -E_QUOTA;
	if (index == SLICE_ANY) {
		for (index = 0; index < SLICES_PER_CPU; index++) {
			if (slice_table[cpu][index].owner == OWNER_NONE)
				break;
		}
	}
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
	i64 slot;

	slice_at(number)->owner = (u16)index;
	bind(number, index);
	call->env->info->used.slices++;
	slot = cap_mint(&caps, index, SLOT_NONE, CAP_SLICES,
			CAP_READ | CAP_WRITE | CAP_DERIVE, number, 1);
	ASSERT(slot > 0);
	return slot;
}

struct bind_checked {
	const struct cap *slices;
	u32 env;
};

i64
check_slice_bind(struct call *call)
{
	struct bind_checked *c = CHECKED(call, struct bind_checked);
	const struct cap *env;
	i64 error = cap_lookup(&caps, call->env->index, (u32)call->a[0],
			       CAP_SLICES, CAP_WRITE, &c->slices);

	if (error)
		return error;
	error = cap_lookup(&caps, call->env->index, (u32)call->a[1], CAP_ENV,
			   CAP_WRITE, &env);
	if (error)
		return error;
	c->env = (u32)env->base;
	return envs[c->env].page_root ? 0 : -E_STATE;
}

i64
do_slice_bind(struct call *call)
{
	const struct bind_checked *c = CHECKED(call, struct bind_checked);

	for (u64 i = 0; i < c->slices->count; i++)
		bind(c->slices->base + i, c->env);
	return 0;
}

void
slice_capability_gone(const struct cap *removed)
{
	bool root = removed->depth == 0;

	for (u64 i = 0; i < removed->count; i++) {
		struct slice_info *slice = slice_at(removed->base + i);

		slice->env = slice->owner;
		if (!root)
			continue;
		ASSERT(slice->owner == removed->list);
		*slice = (struct slice_info){ OWNER_NONE, OWNER_NONE };
		envs[removed->list].info->used.slices--;
	}
}
