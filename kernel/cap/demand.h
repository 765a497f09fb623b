// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What an environment owes, and what is taken next when it does not give it: the
// abort protocol's choice, as a sans-IO core over its capability list. The host
// (kernel/sys/revoke.c) keeps the deadlines and does the taking.
//
// Units are those of the capability's range where it can be shortened (frames,
// blocks, slices), else the capability itself.
//
// Invariants of a choice:
//   D1  it takes at least one unit and at most as many as were asked for
//   D2  only of capabilities that the demand is about, and that are not withdrawn
//   D3  the same list, declarations and number give the same choice

#include "kernel/abi/revoke.h"
#include "kernel/cap/cap.h"

struct demand {
	u8 type;		// enum cap_type; CAP_NONE: no demand
	bool itself;		// about the node itself, not what came from it
	u32 node;		// what it came from, or CAP_NIL: out of the quota
	u32 generation;
	u64 owed;		// of the quota
	u64 allowed;		// units that may stay, of a capability's
	u64 deadline_ns;
};

// Can a capability of that type be shortened?
bool
demand_divides(u32 type);

// The type that stands for a kind in a quota: packet rings, queues and endpoints are one.
u32
demand_kind(u32 type);

// Units that the list holds of what the demand is about. Bounded by
// CAP_LIST_SLOTS * CAP_DEPTH_MAX.
u64
demand_held(const struct cap_tree *tree, u32 list, const struct demand *demand);

// What to take next, at most `units` (at least 1): of the capability in `slot` all
// but the first `keep`. SLOT_NONE: the list has nothing (more) of it.
struct demand_choice {
	u32 slot;
	u64 keep;
	u64 units;
};

struct demand_choice
demand_choose(const struct cap_tree *tree, u32 list, const struct demand *demand,
	      u64 units, const struct revoke_declared *declared, u32 count);
