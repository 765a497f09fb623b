// SPDX-License-Identifier: BSD-2-Clause
// The export table, and the operations on capabilities themselves.
//
// An entry comes with a node of the host's tree and goes with it. Its slot's
// generation counts on when it goes, so that what named the old entry names
// nothing; a slot whose generation would wrap is not used again.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

#define GENERATION_LAST 0xffffffffu
#define SHARE_LEAST 4u		// entries that a share may have while there are any
#define GRANTERS_PART 64u	// one of so many is for who has granted less than that

// A record for the word to a peer, of the first `most`. One that does not answer has at
// most three times as many as it leaves to others.
bool
room_for_word(const struct rcap *rcap, u16 peer, u32 most)
{
	u32 left = most - MIN(rcap->grants_used, most), has = 0;

	if (likely(rcap->grants_used < 3 * left))
		return true;
	for (u32 i = 0; i < rcap->op_count; i++) {
		const struct rcap_op *op = &rcap->op[i];

		has += op->state != OP_STATE_FREE && op->own && op->op != OP_READ &&
		       op->peer == peer;
	}
	return has < 3 * left;
}

// The last entries are for environments of this node that have hardly any: whatever one
// has granted, and let others derive from that, the next finds room for SHARE_LEAST.
static bool
room_for_granter(const struct rcap *rcap, u16 granter)
{
	u32 left = rcap->config.exports_max - rcap->exports_used, has = 0;

	if (likely(left > rcap->config.exports_max / GRANTERS_PART))
		return true;
	for (u32 i = 0; i < rcap->exports_fresh; i++)
		has += rcap->exports[i].type != TYPE_NONE &&
		       rcap->exports[i].granter == granter;
	return has < SHARE_LEAST;
}

static bool
room_for_export(const struct rcap *rcap, u16 granter, u16 peer)
{
	bool room = (rcap->exports_free != RCAP_NONE ||
		     rcap->exports_fresh < rcap->config.exports_max) &&
		    room_for_granter(rcap, granter) &&
		    room_for_word(rcap, peer, rcap->config.grants_max);

	return !SOMETIMES_IF(EXPORTS_OUT, !room) && !FAULT_POINT(EXPORTS_FULL);
}

// Whether a holder may have one more derived. What came from one grant, on whatever
// nodes, stays below half of what is left for all others: alone that is a third of the
// table, and however many holders take what they can, the next finds room.
static enum wire_code
room_to_derive(const struct rcap *rcap, const struct rcap_export *from, u16 peer)
{
	u32 left = rcap->config.exports_max - rcap->exports_used;
	u32 has = rcap->sharers[from->share];

	if (!room_for_export(rcap, from->granter, peer))
		return CODE_TABLE;
	return has < SHARE_LEAST || 2 * has < left ? CODE_NONE : CODE_SHARE;
}

static u32
entry_take(struct rcap *rcap)
{
	u32 index = rcap->exports_free;

	if (index == RCAP_NONE) {
		index = rcap->exports_fresh++;
		rcap->exports[index].generation = 1;
		if (rcap->sweep == index)
			rcap->sweep++;
	} else {
		rcap->exports_free = rcap->exports[index].next_free;
		SOMETIMES(ENTRY_REUSED);
	}
	ASSERT(rcap->exports[index].type == TYPE_NONE);			// R1
	return index;
}

static void
entry_free(struct rcap *rcap, u32 index)
{
	struct rcap_export *entry = &rcap->exports[index];
	u32 generation = entry->generation;

	ASSERT(entry->type != TYPE_NONE && rcap->lanes[entry->peer].exports);
	if (!--rcap->lanes[entry->peer].exports)
		links_stake(rcap->links, entry->peer, LINK_HOLDS, false);
	rcap->weighted -= entry->weight != RCAP_WEIGHT;
	rcap->exports_used--;
	rcap->sharers[entry->share]--;
	*entry = (struct rcap_export){ .generation = generation };
	rcap->uses[index] = (struct fabric_export){ 0 };
	rcap->spent[index] = (struct rcap_spent){ 0 };
	if (generation == GENERATION_LAST)
		return;
	entry->generation += !PLANTED(BUG_SLOT_REUSED);
	entry->next_free = rcap->exports_free;
	rcap->exports_free = index;
}

