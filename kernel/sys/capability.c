// SPDX-License-Identifier: BSD-2-Clause
// System calls on capability lists: derive, revoke, drop, inspect. The rules
// are in kernel/cap; here stand only the copies in and out.

#include "kernel/sys/call.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/revoke.h"

i64
check_cap_derive(struct call *call)
{
	u32 *target = CHECKED(call, u32);
	const struct cap *cap;
	i64 error = check_cap(call, call->a[1], CAP_ENV, CAP_WRITE, &cap);

	if (error)
		return error;
	*target = (u32)cap->base;
	if (!env_lives(&envs[*target]))
		return -E_STATE;
	if (call->a[2] > CAP_ALL)
		return -E_ARGUMENT;
	return cap_check_derive(&caps, call->env->index, call->a[0], *target,
				 (u32)call->a[2], call->a[3], call->a[4]);
}

i64
do_cap_derive(struct call *call)
{
	return cap_derive(&caps, call->env->index, (u32)call->a[0],
			  *CHECKED(call, u32), (u32)call->a[2], call->a[3],
			  call->a[4]);
}

i64
check_cap_revoke(struct call *call)
{
	return cap_at(&caps, call->env->index, call->a[0]) ? 0 : -E_SLOT;
}

i64
do_cap_revoke(struct call *call)
{
	return removal_run(call->env->index, (u32)call->a[0], false) ? 0 : -E_AGAIN;
}

i64
check_cap_drop(struct call *call)
{
	return check_cap_revoke(call);
}

i64
do_cap_drop(struct call *call)
{
	bool done = removal_run(call->env->index, (u32)call->a[0], true);

	if (call->env->info->requests)
		revoke_settle(call->env);
	return done ? 0 : -E_AGAIN;
}

i64
check_cap_inspect(struct call *call)
{
	if (!env_lives(&envs[call->cap->base]))
		return -E_STATE;
	if (call->a[1] >= CAP_LIST_SLOTS)
		return -E_SLOT;
	return user_out(call->env, call->a[2], sizeof(struct cap_info),
			CHECKED(call, struct user_out));
}

i64
do_cap_inspect(struct call *call)
{
	static const struct cap nothing;
	const struct cap *at = cap_at(&caps, (u32)call->cap->base, (u32)call->a[1]);
	const struct cap *cap = at ? at : &nothing;
	const struct cap_info info = {
		.type = cap->type,
		.rights = cap->rights,
		.base = cap->base,
		.count = cap->count,
		.depth = cap->depth,
		.children = cap->children,
	};

	user_write(CHECKED(call, struct user_out), &info, sizeof(info));
	return 0;
}
