// SPDX-License-Identifier: BSD-2-Clause
// The derivation tree: first-child, next-sibling links between nodes of a
// pool, and for each list the node in every slot. Invariants are in cap.h.
//
// Removal is a walk to the leftmost leaf below the target, one leaf a call: the
// depth bound makes each step at most CAP_DEPTH_MAX link follows.

#include "kernel/cap/cap.h"
#include "kernel/abi/errors.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/assert.h"
#include "kernel/base/poison.h"
#include "kernel/base/scarce.h"
#include "kernel/base/span.h"

// The part of a free node that nobody looks at: not its type and generation, nor
// the link to the next free one.
static void
node_poison(struct cap *cap, bool poison)
{
	poison_set(&cap->previous, sizeof(*cap) - offsetof(struct cap, previous), poison);
}

STATIC_ASSERT(offsetof(struct cap, previous) % 8 == 0);

void
cap_init(struct cap_tree *tree, struct cap *pool, u32 pool_size,
	 struct cap_list *lists, u32 list_count)
{
	ASSERT(pool_size > 0 && pool_size < CAP_NIL);
	*tree = (struct cap_tree){ .pool = pool, .pool_size = pool_size,
				   .lists = lists, .list_count = list_count };
	for (u32 i = 0; i < pool_size; i++) {
		node_poison(&pool[i], false);
		pool[i] = (struct cap){ .next = i + 1 < pool_size ? i + 1 : CAP_NIL };
		node_poison(&pool[i], true);
	}
	for (u32 i = 0; i < list_count; i++) {
		lists[i].used = 0;
		lists[i].trimmed = CAP_NIL;
		for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++)
			lists[i].node[slot] = CAP_NIL;
	}
}

static struct cap_list *
list_of(const struct cap_tree *tree, u32 list)
{
	ASSERT(list < tree->list_count);
	return &tree->lists[list];
}

u32
cap_node(const struct cap_tree *tree, const struct cap *cap)
{
	ASSERT(cap >= tree->pool && cap < tree->pool + tree->pool_size);
	return (u32)(cap - tree->pool);
}

static u32
free_slot(const struct cap_list *list)
{
	for (u32 slot = 1; slot < CAP_LIST_SLOTS; slot++) {
		if (list->node[slot] == CAP_NIL)
			return slot;
	}
	return SLOT_NONE;
}

i64
cap_room(const struct cap_tree *tree, u32 list)
{
	if (SCARCE(free_slot(list_of(tree, list)) == SLOT_NONE))
		return -E_LIST;
	return SCARCE(tree->free == CAP_NIL) ? -E_TABLE : 0;
}

// Takes a node from the pool into a slot; links to the tree come after.
static struct cap *
take_node(struct cap_tree *tree, u32 list, u32 slot)
{
	u32 node = tree->free;

	ASSERT(node < tree->pool_size && slot < CAP_LIST_SLOTS);
	ASSERT(list_of(tree, list)->node[slot] == CAP_NIL);

	struct cap *cap = &tree->pool[node];

	node_poison(cap, false);
	tree->free = cap->next;
	tree->used++;
	*cap = (struct cap){
		.generation = cap->generation + 1,
		.list = (u16)list,
		.slot = (u16)slot,
		.parent = CAP_NIL,
		.child = CAP_NIL,
		.next = CAP_NIL,
		.previous = CAP_NIL,
	};
	list_of(tree, list)->node[slot] = node;
	list_of(tree, list)->used++;
	return cap;
}

i64
cap_mint(struct cap_tree *tree, u32 list, u32 slot, enum cap_type type,
	 u32 rights, u64 base, u64 count)
{
	ASSERT(type > CAP_NONE && type < CAP_TYPE_COUNT && count > 0);
	if (slot == SLOT_NONE)
		slot = free_slot(list_of(tree, list));
	if (slot == SLOT_NONE)
		return -E_LIST;
	if (tree->free == CAP_NIL)
		return -E_TABLE;

	struct cap *cap = take_node(tree, list, slot);

	cap->type = (u8)type;
	cap->rights = (u8)rights;
	cap->base = base;
	cap->count = count;
	return slot;
}

