// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Removing what a cut withdrew while what was derived afterwards stays: for tests and the
// simulator, whose nodes clean up late. The kernel removes what it withdraws at once.

#include "kernel/base/assert.h"
#include "kernel/cap/cap.h"

// A child of `node` that is not live although `node` is, or CAP_NIL. Children
// are linked newest first, so that those withdrawn last are behind the live ones.
static inline u32
cut_child(const struct cap_tree *tree, u32 node)
{
	u32 child = tree->pool[node].child;
	u32 steps = 0;

	while (child != CAP_NIL && tree->pool[child].born == tree->pool[node].cuts &&
	       !tree->pool[child].marked) {
		child = tree->pool[child].next;
		ASSERT(++steps <= tree->used);
	}
	return child;
}

// Removes one leaf that was withdrawn with a cut of `node` (or of its parent
// with it), as cap_remove_step() does. Live children of `node` stay.
must_check static inline u32
cut_remove_step(struct cap_tree *tree, u32 node, struct cap *removed)
{
	ASSERT(node < tree->pool_size && tree->pool[node].type != CAP_NONE);

	u32 child = cut_child(tree, node);

	if (child == CAP_NIL)
		return CAP_NIL;
	return cap_remove_step(tree, tree->pool[child].list, tree->pool[child].slot,
			       true, removed);
}