// With a share of its own, or in that of the entry which its holder derived it from.
static u32
entry_add(struct rcap *rcap, const struct rcap_grant *grant,
	  const struct rcap_export *from)
{
	u32 index = entry_take(rcap);
	struct rcap_export *entry = &rcap->exports[index];

	*entry = (struct rcap_export){
		.type = grant->type,
		.rights = grant->rights,
		.peer = grant->peer,
		.generation = entry->generation,
		.incarnation = grant->incarnation,
		.environment = grant->environment,
		.node = grant->node,
		.node_generation = grant->node_generation,
		.era = rcap->era,
		.base = grant->base,
		.count = grant->count,
		.pass = rcap->serve.pass,
		.share = from ? from->share : index,
		.granter = from ? from->granter : grant->granter,
		.weight = from ? from->weight : grant->weight ? grant->weight
							      : RCAP_WEIGHT,
	};
	rcap->weighted += entry->weight != RCAP_WEIGHT;
	rcap->exports_used++;
	rcap->sharers[entry->share]++;
	if (!rcap->lanes[entry->peer].exports++)
		links_stake(rcap->links, entry->peer, LINK_HOLDS, !PLANTED(BUG_PLACE_TAKEN));
	rcap->uses[index] = (struct fabric_export){
		.incarnation = grant->incarnation,
		.base = grant->base,
		.count = grant->count,
		.environment = grant->environment,
		.peer = grant->peer,
		.type = grant->type,
		.rights = grant->rights,
	};
	grant_submit(rcap, index, grant->word);
	return index;
}

u32
rcap_export(struct rcap *rcap, u64 now, const struct rcap_grant *grant)
{
	u32 index;

	ASSERT(grant->type > TYPE_NONE && grant->type < TYPE_ANY && grant->count);
	if (!room_for_export(rcap, grant->granter, grant->peer) ||
	    !links_session(rcap->links, grant->peer) ||
	    links_incarnation(rcap->links, grant->peer) != grant->incarnation)
		return RCAP_NONE;
	index = entry_add(rcap, grant, NULL);
	peer_dispatch(rcap, now, grant->peer);
	return index;
}

void
rcap_unexport(struct rcap *rcap, u32 entry)
{
	ASSERT(entry < rcap->exports_fresh);
	recall_gone(rcap, entry);
	entry_free(rcap, entry);
}

void
rcap_revoked(struct rcap *rcap)
{
	rcap->era++;
}

const struct rcap_export *
rcap_entry(const struct rcap *rcap, u32 entry)
{
	return entry < rcap->exports_fresh &&
			       rcap->exports[entry].type != TYPE_NONE
		       ? &rcap->exports[entry] : NULL;
}

// The record of a GRANT has ended. When the entry is another's by now, its node
// went meanwhile, and there is nothing to tell.
void
grant_ended(struct rcap *rcap, struct rcap_op *op)
{
	u32 index = (u32)op->tag;
	struct rcap_export *entry = &rcap->exports[index];
	enum wire_code code = op->outcome == RCAP_DONE ? CODE_NONE
			      : op->code == CODE_NONE ? CODE_SESSION
						      : (enum wire_code)op->code;
	u32 node = entry->node, node_generation = entry->node_generation;

	if (SOMETIMES_IF(GRANT_OVERTAKEN, entry->type == TYPE_NONE ||
					  entry->generation != op->entry_generation))
		return;
	if (SOMETIMES_IF(GRANT_UNWANTED, code != CODE_NONE) && !PLANTED(BUG_GRANT_STAYS))
		rcap_unexport(rcap, index);
	rcap_host_grant_ended(rcap->host, index, node, node_generation, code);
}

// Its holder lives another life by now, so that the entry stands for nobody.
static bool
holder_dead(const struct rcap *rcap, const struct rcap_export *entry)
{
	return links_session(rcap->links, entry->peer) &&
	       links_incarnation(rcap->links, entry->peer) != entry->incarnation &&
	       !PLANTED(BUG_HOLDER_LIFE);
}

