// SPDX-License-Identifier: BSD-2-Clause
// What environments here have granted to others: nodes of the derivation tree in
// lists of their own, and for each the entry of the export table that a frame
// names it by.
//
// Granting derives a node below the environment's capability. When a capability
// is removed, what was granted from it is removed before it, as with any other
// (sys/removal.c), and its entry is freed in the same operation. What a peer
// revokes is cut off in O(1) and swept away later, a bounded number at a time. What is
// taken away of its rights stands with its place: below it are only places, and who
// uses one walks through all that are above it.
//
// Frames that a peer has taken out of a pool are their owner's as before; a place says
// that they are taken, and they are free to be taken again when the place is.

#include "kernel/abi/errors.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

#define SWEEP_STEP 64u

static struct place {
	u32 entry;		// in the export table, or NONE
	u32 pending;		// of the environment that granted it, or NONE
	u8 rights;		// that were not taken away
	bool taken;		// out of a pool
} places[PLACES_MAX];

#define PLACE_NEW ((struct place){ NONE, NONE, WIRE_RIGHTS, false })

static u32 sweep = PLACES_MAX;	// next place to look at
static bool sweep_again;

void
exports_init(void)
{
	for (u32 i = 0; i < PLACES_MAX; i++)
		places[i] = PLACE_NEW;
	fabric_info.exports_max = EXPORTS_MAX;
}

static u32
place_of(const struct cap *cap)
{
	ASSERT(cap->list >= FABRIC_LIST_FIRST &&
	       cap->list < FABRIC_LIST_FIRST + FABRIC_LISTS);
	return (cap->list - FABRIC_LIST_FIRST) * CAP_LIST_SLOTS + cap->slot;
}

enum wire_code
wire_code_of(i64 error)
{
	switch (-error) {
	case 0:
		return CODE_NONE;
	case E_SLOT:
		return CODE_SLOT;
	case E_TYPE:
		return CODE_TYPE;
	case E_RIGHTS:
		return CODE_RIGHTS;
	case E_RANGE:
		return CODE_RANGE;
	case E_DEPTH:
		return CODE_DEPTH;
	default:
		return CODE_TABLE;
	}
}

// A list with room.
static u32
list_find(void)
{
	for (u32 i = 0; i < FABRIC_LISTS; i++) {
		if (!cap_room(&caps, FABRIC_LIST_FIRST + i))
			return FABRIC_LIST_FIRST + i;
	}
	return NONE;
}

static const struct cap *
derive(u32 list, u32 slot, u32 target, u32 rights, u64 base, u64 count)
{
	u32 got = cap_derive(&caps, list, slot, target, rights, base, count);
	const struct cap *cap = cap_at(&caps, target, got);

	places[place_of(cap)] = PLACE_NEW;
	fabric_info.exports++;
	return cap;
}

// Who hears that a capability for blocks is taken back, or the right to write by it, may
// write there before the sweep: not before what the disk has of its holder's.
static void
settle_first(const struct cap *cap)
{
	if (cap->type == CAP_BLOCKS)
		queue_fabric_withdrawn(cap->base, cap->count);
}

// Of a grant that did not come about. Its holder may have had it for a moment and
// derived from it: then it is swept away with that.
static void
undo(const struct cap *cap)
{
	struct cap removed;
	u32 node;

	places[place_of(cap)].entry = places[place_of(cap)].pending = NONE;
	if (cap->child != CAP_NIL) {
		rcap_host_revoke(NULL, cap_node(&caps, cap), true);
		return;
	}
	node = cap_remove_step(&caps, cap->list, cap->slot, true, &removed);
	ASSERT(node != CAP_NIL);
	fabric_export_gone(&removed, node);
}

