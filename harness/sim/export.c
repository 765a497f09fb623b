// SPDX-License-Identifier: BSD-2-Clause
// The tree's side of net/rcap's host: derive, withdraw, clean up, receive.
//
// Revoking cuts the tree and bumps the era; nodes and entries go later, a few at
// a time, so that stale entries are met by requests meanwhile. A grant that ends in
// the step in which its node was derived leaves no row. Rights that are taken away
// stand beside the tree, and every walk to the root collects them.

#include <string.h>

#include "harness/sim/export.h"
#include "harness/sim/lease.h"
#include "harness/sim/node.h"
#include "harness/sim/recall.h"
#include "kernel/abi/errors.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/assert.h"
#include "kernel/cap/cut_rig.h"

#define CLEAN_STEPS 3u
#define CLEAN_WAIT (20 * NS_PER_MS)

static u32
root_node(const struct sim_node *node, u32 env, enum model_store store)
{
	return node->lists[env].node[store + 1];
}

static struct cap
shape_of(u32 env, enum model_store object)
{
	switch (object) {
	case STORE_PAGES:
		return (struct cap){ .type = CAP_FRAMES, .base = env * ENV_PAGES,
				     .count = ENV_PAGES };
	case STORE_DISK:
		return (struct cap){ .type = CAP_BLOCKS, .base = env * ENV_BLOCKS,
				     .count = ENV_BLOCKS };
	case OBJECT_POOL:
		return (struct cap){ .type = CAP_FRAMES, .count = ENV_POOL,
				     .base = OWN_PAGES + env * ENV_POOL };
	default:
		return (struct cap){ .type = CAP_ENDPOINT, .base = env, .count = 1 };
	}
}

u8
export_type(enum model_store object)
{
	static const u8 types[OBJECT_COUNT] = {
		[STORE_PAGES] = TYPE_FRAMES, [STORE_DISK] = TYPE_BLOCKS,
		[OBJECT_POOL] = TYPE_POOL, [OBJECT_ENDPOINT] = TYPE_ENDPOINT,
	};

	return types[object];
}

static enum model_store
object_of(u8 type)
{
	enum model_store object = 0;

	while (export_type(object) != type)
		ASSERT(++object < OBJECT_COUNT);
	return object;
}

// A node of the tree that stands for nobody yet.
static void
fresh_node(struct sim_node *node, u32 at)
{
	node->entry[at] = RCAP_NONE;
	node->lost[at] = 0;
	node->row[at] = AUTHORITY_NONE;
	node->allocated[at] = false;
}

static void
mint(struct sim_node *node, u32 env, enum model_store object)
{
	struct cap shape = shape_of(env, object);
	i64 slot = cap_mint(&node->tree, env, object + 1, shape.type, SIM_RIGHTS, shape.base,
			    shape.count);
	u32 root;

	ASSERT(slot == (i64)object + 1);
	root = root_node(node, env, object);
	fresh_node(node, root);
	node->row[root] = authority_add(&sim.model.authority, &(struct authority_cap){
		.holder = { node_index(node), node->boot, 0 },
		.owner = node_index(node), .owner_boot = node->boot,
		.parent = AUTHORITY_NONE, .store = object, .rights = SIM_RIGHTS,
		.base = (u32)shape.base, .count = (u32)shape.count,
		.slot = RCAP_NONE });
}

void
export_boot(struct sim_node *node)
{
	cap_init(&node->tree, node->pool, TREE_NODES, node->lists, ENVS + 1);
	node->fresh_count = 0;
	memset(node->allocated, 0, sizeof(node->allocated));
	recall_boot(node);
	lease_boot(node);
	for (u32 i = 0; i < CLEANS; i++)
		node->clean[i].used = false;
	own_init(&node->own, node->frame_info, FRAMES);
	for (u64 frame = 0; frame < FRAMES; frame++)
		own_add(&node->own, frame);
	for (u32 env = 0; env < ENVS; env++) {
		own_take(&node->own, env * ENV_PAGES, ENV_PAGES, (u16)env, FRAME_OWNED);
		own_take(&node->own, PAGES + OP_FRAMES + env, 1, (u16)env, FRAME_OWNED);
		own_take(&node->own, OWN_PAGES + env * ENV_POOL, ENV_POOL, (u16)env,
			 FRAME_OWNED);
		for (enum model_store object = 0; object < OBJECT_COUNT; object++)
			mint(node, env, object);
		node->invoked[env] = 0;
	}
}

// Ties a node to the entry that stands for it, and makes the model's row.
static u32
record(struct sim_node *node, u32 tree_node, u32 entry)
{
	const struct rcap_export *e = rcap_entry(node->rcap, entry);
	const struct cap *cap = &node->pool[tree_node];
	u32 holder = node_of_peer(node, e->peer);

