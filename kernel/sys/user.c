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

const struct cap *
live_cap(const struct call *call, u64 slot)
{
	const struct cap *cap = cap_at(&caps, call->env->index, slot);

	return cap && cap_is_live(&caps, cap_node(&caps, cap), cap->generation)
		       ? cap : NULL;
}

i64
check_frames(const struct env *env, u64 slot, u32 rights, u64 frame, u64 count,
	     u32 *node)
{
	const struct cap *cap;
	i64 error = cap_lookup_range(&caps, env->index, slot, CAP_FRAMES, rights, frame,
				     count, &cap);

	if (!error && node) {
		*node = cap_node(&caps, cap);
		caps.pool[*node].bound = true;		// R2 of removal.c
	}
	return error;
}

i64
mint(const struct call *call, enum cap_type type, u32 rights, u64 base, u64 count)
{
	i64 slot = cap_mint(&caps, call->env->index, SLOT_NONE, type, rights, base,
			    count);

	ASSERT(slot > 0);
	return slot;
}

i64
check_new_frames(const struct call *call, u64 base, u64 count, u64 *frame)
{
	if (SCARCE(count > env_quota_left(call->env)))
		return -E_QUOTA;
	*frame = own_find(&frames, base, count);
	if (SCARCE(*frame == FRAME_ANY))
		return -E_FRAMES;
	return cap_room(&caps, call->env->index);
}

i64
check_ring_room(const struct call *call)
{
	const struct env_info *info = call->env->info;

	ASSERT(info->used.rings <= info->quota.rings);
	if (SCARCE(info->used.rings == info->quota.rings))
		return -E_QUOTA;
	return cap_room(&caps, call->env->index);
}

i64
mint_ring(const struct call *call, enum cap_type type, u32 rights, u32 index)
{
	ASSERT(call->env->info->used.rings < call->env->info->quota.rings);
	call->env->info->used.rings++;
	return mint(call, type, rights, index, 1);
}

void
quota_return_ring(struct env *env)
{
	ASSERT(env->info->used.rings > 0);
	env->info->used.rings--;
}