enum wire_code
rcap_host_derive(void *host, u32 parent, u32 rights, u64 base, u64 count,
		 u32 *node, u32 *node_generation)
{
	const struct cap *cap = &caps.pool[parent];
	u32 list = list_find();
	i64 error;

	(void)host;
	ASSERT(parent < caps.pool_size && cap->type != CAP_NONE);
	if (SCARCE(list == NONE))
		return CODE_TABLE;
	error = cap_check_derive(&caps, cap->list, cap->slot, list, rights, base,
				 count);
	if (error)
		return wire_code_of(error);
	cap = derive(cap->list, cap->slot, list, rights, base, count);
	*node = cap_node(&caps, cap);
	*node_generation = cap->generation;
	return CODE_NONE;
}

static u8
wire_type(u8 type)
{
	switch (type) {
	case CAP_FRAMES:
		return TYPE_FRAMES;
	case CAP_BLOCKS:
		return TYPE_BLOCKS;
	case CAP_ENDPOINT:
		return TYPE_ENDPOINT;
	default:
		return TYPE_NONE;
	}
}

static enum wire_code
grant_check(const struct fabric_queue *queue, const struct fabric_submit *s,
	    u32 list)
{
	const struct fabric_target *t = &s->target;
	const struct cap *cap = cap_at(&caps, queue->owner, s->slot);

	if (!cap)
		return CODE_SLOT;
	if (wire_type(cap->type) == TYPE_NONE)
		return CODE_TYPE;
	if (t->rights & ~WIRE_RIGHTS)
		return CODE_RIGHTS;
	if (t->weight > FABRIC_WEIGHT_MAX)
		return CODE_SHAPE;
	if (s->op == FABRIC_POOL && (cap->type != CAP_FRAMES ||
				     s->node == FABRIC_NODE_SELF))
		return CODE_TYPE;
	if (s->node == FABRIC_NODE_SELF)
		return CODE_NONE;
	if (s->node >= FABRIC_LINKS_MAX || !links_session(fabric.links, s->node))
		return CODE_PEER;
	if (links_incarnation(fabric.links, s->node) != t->incarnation)
		return CODE_INCARNATION;
	if (s->op == FABRIC_POOL &&
	    links_version(fabric.links, s->node)->ops < OP_ALLOC)
		return CODE_VERSION;
	if (SCARCE(list == NONE))
		return CODE_TABLE;
	return wire_code_of(cap_check_derive(&caps, queue->owner, s->slot, list,
					     t->rights, t->base, t->count));
}

// Names it to its holder: its place in the export table, or RCAP_NONE.
static u32
entry_make(const struct fabric_queue *queue, const struct fabric_submit *s,
	   const struct cap *cap)
{
	const struct fabric_target *t = &s->target;

	if (SCARCE(false))
		return RCAP_NONE;
	return rcap_export(fabric.rcap, clock_ns(), &(struct rcap_grant){
		.type = s->op == FABRIC_POOL ? TYPE_POOL : wire_type(cap->type),
		.rights = (u8)t->rights,
		.peer = s->node,
		.incarnation = t->incarnation,
		.environment = t->environment,
		.node = cap_node(&caps, cap),
		.node_generation = cap->generation,
		.base = t->base,
		.count = t->count,
		.word = t->word,
		.granter = (u16)queue->owner,
		.weight = (u8)t->weight,
	});
}

enum wire_code
export_grant(struct fabric_queue *queue, const struct fabric_submit *s)
{
	const struct fabric_target *t = &s->target;
	u32 list = list_find(), entry, place;
	enum wire_code code = grant_check(queue, s, list);
	const struct cap *cap;
	struct pending *p;

	if (code != CODE_NONE)
		return code;
	if (s->node == FABRIC_NODE_SELF)
		return local_grant(queue, s,
				   wire_type(cap_at(&caps, queue->owner,
						    s->slot)->type));
	cap = derive(queue->owner, s->slot, list, t->rights, t->base, t->count);
	p = pending_take(queue, PENDING_GRANT, s);
	p->id = place = place_of(cap);
	places[place].pending = (u32)(p - pendings);
	entry = entry_make(queue, s, cap);
	if (entry != RCAP_NONE) {
		// Unless it has ended already, and taken the node along.
		if (places[place].pending == (u32)(p - pendings))
			places[place].entry = entry;
		return CODE_NONE;
	}
	undo(cap);
	pending_end(p, &(struct fabric_complete){
		.outcome = FABRIC_NOT_DONE,
		.code = CODE_TABLE,
	});
	return CODE_NONE;
}