const struct cap *
cap_at(const struct cap_tree *tree, u32 list, u64 slot)
{
	if (slot >= CAP_LIST_SLOTS)
		return NULL;

	u32 node = list_of(tree, list)->node[slot];

	return node == CAP_NIL ? NULL : &tree->pool[node];
}

bool
cap_covers(const struct cap *cap, u64 base, u64 count)
{
	return count > 0 && span_covers(cap->base, cap->count, base, count);
}

// Walks to the root: is nothing on the way withdrawn?
static inline __attribute__((always_inline)) bool
is_live(const struct cap_tree *tree, const struct cap *cap)
{
	u32 steps = 0;

	while (!cap->marked) {
		const struct cap *parent;

		if (cap->parent == CAP_NIL)
			return true;
		parent = &tree->pool[cap->parent];
		if (cap->born != parent->cuts)
			return false;
		cap = parent;
		ASSERT(++steps <= CAP_DEPTH_MAX);
	}
	return false;
}

bool
cap_is_below(const struct cap_tree *tree, u32 node, u32 above)
{
	ASSERT(node < tree->pool_size && tree->pool[node].type != CAP_NONE);
	do
		node = tree->pool[node].parent;
	while (node != CAP_NIL && node != above);
	return node == above;
}

bool
cap_is_live(const struct cap_tree *tree, u32 node, u32 generation)
{
	ASSERT(node < tree->pool_size);

	const struct cap *cap = &tree->pool[node];

	return cap->type != CAP_NONE && cap->generation == generation &&
	       is_live(tree, cap);
}

static inline __attribute__((always_inline)) i64
find(const struct cap_tree *tree, u32 list, u64 slot, enum cap_type type, u32 rights,
     const struct cap **cap)
{
	const struct cap *found = cap_at(tree, list, slot);

	if (!found || !is_live(tree, found))
		return -E_SLOT;
	if (found->type != type)
		return -E_TYPE;
	if ((found->rights & rights) != rights)
		return -E_RIGHTS;
	*cap = found;
	return 0;
}

hot_ i64
cap_lookup(const struct cap_tree *tree, u32 list, u64 slot, enum cap_type type,
	   u32 rights, const struct cap **cap)
{
	return find(tree, list, slot, type, rights, cap);
}

hot_ i64
cap_lookup_range(const struct cap_tree *tree, u32 list, u64 slot, enum cap_type type,
		 u32 rights, u64 base, u64 count, const struct cap **cap)
{
	const struct cap *found;
	i64 error = find(tree, list, slot, type, rights, &found);

	if (error)
		return error;
	if (cap)
		*cap = found;
	return cap_covers(found, base, count) ? 0 : -E_RANGE;
}

// Will a part of a capability that ends there stay, once it and those that it came from
// are as short as they are getting (C6)?
static bool
will_stay(const struct cap_tree *tree, const struct cap *cap, u64 end)
{
	for (;; cap = &tree->pool[cap->parent]) {
		const struct cap_list *list = list_of(tree, cap->list);

		if (list->trimmed == cap_node(tree, cap) && end > list->trim_end)
			return false;
		if (cap->parent == CAP_NIL)
			return true;
	}
}

i64
cap_check_derive(const struct cap_tree *tree, u32 list, u64 slot, u32 target,
		 u32 rights, u64 base, u64 count)
{
	const struct cap *cap = cap_at(tree, list, slot);

	if (!cap || !is_live(tree, cap))
		return -E_SLOT;
	if (!(cap->rights & CAP_DERIVE) || (rights & ~(u32)cap->rights))
		return -E_RIGHTS;
	if (!cap_covers(cap, base, count) || !will_stay(tree, cap, base + count))
		return -E_RANGE;
	if (cap->depth == CAP_DEPTH_MAX)
		return -E_DEPTH;
	if (cap->cuts == CAP_CUTS_LAST)
		return -E_TABLE;
	return cap_room(tree, target);
}

