// SPDX-License-Identifier: BSD-2-Clause
// Access to user memory and the checks that many calls share (call.h). The
// kernel follows the environment's page table and uses the direct map; a user
// address is never dereferenced.

#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/sys/call.h"

i64
user_read(const struct env *env, u64 va, void *target, u64 len)
{
	u8 *to = target;

	while (len) {
		u64 part = MIN(len, PAGE_SIZE - va % PAGE_SIZE);
		u64 frame;
		const void *from = paging_translate(env, va, false, &frame);

		if (!from)
			return -E_ADDRESS;
		memcpy(to, from, part);
		to += part;
		va += part;
		len -= part;
	}
	return 0;
}

i64
user_out(const struct env *env, u64 va, u64 len, struct user_out *out)
{
	if (len > USER_OUT_MAX)
		return -E_ARGUMENT;
	*out = (struct user_out){ .len = len };
	out->lead = (u32)(PAGE_SIZE - va % PAGE_SIZE);
	for (u32 i = 0; len; i++) {
		u64 part = MIN(len, PAGE_SIZE - va % PAGE_SIZE);
		u64 frame;

		ASSERT(i < ARRAY_SIZE(out->page));
		out->page[i] = paging_translate(env, va, true, &frame);
		if (!out->page[i])
			return -E_ADDRESS;
		va += part;
		len -= part;
	}
	return 0;
}

void
user_write(const struct user_out *out, const void *source, u64 len)
{
	const u8 *from = source;
	u64 room = out->lead;

	ASSERT(len <= out->len);
	for (u32 i = 0; len; i++) {
		u64 part = MIN(len, room);

		ASSERT(out->page[i]);
		memcpy(out->page[i], from, part);
		from += part;
		len -= part;
		room = PAGE_SIZE;
	}
}

i64
check_cap(const struct call *call, u64 slot, enum cap_type type, u32 rights,
	  const struct cap **cap)
{
	if (slot >= CAP_LIST_SLOTS)
		return -E_SLOT;
	return cap_lookup(&caps, call->env->index, (u32)slot, type, rights, cap);
}

i64
check_frames(const struct env *env, u32 slot, u32 rights, u64 frame, u64 count,
	     const struct cap **cap)
{
	i64 error = cap_lookup(&caps, env->index, slot, CAP_FRAMES, rights, cap);

	if (error)
		return error;
	return cap_covers(*cap, frame, count) ? 0 : -E_RANGE;
}

i64
quota_check_rings(const struct env *env, u32 count)
{
	const struct env_info *info = env->info;

	ASSERT(info->used.rings <= info->quota.rings);
	return SCARCE(count > info->quota.rings - info->used.rings) ? -E_QUOTA : 0;
}

void
quota_take_rings(struct env *env, u32 count)
{
	ASSERT(!quota_check_rings(env, count));
	env->info->used.rings += count;
}

void
quota_return_rings(struct env *env, u32 count)
{
	ASSERT(env->info->used.rings >= count);
	env->info->used.rings -= count;
}