static void
grant_told(u32 pending, enum fabric_outcome outcome, enum wire_code code)
{
	ASSERT(pending < PENDING_MAX && pendings[pending].kind == PENDING_GRANT);
	pending_end(&pendings[pending], &(struct fabric_complete){
		.outcome = (u8)outcome,
		.code = (u8)code,
	});
}

void
rcap_host_grant_ended(void *host, u32 entry, u32 node, u32 node_generation,
		      enum wire_code code)
{
	const struct cap *cap = &caps.pool[node];
	struct place *place;
	u32 pending;

	(void)host;
	if (cap->type == CAP_NONE || cap->generation != node_generation) {
		// The node went before its entry was known.
		if (code == CODE_NONE)
			rcap_unexport(fabric.rcap, entry);
		return;
	}
	place = &places[place_of(cap)];
	pending = place->pending;
	place->pending = NONE;
	place->entry = entry;
	if (code != CODE_NONE)
		undo(cap);
	if (pending != NONE)
		grant_told(pending, code == CODE_NONE ? FABRIC_DONE
				    : code == CODE_SESSION ? FABRIC_UNKNOWN_FINAL
							   : FABRIC_NOT_DONE, code);
}

bool
rcap_host_walk(void *host, u32 node, u32 node_generation, u8 *rights)
{
	const struct cap *cap = &caps.pool[node];

	(void)host;
	if (!cap_is_live(&caps, node, node_generation))
		return false;
	for (; cap->list >= FABRIC_LIST_FIRST; cap = &caps.pool[cap->parent])
		*rights &= places[place_of(cap)].rights;
	return true;
}

void
rcap_host_protect(void *host, u32 node, u8 rights)
{
	(void)host;
	places[place_of(&caps.pool[node])].rights &= rights;
	if (!(rights & CAP_WRITE))
		settle_first(&caps.pool[node]);
	rcap_revoked(fabric.rcap);
}

// ---- frames out of a pool

// Marks of the `range` units from `base` on, a bit each, those that are taken.
static void
mark_taken(u64 base, u32 range, u64 *taken)
{
	memset(taken, 0, WIRE_ALLOC_RANGE / 8);
	for (u32 i = 0; i < PLACES_MAX; i++) {
		const struct cap *cap;
		u64 end;

		if (!places[i].taken)
			continue;
		cap = cap_at(&caps, FABRIC_LIST_FIRST + i / CAP_LIST_SLOTS,
			     i % CAP_LIST_SLOTS);
		ASSERT(cap && cap->type == CAP_FRAMES);
		end = MIN(cap->base + cap->count, base + range);
		for (u64 unit = MAX(cap->base, base); unit < end; unit++)
			taken[(unit - base) / 64] |= 1ull << (unit - base) % 64;
	}
}

// The first of `count` units in a row that are not taken, or `range`.
static u32
find_free(const u64 *taken, u32 range, u32 count)
{
	u32 run = 0;

	for (u32 unit = 0; unit < range; unit++) {
		run = taken[unit / 64] >> unit % 64 & 1 ? 0 : run + 1;
		if (run == count)
			return unit + 1 - count;
	}
	return range;
}

// Looks at PLACES_MAX places and at most at WIRE_ALLOC_RANGE units, and clears
// WIRE_ALLOC_MAX frames.
enum wire_code
rcap_host_alloc(void *host, u32 parent, const struct wire_alloc *wanted,
		struct rcap_taken *got)
{
	u64 taken[WIRE_ALLOC_RANGE / 64];
	enum wire_code code;
	u32 unit;

