// SPDX-License-Identifier: BSD-2-Clause
// The rows, and the walk from one to the capability that it came from. What was taken
// away of a row has the time at which it went, right by right and unit by unit, so that
// a question about the past has its answer.

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
	ASSERT(cap->count <= AUTHORITY_UNITS);
	authority->cap[index] = *cap;
	authority->cap[index].revoked_at = NEVER;
	for (u32 i = 0; i < ARRAY_SIZE(cap->lost_at); i++)
		authority->cap[index].lost_at[i] = NEVER;
	for (u32 i = 0; i < AUTHORITY_UNITS; i++)
		authority->cap[index].gone_at[i] = NEVER;
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

void
authority_protect(struct authority *authority, u32 cap, u32 rights, u64 at)
{
	struct authority_cap *row = &authority->cap[cap];

	ASSERT(cap < authority->count);
	for (u32 i = 0; i < ARRAY_SIZE(row->lost_at); i++) {
		if (!(rights >> i & 1))
			row->lost_at[i] = MIN(row->lost_at[i], at);
	}
}

void
authority_shorten(struct authority *authority, u32 cap, u32 keep, u64 at)
{
	struct authority_cap *row = &authority->cap[cap];

	ASSERT(cap < authority->count && keep < row->count);
	for (u32 i = keep; i < AUTHORITY_UNITS; i++)
		row->gone_at[i] = MIN(row->gone_at[i], at);
}

u32
authority_rights(const struct authority *authority, u32 cap, u64 at)
{
	u32 rights = authority->cap[cap].rights;

	for (; cap != AUTHORITY_NONE; cap = authority->cap[cap].parent) {
		const struct authority_cap *row = &authority->cap[cap];

		for (u32 i = 0; i < ARRAY_SIZE(row->lost_at); i++) {
			if (row->lost_at[i] < at)
				rights &= ~(1u << i);
		}
	}
	return rights;
}

u32
authority_units(const struct authority *authority, u32 cap, u64 at)
{
	u32 base = authority->cap[cap].base, end = ~0u;

	for (; cap != AUTHORITY_NONE; cap = authority->cap[cap].parent) {
		const struct authority_cap *row = &authority->cap[cap];
		u32 units = 0;

		while (units < row->count && row->gone_at[units] >= at)
			units++;
		end = MIN(end, row->base + units);
	}
	return end > base ? end - base : 0;
}

bool
authority_below(const struct authority *authority, u32 cap, u32 above)
{
	while (cap != AUTHORITY_NONE && cap != above)
		cap = authority->cap[cap].parent;
	return cap != AUTHORITY_NONE;
}

bool
authority_holds(const struct authority *authority, u32 cap, u64 at)
{
	bool whole = authority_units(authority, cap, at) > 0;

	for (; cap != AUTHORITY_NONE && whole; cap = authority->cap[cap].parent) {
		if (authority->cap[cap].revoked_at < at)
			return false;
	}
	return whole;
}