// Hangs a new node below the one in `slot` of `list`.
static void
derive_into(struct cap_tree *tree, u32 list, u32 slot, u32 target,
	    u32 target_slot, u32 rights, u64 base, u64 count)
{
	u32 parent_node = list_of(tree, list)->node[slot];
	struct cap *parent = &tree->pool[parent_node];
	struct cap *cap = take_node(tree, target, target_slot);

	cap->type = parent->type;
	cap->rights = (u8)rights;
	cap->depth = (u8)(parent->depth + 1);
	cap->base = base;
	cap->count = count;
	cap->parent = parent_node;
	cap->born = parent->cuts;
	cap->next = parent->child;
	if (parent->child != CAP_NIL)
		tree->pool[parent->child].previous = cap_node(tree, cap);
	parent->child = cap_node(tree, cap);
	parent->children++;
	ASSERT(cap->depth <= CAP_DEPTH_MAX);
}

u32
cap_derive(struct cap_tree *tree, u32 list, u32 slot, u32 target, u32 rights,
	   u64 base, u64 count)
{
	u32 target_slot = free_slot(list_of(tree, target));

	ASSERT(!cap_check_derive(tree, list, slot, target, rights, base, count));
	derive_into(tree, list, slot, target, target_slot, rights, base, count);
	return target_slot;
}

void
cap_derive_self(struct cap_tree *tree, u32 list, u32 slot, u32 target)
{
	const struct cap *cap = cap_at(tree, list, slot);

	ASSERT(cap && cap->type == CAP_ENV && cap->base == target);
	derive_into(tree, list, slot, target, CAP_SLOT_SELF, cap->rights,
		    cap->base, 1);
}

// The leftmost leaf below a node, or that itself. Marks those on the way to it, if asked.
static u32
first_leaf(struct cap_tree *tree, u32 node, bool mark)
{
	u32 steps = 0;

	while (tree->pool[node].child != CAP_NIL) {
		node = tree->pool[node].child;
		tree->pool[node].marked |= mark;
		ASSERT(++steps <= CAP_DEPTH_MAX);
	}
	return node;
}

// What is getting shorter in that list: `node` of it was looked at, or goes.
static void
trim_past(struct cap_tree *tree, struct cap_list *list, u32 node)
{
	const struct cap *cap = &tree->pool[node];

	if (list->trimmed == node)
		list->trimmed = CAP_NIL;
	else
		list->trim_next = cap->next == CAP_NIL ? cap->parent
						       : first_leaf(tree, cap->next, false);
}

// Nothing that is getting shorter goes on at a node which goes.
static void
leave_trims(struct cap_tree *tree, u32 node)
{
	for (u32 at = node; at != CAP_NIL; at = tree->pool[at].parent) {
		struct cap_list *list = list_of(tree, tree->pool[at].list);

		if (list->trimmed == at && list->trim_next == node)
			trim_past(tree, list, node);
	}
}

static void
remove_leaf(struct cap_tree *tree, struct cap *cap)
{
	struct cap_list *list = list_of(tree, cap->list);

	ASSERT(cap->child == CAP_NIL && cap->children == 0);
	leave_trims(tree, cap_node(tree, cap));
	if (cap->next != CAP_NIL)
		tree->pool[cap->next].previous = cap->previous;
	if (cap->previous != CAP_NIL)
		tree->pool[cap->previous].next = cap->next;
	else if (cap->parent != CAP_NIL)
		tree->pool[cap->parent].child = cap->next;
	if (cap->parent != CAP_NIL)
		tree->pool[cap->parent].children--;
	list->node[cap->slot] = CAP_NIL;
	list->used--;
	tree->used--;
	*cap = (struct cap){
		.generation = cap->generation,
		.next = tree->free,
	};
	node_poison(cap, true);
	// One more use and its generations would begin again.
	if (cap->generation == CAP_GENERATION_LAST)
		tree->retired++;
	else
		tree->free = cap_node(tree, cap);
}

u32
cap_remove_step(struct cap_tree *tree, u32 list, u32 slot, bool self,
		struct cap *removed)
{
	ASSERT(slot < CAP_LIST_SLOTS);

	u32 top = list_of(tree, list)->node[slot];
	u32 node;