	ASSERT(wanted->range <= WIRE_ALLOC_RANGE && wanted->count <= WIRE_ALLOC_MAX);
	mark_taken(wanted->base, wanted->range, taken);
	unit = find_free(taken, wanted->range, wanted->count);
	if (SCARCE(unit == wanted->range)) {
		got->later = sweep_again || sweep < PLACES_MAX;
		return CODE_FRAMES;
	}
	got->base = wanted->base + unit;
	code = rcap_host_derive(host, parent, wanted->rights, got->base, wanted->count,
				&got->node, &got->node_generation);
	if (code != CODE_NONE)
		return code;
	places[place_of(&caps.pool[got->node])].taken = true;
	memset(frame_memory(got->base), 0, (u64)wanted->count << PAGE_SHIFT);
	wait_hint_memory(got->base << PAGE_SHIFT, wanted->count << PAGE_SHIFT);
	return CODE_NONE;
}

void
rcap_host_revoke(void *host, u32 node, bool self)
{
	const struct cap *cap = &caps.pool[node];

	(void)host;
	ASSERT(cap->type != CAP_NONE && cap->list >= FABRIC_LIST_FIRST);
	cap_cut(&caps, node, self);
	settle_first(cap);
	rcap_revoked(fabric.rcap);
	sweep_again = true;
	fabric.due = 0;
}

void
fabric_withdrawn(void)
{
	if (!fabric.on)
		return;
	rcap_revoked(fabric.rcap);
	sweep_again = true;
	fabric.due = 0;
}

void
fabric_export_gone(const struct cap *removed, u32 node)
{
	struct place *place = &places[place_of(removed)];
	struct place was = *place;

	(void)node;
	*place = PLACE_NEW;
	fabric_info.exports--;
	rcap_revoked(fabric.rcap);
	settle_first(removed);
	if (was.entry != NONE) {
		rcap_taken(fabric.rcap, was.entry);
		rcap_unexport(fabric.rcap, was.entry);
		fabric.due = 0;
	}
	if (was.pending != NONE)
		grant_told(was.pending, FABRIC_UNKNOWN_FINAL, CODE_REVOKED);
}

// The entry of a node whose grant is on its way is not in its place yet.
static u32
entry_of(u32 node, u32 entry)
{
	for (u32 i = 0; i < PLACES_MAX && entry == NONE; i++) {
		const struct rcap_export *e = rcap_entry(fabric.rcap, i);

		if (e && e->node == node &&
		    e->node_generation == caps.pool[node].generation)
			entry = i;
	}
	return entry;
}

void
fabric_export_shortened(const struct cap *part, u32 node)
{
	u32 entry = entry_of(node, places[place_of(part)].entry);

	settle_first(part);
	if (entry == NONE)
		return;
	rcap_shortened(fabric.rcap, entry, caps.pool[node].count);
	fabric.due = 0;
}

void
rcap_host_shorten(void *host, u32 node, u64 keep)
{
	const struct cap *cap = &caps.pool[node];

	(void)host;
	ASSERT(cap->list >= FABRIC_LIST_FIRST && keep < cap->count);
	// Below it are only places: so few rounds that they are one.
	while (!removal_trim(cap->list, cap->slot, keep))
		;
}

// Removes nodes that are not live any more. Below them are only nodes of the same
// lists, which are looked at as well. Returns whether there is more to do now.
bool
exports_sweep_step(void)
{
	if (sweep == PLACES_MAX && sweep_again) {
		sweep = 0;
		sweep_again = false;
	}
	for (u32 i = 0; i < SWEEP_STEP && sweep < PLACES_MAX; i++, sweep++) {
		u32 list = FABRIC_LIST_FIRST + sweep / CAP_LIST_SLOTS;
		u32 slot = sweep % CAP_LIST_SLOTS;
		const struct cap *cap = cap_at(&caps, list, slot);
		struct cap removed;
		u32 node;

		if (!cap || cap_is_live(&caps, cap_node(&caps, cap),
					cap->generation))
			continue;
		node = cap_remove_step(&caps, list, slot, true, &removed);
		ASSERT(node != CAP_NIL);
		fabric_export_gone(&removed, node);
		// A leaf below it went first: this place again.
		if (removed.list != list || removed.slot != slot)
			sweep_again = true;
	}
	return sweep < PLACES_MAX || sweep_again;
}