// Or it is still silent, and another node wants its place in the table of peers: then
// what it holds is taken back, and when that has gone, the place is free.
static bool
holder_crowded(struct rcap *rcap, const struct rcap_export *entry)
{
	u8 rights = entry->rights;

	if (entry->peer != rcap->crowded || links_session(rcap->links, entry->peer) ||
	    !rcap_host_walk(rcap->host, entry->node, entry->node_generation, &rights))
		return false;
	rcap->counters.crowded++;
	return true;
}

void
exports_sweep(struct rcap *rcap)
{
	u32 step = FAULT_POINT(SWEEP_SLOW) ? 1 : SWEEP_STEP;
	u32 end = MIN(rcap->sweep + step, rcap->exports_fresh);

	for (; rcap->sweep < end; rcap->sweep++) {
		const struct rcap_export *entry = &rcap->exports[rcap->sweep];

		if (entry->type != TYPE_NONE &&
		    (SOMETIMES_IF(HOLDER_DEAD, holder_dead(rcap, entry)) ||
		     SOMETIMES_IF(HOLDER_CROWDED, holder_crowded(rcap, entry))))
			rcap_host_revoke(rcap->host, entry->node, true);
	}
	if (rcap->sweep == rcap->exports_fresh)
		rcap->crowded = LINK_NONE;
}

// ---- operations

void
run_grant(struct rcap *rcap, struct asked *asked)
{
	struct wire_grant grant;
	struct rcap_remote remote;
	struct rcap_secret secret;
	enum wire_code code;

	wire_grant_load(&grant, asked->payload);
	remote = (struct rcap_remote){
		.incarnation = links_incarnation(rcap->links, asked->peer),
		.slot = grant.slot,
		.generation = grant.generation,
		.peer = asked->peer,
	};
	if (secret_find(rcap, asked, &secret))
		rcap->granted = &secret;
	code = CODE_SHAPE;
	if (grant.slot < RCAP_EXPORTS_MAX && grant.type > TYPE_NONE &&
	    grant.type <= TYPE_POOL && !(grant.rights & ~WIRE_RIGHTS) &&
	    grant.count)
		code = rcap_host_granted(rcap->host, &remote, &grant);
	rcap->granted = NULL;
	__builtin_memset(&secret, 0, sizeof(secret));
	if (code != CODE_NONE)
		owner_refuse(rcap, asked, code);
	else
		owner_ran(rcap, asked, asked->payload, 0);
}

static enum wire_code
check_derive(const struct rcap *rcap, const struct asked *asked,
	     const struct wire_derive *d, u16 *target)
{
	const struct rcap_export *entry = asked->entry;

	if (d->rights & ~(u32)entry->rights)
		return CODE_RIGHTS;
	if (!d->count || d->base >= entry->count ||
	    d->count > entry->count - d->base)
		return CODE_RANGE;
	*target = links_find(rcap->links, d->uuid);
	if (*target == LINK_NONE || !links_live(rcap->links, asked->now, *target) ||
	    links_incarnation(rcap->links, *target) != d->incarnation)
		return CODE_NODE;
	if (entry->type == TYPE_POOL &&
	    links_version(rcap->links, *target)->ops < OP_ALLOC)
		return CODE_VERSION;
	return CODE_NONE;
}

enum wire_code
export_part(struct rcap *rcap, const struct rcap_export *entry,
	    struct rcap_grant *grant)
{
	enum wire_code code = room_to_derive(rcap, entry, grant->peer);

	if (code != CODE_NONE)
		return code;
	grant->type = entry->type;
	grant->base += entry->base;
	code = rcap_host_derive(rcap->host, entry->node, grant->rights, grant->base,
				grant->count, &grant->node, &grant->node_generation);
	if (code == CODE_NONE)
		entry_add(rcap, grant, entry);
	return code;
}

// Recorded in the tree below the holder's, answered at once; the GRANT to the
// third party goes its own way, since an answer never waits for anything.
void
run_derive(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct rcap_grant grant = { 0 };
	struct wire_derive d;

	wire_derive_load(&d, asked->payload);
	if (code == CODE_NONE)
		code = check_derive(rcap, asked, &d, &grant.peer);
	if (code == CODE_NONE) {
		grant.rights = d.rights;
		grant.incarnation = d.incarnation;
		grant.environment = d.environment;
		grant.base = d.base;
		grant.count = d.count;
		grant.word = d.word;
		code = export_part(rcap, asked->entry, &grant);
	}
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	owner_ran(rcap, asked, asked->payload, 0);
	peer_dispatch(rcap, asked->now, grant.peer);
}

