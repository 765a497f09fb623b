// SPDX-License-Identifier: BSD-2-Clause
// System calls on capability lists: derive, revoke, drop, inspect. The rules
// are in kernel/cap; here stand only the copies in and out.

#include "kernel/base/assert.h"
#include "kernel/sys/call.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/revoke.h"

// The environment that a slot of the caller's list names.
static i64
target_env(const struct call *call, u64 slot, u32 rights, u32 *index)
{
	const struct cap *cap;
	i64 error = check_cap(call, slot, CAP_ENV, rights, &cap);

	if (error)
		return error;
	*index = (u32)cap->base;
	switch (envs[*index].info->state) {
	case ENV_FREE:
	case ENV_DYING:
	case ENV_DEAD:
		return -E_STATE;
	}
	return 0;
}

i64
check_cap_derive(struct call *call)
{
	u32 *target = CHECKED(call, u32);
	i64 error = target_env(call, call->a[1], CAP_WRITE, target);

	if (error)
		return error;
	if (call->a[0] >= CAP_LIST_SLOTS)
		return -E_SLOT;
	if (call->a[2] > CAP_ALL)
		return -E_ARGUMENT;
	return cap_check_derive(&caps, call->env->index, (u32)call->a[0],
				*target, (u32)call->a[2], call->a[3], call->a[4]);
}

i64
do_cap_derive(struct call *call)
{
	return cap_derive(&caps, call->env->index, (u32)call->a[0],
			  *CHECKED(call, u32), (u32)call->a[2], call->a[3],
			  call->a[4]);
}

static i64
check_slot(const struct call *call)
{
	if (call->a[0] >= CAP_LIST_SLOTS ||
	    !cap_at(&caps, call->env->index, (u32)call->a[0]))
		return -E_SLOT;
	return 0;
}

static i64
again(bool done)
{
	return done ? 0 : -E_AGAIN;
}

i64
check_cap_revoke(struct call *call)
{
	return check_slot(call);
}

i64
do_cap_revoke(struct call *call)
{
	return again(removal_run(call->env->index, (u32)call->a[0], false));
}

i64
check_cap_drop(struct call *call)
{
	return check_slot(call);
}

i64
do_cap_drop(struct call *call)
{
	bool done = removal_run(call->env->index, (u32)call->a[0], true);

	if (call->env->info->requests)
		revoke_settle(call->env);
	return again(done);
}

struct inspect_checked {
	struct user_out out;
	u32 env;
};

i64
check_cap_inspect(struct call *call)
{
	struct inspect_checked *c = CHECKED(call, struct inspect_checked);
	i64 error = target_env(call, call->a[0], CAP_READ, &c->env);

	if (error)
		return error;
	if (call->a[1] >= CAP_LIST_SLOTS)
		return -E_SLOT;
	return user_out(call->env, call->a[2], sizeof(struct cap_info), &c->out);
}

i64
do_cap_inspect(struct call *call)
{
	struct inspect_checked *c = CHECKED(call, struct inspect_checked);
	const struct cap *cap = cap_at(&caps, c->env, (u32)call->a[1]);
	struct cap_info info = { 0 };

	if (cap) {
		info = (struct cap_info){
			.type = cap->type,
			.rights = cap->rights,
			.base = cap->base,
			.count = cap->count,
			.depth = cap->depth,
			.children = cap->children,
		};
	}
	user_write(&c->out, &info, sizeof(info));
	return 0;
}