	ASSERT(e->node == tree_node && e->node_generation == cap->generation);
	node->entry[tree_node] = entry;
	node->row[tree_node] = authority_add(&sim.model.authority,
					     &(struct authority_cap){
		.holder = { holder, node_boot_of(holder, e->incarnation),
			    e->environment },
		.owner = node_index(node), .owner_boot = node->boot,
		.parent = node->row[cap->parent],
		.store = object_of(e->type),
		.rights = cap->rights, .base = (u32)cap->base, .count = (u32)cap->count,
		.slot = entry, .generation = e->generation, .made_at = sim.trace.now });
	TRACE(node_index(node), "entry %lu is for env %lu of n%lu, row %lu", entry,
	      e->environment, holder, node->row[tree_node]);
	model_row_made(&sim.model, node->row[tree_node]);
	return node->row[tree_node];
}

// The entry that stands for a node, or RCAP_NONE.
static u32
find_entry(const struct sim_node *node, u32 tree_node)
{
	for (u32 entry = 0; entry < EXPORTS; entry++) {
		const struct rcap_export *e = rcap_entry(node->rcap, entry);

		if (e && e->node == tree_node &&
		    e->node_generation == node->pool[tree_node].generation)
			return entry;
	}
	return RCAP_NONE;
}

void
export_record(struct sim_node *node)
{
	for (u32 i = 0; i < node->fresh_count; i++) {
		u32 fresh = node->fresh[i];
		const struct cap *cap = &node->pool[fresh];
		u32 entry = find_entry(node, fresh);

		if (entry != RCAP_NONE)
			model_derived(&sim.model, record(node, fresh, entry));
		else if (cap_is_live(&node->tree, fresh, cap->generation))
			sim_failed(node_index(node), "a capability was derived for nobody");
	}
	node->fresh_count = 0;
}

// One node is gone from the tree: so is its entry.
static void
unexport(struct sim_node *node, u32 tree_node)
{
	u32 entry = node->entry[tree_node];

	node->entry[tree_node] = RCAP_NONE;
	node->allocated[tree_node] = false;
	if (entry == RCAP_NONE)
		return;
	rcap_taken(node->rcap, entry);
	rcap_unexport(node->rcap, entry);
}

static bool
clean_step(struct sim_node *node, const struct clean *clean)
{
	const struct cap *top = &node->pool[clean->node];
	struct cap removed;
	u32 gone;

	if (top->type == CAP_NONE || top->generation != clean->generation)
		return false;
	if (clean->self)
		gone = cap_remove_step(&node->tree, top->list, top->slot, true, &removed);
	else
		gone = cut_remove_step(&node->tree, clean->node, &removed);
	if (gone == CAP_NIL)
		return false;
	unexport(node, gone);
	return true;
}

void
export_clean(struct sim_node *node, u32 place, u32 boot)
{
	struct clean *clean = &node->clean[place];

	if (node->state == NODE_OFF || node->boot != boot)
		return;
	for (u32 i = 0; i < CLEAN_STEPS && node->state == NODE_UP; i++) {
		if (!clean_step(node, clean)) {
			clean->used = false;
			node_settle(node);
			return;
		}
	}
	sim_event(sim.trace.now + 1 + sim_below(CLEAN_WAIT), EVENT_CLEAN,
		  node_index(node), place, boot);
}

// Cuts the tree now and leaves the removal for later, or does it at once when too
// much is left already.
static void
withdraw(struct sim_node *node, u32 tree_node, bool self)
{
	struct clean clean = { true, self, tree_node, node->pool[tree_node].generation };
	u32 place = 0;

	cap_cut(&node->tree, tree_node, self);
	rcap_revoked(node->rcap);
	while (place < CLEANS && node->clean[place].used)
		place++;
	if (place < CLEANS) {
		node->clean[place] = clean;
		sim_event(sim.trace.now + 1 + sim_below(CLEAN_WAIT), EVENT_CLEAN,
			  node_index(node), place, node->boot);
		return;
	}
	while (clean_step(node, &clean))
		continue;
}