	if (top == CAP_NIL)
		return CAP_NIL;
	node = first_leaf(tree, top, true);
	if (node == top && !self)
		return CAP_NIL;
	if (self)
		tree->pool[top].marked = true;
	*removed = tree->pool[node];
	remove_leaf(tree, &tree->pool[node]);
	return node;
}

// Leaves first, so that whatever goes is a leaf by then (C2: what is below it
// lies within its range).
bool
cap_trim_step(struct cap_tree *tree, u32 list_index, u32 slot, u64 count, cap_lost *lost,
	      void *host)
{
	struct cap_list *list = list_of(tree, list_index);
	const struct cap *top = cap_at(tree, list_index, slot);

	if (list->trimmed == CAP_NIL) {
		if (!top || count >= top->count)
			return false;
		ASSERT(count > 0);
		list->trimmed = cap_node(tree, top);
		list->trim_next = first_leaf(tree, list->trimmed, false);
		list->trim_end = top->base + count;
	}

	u32 node = list->trim_next;
	u64 end = list->trim_end;
	struct cap *cap = &tree->pool[node];
	const struct cap was = *cap;

	if (was.base >= end) {
		remove_leaf(tree, cap);
		lost(host, &was, node, 0);
		return true;
	}
	trim_past(tree, list, node);
	if (was.base + was.count > end) {
		cap->count = end - was.base;
		lost(host, &was, node, end);
	}
	return true;
}

void
cap_cut(struct cap_tree *tree, u32 node, bool self)
{
	ASSERT(node < tree->pool_size);

	struct cap *cap = &tree->pool[node];

	ASSERT(cap->type != CAP_NONE);
	if (cap->children && cap->cuts < CAP_CUTS_LAST)
		cap->cuts++;
	cap->marked |= self;
}

static void
check_trim(const struct cap_tree *tree, const struct cap_list *list)
{
	const struct cap *top = &tree->pool[list->trimmed];

	ASSERT(top->type != CAP_NONE && list_of(tree, top->list) == list);	// C6
	ASSERT(list->trim_end > top->base && (list->trim_next == list->trimmed ||
					      cap_is_below(tree, list->trim_next, list->trimmed)));
}

static void
check_node(const struct cap_tree *tree, u32 node)
{
	const struct cap *cap = &tree->pool[node];
	u32 children = 0;
	u32 previous = CAP_NIL;

	ASSERT(list_of(tree, cap->list)->node[cap->slot] == node);	// C1
	if (cap->parent != CAP_NIL) {
		const struct cap *parent = &tree->pool[cap->parent];

		ASSERT(parent->type == cap->type);			// C2
		ASSERT(cap_covers(parent, cap->base, cap->count));
		ASSERT((cap->rights & ~parent->rights) == 0);
		ASSERT(cap->depth == parent->depth + 1);		// C3
	} else {
		ASSERT(cap->depth == 0);
	}
	for (u32 c = cap->child; c != CAP_NIL; c = tree->pool[c].next) {
		ASSERT(tree->pool[c].parent == node);			// C4
		ASSERT(tree->pool[c].previous == previous);
		children++;
		ASSERT(children <= tree->used);
		previous = c;
	}
	ASSERT(children == cap->children);
}

void
cap_check(const struct cap_tree *tree)
{
	u32 used = 0, free = 0, listed = 0;

	for (u32 i = 0; i < tree->pool_size; i++) {
		if (tree->pool[i].type != CAP_NONE) {
			used++;
			check_node(tree, i);
		}
	}
	for (u32 i = tree->free; i != CAP_NIL; i = tree->pool[i].next) {
		ASSERT(tree->pool[i].type == CAP_NONE);
		free++;
		ASSERT(free <= tree->pool_size);
	}
	for (u32 i = 0; i < tree->list_count; i++) {
		listed += tree->lists[i].used;
		if (tree->lists[i].trimmed != CAP_NIL)
			check_trim(tree, &tree->lists[i]);
	}
	ASSERT(used == tree->used && used == listed);
	ASSERT(used + free + tree->retired == tree->pool_size);		// C5
}
