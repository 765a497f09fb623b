// SPDX-License-Identifier: BSD-2-Clause
// The choice: declared capabilities in their order, then all by falling slot, so
// that what a program took last goes first and what it started with goes last.
// Invariants are in demand.h.

#include "kernel/cap/demand.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/assert.h"

bool
demand_divides(u32 type)
{
	return type == CAP_FRAMES || type == CAP_BLOCKS || type == CAP_SLICES ||
	       type == CAP_REMOTE;
}

u32
demand_kind(u32 type)
{
	switch (type) {
	case CAP_QUEUE:
	case CAP_FABRIC_QUEUE:
	case CAP_ENDPOINT:
		return CAP_RING;
	default:
		return type;
	}
}

static bool
concerns(const struct cap_tree *tree, u32 node, const struct demand *demand)
{
	const struct cap *cap = &tree->pool[node];

	if (demand->itself)
		return node == demand->node;
	if (demand->node == CAP_NIL)
		return cap->depth == 0 && demand_kind(cap->type) == demand->type;
	return cap_is_below(tree, node, demand->node);
}

// Units of the capability in a slot that the demand is about.
static u64
units_of(const struct cap_tree *tree, u32 list, u32 slot,
	 const struct demand *demand)
{
	const struct cap *cap = cap_at(tree, list, slot);
	u32 node = cap ? cap_node(tree, cap) : CAP_NIL;

	if (!cap || !cap_is_live(tree, node, cap->generation) ||
	    !concerns(tree, node, demand))
		return 0;
	return demand_divides(cap->type) ? cap->count : 1;
}

u64
demand_held(const struct cap_tree *tree, u32 list, const struct demand *demand)
{
	u64 held = 0;

	ASSERT(demand->type != CAP_NONE);
	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++)
		held += units_of(tree, list, slot, demand);
	return held;
}

static struct demand_choice
take(u32 slot, u64 has, u64 spare, u64 units)
{
	u64 taken = MIN(spare, units);

	ASSERT(taken > 0 && taken <= has);
	return (struct demand_choice){ slot, has - taken, taken };
}

struct demand_choice
demand_choose(const struct cap_tree *tree, u32 list, const struct demand *demand,
	      u64 units, const struct revoke_declared *declared, u32 count)
{
	ASSERT(units > 0 && count <= REVOKE_DECLARED_MAX);
	for (u32 i = 0; i < count; i++) {
		u32 slot = declared[i].slot;
		u64 has = units_of(tree, list, slot, demand);

		if (has > declared[i].keep)
			return take(slot, has, has - declared[i].keep, units);
	}
	for (u32 slot = CAP_LIST_SLOTS; slot-- > 0;) {
		u64 has = units_of(tree, list, slot, demand);

		if (has)
			return take(slot, has, has, units);
	}
	return (struct demand_choice){ .slot = SLOT_NONE };
}