bool
export_grant(struct sim_node *node, u32 env, const struct authority_cap *wanted)
{
	u32 slot = wanted->store + 1, entry, remote, derived;
	struct rcap_grant grant;

	if (cap_check_derive(&node->tree, env, slot, REMOTE_LIST, wanted->rights,
			     wanted->base, wanted->count))
		return false;
	grant = (struct rcap_grant){
		.type = export_type(wanted->store),
		.rights = (u8)wanted->rights,
		.peer = node_peer(node, wanted->holder.node),
		.environment = wanted->holder.env,
		.base = wanted->base, .count = wanted->count, .word = wanted->base,
		.weight = wanted->base % 4 == 3 ? 3 * RCAP_WEIGHT : 0 };	// some wait
	if (grant.peer == LINK_NONE ||
	    (wanted->store == OBJECT_POOL && links_session(node->links, grant.peer) &&
	     links_version(node->links, grant.peer)->ops < OP_ALLOC))
		return false;
	grant.incarnation = links_incarnation(node->links, grant.peer);
	remote = cap_derive(&node->tree, env, slot, REMOTE_LIST, wanted->rights,
			    wanted->base, wanted->count);
	derived = node->lists[REMOTE_LIST].node[remote];
	fresh_node(node, derived);
	grant.node = derived;
	grant.node_generation = node->pool[derived].generation;
	entry = rcap_export(node->rcap, node_now(node), &grant);
	if (entry == RCAP_NONE)
		withdraw(node, derived, true);
	else if (cap_is_live(&node->tree, derived, grant.node_generation))
		record(node, derived, entry);
	return entry != RCAP_NONE;
}

void
export_revoke(struct sim_node *node, u32 tree_node)
{
	TRACE(node_index(node), "revokes row %lu", node->row[tree_node]);
	withdraw(node, tree_node, true);
	if (node->row[tree_node] != AUTHORITY_NONE)
		authority_revoke(&sim.model.authority, node->row[tree_node], true,
				 sim.trace.now);
}

void
export_revoke_all(struct sim_node *node, u32 env)
{
	TRACE(node_index(node), "revokes all of environment %lu", node->env[env].id);
	for (enum model_store object = 0; object < OBJECT_COUNT; object++) {
		u32 root = root_node(node, env, object);

		withdraw(node, root, false);
		authority_revoke(&sim.model.authority, node->row[root], false,
				 sim.trace.now);
	}
}

// The holder's boot is over.
static bool
is_orphaned(const struct sim_node *node, u32 tree_node)
{
	u32 row = node->row[tree_node];
	const struct party *holder;

	if (row == AUTHORITY_NONE)
		return false;
	holder = &sim.model.authority.cap[row].holder;
	return holder->boot != sim.boot[holder->node];
}

// Its holder has been silent for so long that another node gets its place.
static bool
is_crowded_out(const struct sim_node *node, u32 tree_node)
{
	const struct rcap_export *e = rcap_entry(node->rcap, node->entry[tree_node]);
	struct link_info holder, last;

	return e && links_info(node->links, e->peer, &holder) &&
	       links_info(node->links, (u16)(sim.places - 1), &last) &&
	       holder.state == LINK_STATE_DOWN &&
	       holder.heard_at + FORGET_NS <= node_now(node);
}

u32
export_pick(const struct sim_node *node)
{
	const struct cap_list *list = &node->lists[REMOTE_LIST];
	u32 start = (u32)sim_below(CAP_LIST_SLOTS), live = CAP_NIL;

	for (u32 i = 0; i < CAP_LIST_SLOTS; i++) {
		u32 at = list->node[(start + i) % CAP_LIST_SLOTS];

		if (at == CAP_NIL || !cap_is_live(&node->tree, at,
						  node->pool[at].generation))
			continue;
		if (is_orphaned(node, at))
			return at;
		live = at;
	}
	return live;
}

void
export_check(const struct sim_node *node)
{
	u32 used = 0;

	for (u32 i = 0; i < TREE_NODES; i++) {
		const struct cap *cap = &node->pool[i];
		const struct rcap_export *e;

		if (cap->type == CAP_NONE || cap->list != REMOTE_LIST ||
		    node->entry[i] == RCAP_NONE)
			continue;
		e = rcap_entry(node->rcap, node->entry[i]);
		ASSERT(e && e->node == i && e->node_generation == cap->generation);
		ASSERT(e->base == cap->base && e->count == cap->count);
		ASSERT(!(e->rights & ~cap->rights));
		used++;
	}
	for (u32 i = 0; i < EXPORTS; i++)
		used -= rcap_entry(node->rcap, i) != NULL;
	ASSERT(used == 0);
	export_check_pools(node);
}

// ---- what net/rcap asks of its host

bool
rcap_host_walk(void *host, u32 tree_node, u32 generation, u8 *rights)
{
	struct sim_node *node = host;

	if (!cap_is_live(&node->tree, tree_node, generation))
		return false;
	for (u32 at = tree_node; at != CAP_NIL; at = node->pool[at].parent)
		*rights &= (u8)~node->lost[at];
	return true;
}

void
rcap_host_protect(void *host, u32 tree_node, u8 rights)
{
	struct sim_node *node = host;

	model_protected(&sim.model, node->row[tree_node], rights);
	node->lost[tree_node] |= (u8)~rights;
	rcap_revoked(node->rcap);
}