void
run_revoke(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);

	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	asked->entry->told |= asked->request->op == OP_DROP;
	rcap_host_revoke(rcap->host, asked->entry->node,
			 asked->request->op == OP_DROP);
	owner_ran(rcap, asked, asked->payload, 0);
}

// ---- who holds

// What is told of an entry; its base is the host's.
static void
holder_fill(const struct rcap *rcap, u32 index, struct wire_holder *holder)
{
	const struct rcap_export *entry = &rcap->exports[index];
	struct link_info info = { 0 };
	bool known = links_info(rcap->links, entry->peer, &info);

	ASSERT(known);
	*holder = (struct wire_holder){
		.incarnation = entry->incarnation,
		.environment = entry->environment,
		.slot = index,
		.generation = entry->generation,
		.type = entry->type,
		.rights = entry->rights,
		.alive = links_session(rcap->links, entry->peer) &&
			 info.incarnation == entry->incarnation,
		.base = entry->base,
		.count = entry->count,
	};
	__builtin_memcpy(holder->uuid, info.uuid, sizeof(holder->uuid));
}

// An entry outlives its node while the GRANT that was to tell of it is on its way, and
// that node may be another capability's by now. `rights`: those that it has.
static bool
entry_stands(const struct rcap *rcap, const struct rcap_export *entry, u8 *rights)
{
	*rights = entry->rights;
	return rcap_host_walk(rcap->host, entry->node, entry->node_generation, rights);
}

u32
rcap_holders(const struct rcap *rcap, u32 node, u32 from, u32 most,
	     struct wire_holder *holders, u32 *count)
{
	u32 at = MIN(from, rcap->exports_fresh);
	u32 end = MIN(at + RCAP_LOOKED, rcap->exports_fresh);

	*count = 0;
	for (; at < end && *count < most; at++) {
		const struct rcap_export *entry = &rcap->exports[at];

		u8 rights;

		if (entry->type == TYPE_NONE || !entry_stands(rcap, entry, &rights) ||
		    (!rcap_host_below(rcap->host, entry->node, node) &&
		     !PLANTED(BUG_HOLDERS_ALL)))
			continue;
		holder_fill(rcap, at, &holders[*count]);
		holders[(*count)++].rights = rights;
	}
	return SOMETIMES_IF(HOLDERS_MORE, at < rcap->exports_fresh) ? at : 0;
}

u32
rcap_entry_below(const struct rcap *rcap, u32 node, u32 slot, u32 generation)
{
	const struct rcap_export *entry = rcap_entry(rcap, slot);
	u8 rights;

	return entry && entry->generation == generation &&
			       entry_stands(rcap, entry, &rights) &&
			       (rcap_host_below(rcap->host, entry->node, node) ||
				PLANTED(BUG_EXPEL_ANYBODY))
		       ? slot : RCAP_NONE;
}

// Counted from the start of the asker's range, as everything that it names.
void
run_holders(struct rcap *rcap, struct asked *asked)
{
	u32 room = (asked->request->length - WIRE_LENGTH(holders)) /
		   WIRE_LENGTH(holder);
	enum wire_code code = owner_check(rcap, asked);
	struct wire_holder found[WIRE_HOLDERS_MAX];
	struct wire_holders head;
	u8 *at = rcap->scratch + WIRE_LENGTH(holders);

	ASSERT(room <= WIRE_HOLDERS_MAX);
	if (code == CODE_NONE && asked->request->offset >> WIRE_SLOT_BITS)
		code = CODE_RANGE;
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	head.next = rcap_holders(rcap, asked->entry->node, (u32)asked->request->offset,
				 room, found, &head.count);
	__builtin_memset(rcap->scratch, 0, asked->request->length);
	wire_holders_store(rcap->scratch, &head);
	for (u32 i = 0; i < head.count; i++, at += WIRE_LENGTH(holder)) {
		found[i].base -= asked->entry->base;
		wire_holder_store(at, &found[i]);
	}
	owner_ran(rcap, asked, rcap->scratch, asked->request->length);
}

