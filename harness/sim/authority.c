// SPDX-License-Identifier: BSD-2-Clause
// The rows, and the walk from one to the capability that it came from.

#include "harness/sim/authority.h"
#include "kernel/base/assert.h"

void
authority_init(struct authority *authority)
{
	authority->count = 0;
}

u32
authority_add(struct authority *authority, const struct authority_cap *cap)
{
	u32 index = authority->count++;

	ASSERT(index < AUTHORITY_MAX);
	authority->cap[index] = *cap;
	authority->cap[index].revoked_at = NEVER;
	return index;
}

u32
authority_find(const struct authority *authority, u32 owner, u32 owner_boot,
	       u32 slot, u32 generation)
{
	for (u32 i = authority->count; i-- > 0;) {
		const struct authority_cap *cap = &authority->cap[i];

		if (cap->owner == owner && cap->owner_boot == owner_boot &&
		    cap->slot == slot && cap->generation == generation)
			return i;
	}
	return AUTHORITY_NONE;
}

void
authority_revoke(struct authority *authority, u32 cap, bool self, u64 at)
{
	ASSERT(cap < authority->count);
	for (u32 i = cap; i < authority->count; i++) {
		struct authority_cap *row = &authority->cap[i];

		if (self ? i == cap : row->parent == cap)
			row->revoked_at = MIN(row->revoked_at, at);
	}
}

bool
authority_holds(const struct authority *authority, u32 cap, u64 at)
{
	for (; cap != AUTHORITY_NONE; cap = authority->cap[cap].parent) {
		if (authority->cap[cap].revoked_at < at)
			return false;
	}
	return true;
}