bool
rcap_host_below(void *host, u32 tree_node, u32 above)
{
	struct sim_node *node = host;

	return cap_is_below(&node->tree, tree_node, above);
}

static enum wire_code
code_of(i64 error)
{
	switch (-error) {
	case 0:
		return CODE_NONE;
	case E_RIGHTS:
		return CODE_RIGHTS;
	case E_RANGE:
		return CODE_RANGE;
	case E_DEPTH:
		return CODE_DEPTH;
	case E_LIST:
	case E_TABLE:
		return CODE_TABLE;
	default:
		return CODE_REVOKED;
	}
}

enum wire_code
rcap_host_derive(void *host, u32 parent, u32 rights, u64 base, u64 count,
		 u32 *tree_node, u32 *generation)
{
	struct sim_node *node = host;
	const struct cap *cap = &node->pool[parent];
	u32 slot;
	i64 error = cap_check_derive(&node->tree, cap->list, cap->slot, REMOTE_LIST,
				     rights, base, count);

	if (error)
		return code_of(error);
	slot = cap_derive(&node->tree, cap->list, cap->slot, REMOTE_LIST, rights, base,
			  count);
	*tree_node = node->lists[REMOTE_LIST].node[slot];
	*generation = node->pool[*tree_node].generation;
	fresh_node(node, *tree_node);
	ASSERT(node->fresh_count < ARRAY_SIZE(node->fresh));
	node->fresh[node->fresh_count++] = *tree_node;
	return CODE_NONE;
}

// What the core withdraws by itself: of a dead holder, or at a deadline.
static void
withdrawn_unasked(struct sim_node *node, u32 tree_node, bool self)
{
	if (!self || !(is_orphaned(node, tree_node) || recall_takes(node, tree_node) ||
		       is_crowded_out(node, tree_node)))
		sim_failed(node_index(node), "a capability was withdrawn unasked");
	authority_revoke(&sim.model.authority, node->row[tree_node], true, sim.trace.now);
}

void
rcap_host_revoke(void *host, u32 tree_node, bool self)
{
	struct sim_node *node = host;

	if (node->ticks)
		withdrawn_unasked(node, tree_node, self);
	else
		model_revoked(&sim.model, node->row[tree_node], self);
	node->taking = CAP_NIL;
	withdraw(node, tree_node, self);
}

static void
trimmed(void *host, const struct cap *was, u32 at, u64 from)
{
	struct sim_node *node = host;

	(void)was;
	if (!from)
		unexport(node, at);
	else if (node->entry[at] != RCAP_NONE)
		rcap_shortened(node->rcap, node->entry[at], node->pool[at].count);
}

// Above it some may have been cut off already: that changes nothing here.
void
rcap_host_shorten(void *host, u32 tree_node, u64 keep)
{
	struct sim_node *node = host;
	u32 row = node->row[tree_node];

	if (recall_takes(node, tree_node))
		authority_shorten(&sim.model.authority, row, (u32)keep, sim.trace.now);
	else
		model_shortened(&sim.model, row, (u32)keep);
	node->taking = CAP_NIL;
	while (cap_trim_step(&node->tree, node->pool[tree_node].list,
			     node->pool[tree_node].slot, keep, trimmed, node))
		;
	rcap_revoked(node->rcap);
}

// The grant ended in the step in which the node was derived.
static void
derived_away(struct sim_node *node, u32 tree_node)
{
	const struct cap *cap = &node->pool[tree_node];

	for (u32 i = 0; i < node->fresh_count; i++) {
		if (node->fresh[i] != tree_node)
			continue;
		node->fresh[i] = node->fresh[--node->fresh_count];
		model_derived_away(&sim.model, &(struct authority_cap){
			.parent = node->row[cap->parent], .rights = cap->rights,
			.store = node->allocated[tree_node] ? STORE_PAGES :
				 sim.model.authority.cap[node->row[cap->parent]].store,
			.base = (u32)cap->base, .count = (u32)cap->count });
		return;
	}
}

void
rcap_host_grant_ended(void *host, u32 entry, u32 tree_node, u32 generation,
		      enum wire_code code)
{
	struct sim_node *node = host;

	TRACE(node_index(node), "the grant of entry %lu ended, code %lu", entry, code);
	if (code == CODE_NONE || node->pool[tree_node].type == CAP_NONE ||
	    node->pool[tree_node].generation != generation)
		return;
	derived_away(node, tree_node);
	node->entry[tree_node] = RCAP_NONE;	// the core has freed it
	if (node->row[tree_node] != AUTHORITY_NONE)
		authority_revoke(&sim.model.authority, node->row[tree_node], true,
				 sim.trace.now);
	withdraw(node, tree_node, true);
}

bool
rcap_host_room(void *host)
{
	(void)host;
	return true;
}