void
run_expel(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct wire_expel expel;
	u32 entry = RCAP_NONE;

	wire_expel_load(&expel, asked->payload);
	if (code == CODE_NONE) {
		entry = rcap_entry_below(rcap, asked->entry->node, expel.slot,
					 expel.generation);
		code = SOMETIMES_IF(EXPEL_STRANGER, entry == RCAP_NONE) ? CODE_ENTRY
									: CODE_NONE;
	}
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	rcap_host_revoke(rcap->host, rcap->exports[entry].node, true);
	owner_ran(rcap, asked, asked->payload, 0);
}

// ---- fewer rights

// The entry whose rights change: the sender's own, or one that came from it.
static enum wire_code
protect_find(struct rcap *rcap, const struct asked *asked,
	     const struct wire_protect *protect, struct rcap_export **entry)
{
	u32 index;

	*entry = asked->entry;
	if (protect->slot == WIRE_SLOT_NONE)
		return protect->generation ? CODE_ENTRY : CODE_NONE;
	if (!(asked->entry->rights & WIRE_RIGHT_DERIVE))
		return CODE_RIGHTS;
	index = rcap_entry_below(rcap, asked->entry->node, protect->slot,
				 protect->generation);
	if (index == RCAP_NONE)
		return CODE_ENTRY;
	*entry = &rcap->exports[index];
	SOMETIMES(PROTECT_BELOW);
	return era_holds(rcap, *entry) ? CODE_NONE : CODE_ENTRY;
}

// From the answer on no frame uses a right that went: the era has counted on, so the
// next use of each entry walks to its root, and finds what is left there.
void
run_protect(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct rcap_export *entry = NULL;
	struct wire_protect protect;

	wire_protect_load(&protect, asked->payload);
	if (code == CODE_NONE)
		code = protect_find(rcap, asked, &protect, &entry);
	if (code == CODE_NONE && (protect.rights & ~(u32)entry->rights))
		code = CODE_RIGHTS;		// rights only go
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	rcap_host_protect(rcap->host, entry->node, protect.rights);
	owner_ran(rcap, asked, asked->payload, 0);
}

// ---- frames out of a pool

static enum wire_code
check_alloc(const struct rcap *rcap, const struct asked *asked,
	    const struct wire_alloc *a)
{
	const struct rcap_export *pool = asked->entry;

	if (a->rights & ~(u32)pool->rights)
		return CODE_RIGHTS;
	if (a->base >= pool->count || a->range > pool->count - a->base)
		return CODE_RANGE;
	return room_to_derive(rcap, pool, asked->peer);
}

// Recorded below the pool, so that taking the pool back takes this along; answered at
// once. The GRANT goes its own way, and if it does not arrive the frames come back.
void
run_alloc(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct rcap_taken taken = { 0 };
	struct wire_alloc alloc;

	wire_alloc_load(&alloc, asked->payload);
	if (code == CODE_NONE)
		code = check_alloc(rcap, asked, &alloc);
	if (code == CODE_NONE) {
		alloc.base += asked->entry->base;
		code = rcap_host_alloc(rcap->host, asked->entry->node, &alloc, &taken);
	}
	SOMETIMES_WHEN(POOL_OUT, code == CODE_FRAMES && !taken.later);
	if (SOMETIMES_IF(POOL_LATER, code == CODE_FRAMES && taken.later)) {
		owner_say(rcap, asked, STATUS_BUSY, CODE_NONE);
		return;
	}
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	ASSERT(taken.base >= alloc.base &&
	       taken.base + alloc.count <= alloc.base + alloc.range);	// R2
	entry_add(rcap, &(struct rcap_grant){
		.type = TYPE_FRAMES,
		.rights = alloc.rights,
		.peer = asked->peer,
		.incarnation = links_incarnation(rcap->links, asked->peer),
		.environment = asked->request->environment,
		.node = taken.node,
		.node_generation = taken.node_generation,
		.base = taken.base,
		.count = alloc.count,
		.word = alloc.word,
	}, asked->entry);
	asked->slot->old[0] = taken.base - asked->entry->base;
	owner_ran(rcap, asked, asked->payload, 0);
	peer_dispatch(rcap, asked->now, asked->peer);
}
