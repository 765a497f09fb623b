// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Capabilities: per-environment lists and one derivation tree, as a sans-IO
// core. It decides who may name what, and in which order things go when
// authority is withdrawn; the host (kernel/sys) applies the consequences.
//
// A root capability is minted when a resource is allocated. Derivation gives a
// part of a capability (a sub-range, fewer rights) to the same or another list
// and hangs it below its source. Removing a capability removes its subtree,
// leaves first, one a step, so that a host can bound the work it does at once.
//
// Invariants, checked by cap_check():
//   C1  a used node appears in exactly one list slot, a free one in none
//   C2  a child has its parent's type, and range and rights within the parent's
//   C3  depth is the parent's plus one and at most CAP_DEPTH_MAX
//   C4  sibling and child links agree in both directions; no cycles
//   C5  free + used + retired nodes = pool size
//   C6  where a list has a capability that is getting shorter, what is to be looked at
//       next is that or came from it, and whatever came from it before that, or will be
//       derived from it, ends where it is going to
//
// Authority is withdrawn from a whole subtree at once, in O(1), by cap_cut():
// each node remembers how often its parent had been cut when it was derived, and
// whether it is live is a walk to the root (cap_is_live). What is no longer live
// is refused by every look-up and removed later, one node a step. A node whose cuts are
// used up is not derived from any more (-E_TABLE): no cut ever undoes an earlier one.
//
// Not reentrant; the host serialises. No allocation: the host gives the pool.

#include "kernel/abi/caps.h"
#include "kernel/base/types.h"

#define CAP_NIL 0xffffffffu
#define CAP_GENERATION_LAST 0xffffffffu
#define CAP_CUTS_LAST 0xffffffffu

// One capability. `generation` counts the uses of this node, so that a host
// may keep (node, generation) and see later whether it is still the same.
struct cap {
	u8 type;		// enum cap_type; CAP_NONE: free
	u8 rights;
	u8 depth;
	bool marked : 1;	// above a leaf being removed: no derivation, no lookup
	bool bound : 1;		// the host's: something may have been bound with it
	u16 list;		// index of the list that holds it
	u16 slot;		// slot there
	u32 generation;
	u32 parent;		// nodes, or CAP_NIL
	u32 child;
	u32 next;		// sibling; also links the free list
	u32 previous;
	u32 children;		// number of direct children
	u32 cuts;		// how often what came from it was withdrawn
	u32 born;		// the parent's `cuts` when it was derived
	u64 base;
	u64 count;
};

struct cap_list {
	u32 used;
	u32 node[CAP_LIST_SLOTS];	// CAP_NIL: free slot
	u32 trimmed;		// node that is getting shorter, or CAP_NIL
	u32 trim_next;		// the next to look at, of it and what came from it
	u64 trim_end;		// behind its last unit, when that is done
};

struct cap_tree {
	struct cap *pool;
	u32 pool_size;
	u32 free;		// first free node
	u32 used;
	u32 retired;		// whose generations are used up: never used again
	struct cap_list *lists;
	u32 list_count;
};

// Prepares an empty tree over the caller's arrays.
void
cap_init(struct cap_tree *tree, struct cap *pool, u32 pool_size,
	 struct cap_list *lists, u32 list_count);

// Creates a root capability in the lowest free slot of `list` that is at least
// 1 (slot 0 is CAP_SLOT_SELF), or in `slot` when that is not SLOT_NONE.
// Returns the slot, or -E_LIST, -E_TABLE.
must_check i64
cap_mint(struct cap_tree *tree, u32 list, u32 slot, enum cap_type type,
	 u32 rights, u64 base, u64 count);

// Would cap_mint() and cap_derive() into `list` succeed as far as space goes?
// Returns 0, -E_LIST or -E_TABLE.
must_check i64
cap_room(const struct cap_tree *tree, u32 list);

// Checks a derivation: 0, or -E_SLOT, -E_RIGHTS (DERIVE missing, or more
// rights asked than there are), -E_RANGE (empty, outside, or about to be), -E_DEPTH,
// -E_LIST, -E_TABLE.
must_check i64
cap_check_derive(const struct cap_tree *tree, u32 list, u64 slot, u32 target,
		 u32 rights, u64 base, u64 count);

// Derives into `target`; the check above has passed. Returns the new slot.
u32
cap_derive(struct cap_tree *tree, u32 list, u32 slot, u32 target, u32 rights,
	   u64 base, u64 count);

// Derives the whole of an environment's capability into slot 0 of the list of
// that environment, which is empty. Space was checked.
void
cap_derive_self(struct cap_tree *tree, u32 list, u32 slot, u32 target);

// Finds the capability of that type in a slot (any number) with at least those rights.
// *cap is set on success. Returns 0, -E_SLOT, -E_TYPE, -E_RIGHTS.
must_check i64
cap_lookup(const struct cap_tree *tree, u32 list, u64 slot, enum cap_type type,
	   u32 rights, const struct cap **cap);

// The same, and it covers [base, base + count): else -E_RANGE. `cap` may be NULL.
must_check i64
cap_lookup_range(const struct cap_tree *tree, u32 list, u64 slot, enum cap_type type,
		 u32 rights, u64 base, u64 count, const struct cap **cap);

// The capability in a slot (any number), whatever it is, or NULL.
const struct cap *
cap_at(const struct cap_tree *tree, u32 list, u64 slot);

// True when [base, base + count) is not empty and lies within the range.
bool
cap_covers(const struct cap *cap, u64 base, u64 count);

// The number of a capability's node.
u32
cap_node(const struct cap_tree *tree, const struct cap *cap);

// Removes one leaf below (or, with `self`, at last the capability itself),
// copies it to *removed and returns the node that it was, or CAP_NIL when there
// is nothing (more) to remove.
must_check u32
cap_remove_step(struct cap_tree *tree, u32 list, u32 slot, bool self,
		struct cap *removed);

// Goes on ending a capability, and everything that came from it, behind the first `count`
// units of its range: looks at one of them, leaves first and itself last. What begins
// behind them goes, what reaches beyond them gets shorter; `lost` is told of it: what it
// was, its node, and from which unit on it has lost its range (0: it is gone). It does not
// change the tree. From the first step on nothing is derived that reaches beyond. A list
// has one at a time that is getting shorter, which is gone on with first.
// Returns false when there is nothing (more) to do.
typedef void cap_lost(void *host, const struct cap *was, u32 node, u64 from);
must_check bool
cap_trim_step(struct cap_tree *tree, u32 list, u32 slot, u64 count, cap_lost *lost,
	      void *host);

// Withdraws everything derived from a node so far; with `self`, the node too.
void
cap_cut(struct cap_tree *tree, u32 node, bool self);

// True when `node` still is the one of that generation, and neither it nor any
// ancestor was withdrawn. At most CAP_DEPTH_MAX steps.
must_check bool
cap_is_live(const struct cap_tree *tree, u32 node, u32 generation);

// True when `node`, which is used, was derived from `above`, however indirectly. At
// most CAP_DEPTH_MAX steps.
must_check bool
cap_is_below(const struct cap_tree *tree, u32 node, u32 above);

// Walks every invariant; asserts.
void
cap_check(const struct cap_tree *tree);
