// SPDX-License-Identifier: BSD-2-Clause
// What is handed on and taken back, forged: tickets that their maker's key does not cover,
// or covers and that promise more than the maker has; words of an owner about what it has
// not granted; a RELEASE beyond what is held. And the judgement of it: whose the victim's
// exports are, what the victim was asked for by whom, and that the honest node's ticket,
// which the intruder has seen and shown as its own, is still good for the honest node,
// once.

#include <string.h>

#include "harness/onslaught/onslaught.h"
#include "kernel/base/assert.h"

#define TICKET_LEN WIRE_LENGTH(ticket)
#define SERIALS 3u		// of the intruder's tickets: so many entries are its at most
#define ENV_NEXT 10u		// the honest node's, that its ticket is for

static u64
below(struct onslaught *o, u64 bound)
{
	return prng_below(&o->prng, bound);
}

// Mostly that one.
static u32
environment(struct onslaught *o, u32 usual)
{
	return below(o, 8) ? usual : (u32)below(o, 16);
}

// Mostly one of the first few.
static u32
slot(struct onslaught *o, u32 few)
{
	return (u32)below(o, below(o, 8) ? few : 1u << WIRE_SLOT_BITS);
}

static void
write_ticket(struct onslaught *o, u32 maker, u32 place, const struct wire_derive *to,
	     u32 serial, u64 lifetime_ns, u8 ticket[TICKET_LEN])
{
	const struct rig_node *n = &o->rig.node[maker];
	const struct rig_place *p = &n->place[place];

	ASSERT(p->secret_known);
	rcap_ticket_write(n->rcap, o->rig.now,
			  &(struct rcap_ticket_terms){
				  .remote = &p->remote, .secret = &p->secret, .to = to,
				  .lifetime_ns = lifetime_ns,
				  .environment = p->grant.environment, .serial = serial,
			  }, ticket);
}

void
handed_begin(struct onslaught *o)
{
	struct rig *rig = &o->rig;
	struct wire_derive to = {
		.incarnation = rig->node[HONEST].incarnation, .environment = ENV_NEXT,
		.rights = WIRE_RIGHT_READ, .base = HONEST_PAGES - 1, .count = 1,
	};

	memset(to.uuid, HONEST + 1, sizeof(to.uuid));
	write_ticket(o, HONEST, o->honest_place, &to, 1, 3600 * NS_PER_SECOND, o->ticket);
	// What the victim holds of both: of the honest node two, so that the second one's
	// name is no name of the intruder's.
	for (u32 i = 0; i < 2; i++)
		rig_export(rig, HONEST, VICTIM, ENV_VICTIM, TYPE_FRAMES, WIRE_RIGHTS,
			   4 * i, 4);
	o->granted_place = rig_export(rig, INTRUDER, VICTIM, ENV_VICTIM, TYPE_FRAMES,
				      WIRE_RIGHTS, 0, 4);
	o->asked_seen = rig->node[VICTIM].asked_count;
	o->lent_places = rig->node[INTRUDER].places;
}

// Of the intruder's own, for an environment of the victim's: that is its right, and all
// that the victim holds by it is named to the intruder and to nobody else.
u32
handed_grant(struct onslaught *o, u8 *at)
{
	struct wire_grant grant = {
		.environment = environment(o, ENV_VICTIM),
		.slot = slot(o, 8),
		.generation = 1 + (u32)below(o, 2),
		.type = (u8)below(o, TYPE_POOL + 2),
		.rights = (u8)below(o, below(o, 4) ? WIRE_RIGHTS + 1 : 256),
		.count = below(o, 8) ? below(o, 5) : prng_u64(&o->prng),
	};

	wire_grant_store(at, &grant);
	return WIRE_LENGTH(grant);
}

// A part of what the body names, or more than that, for itself or for the honest node.
u32
handed_derive(struct onslaught *o, u8 *at)
{
	u32 whose = below(o, 4) ? INTRUDER : HONEST;
	struct wire_derive to = {
		.incarnation = below(o, 16) ? o->rig.node[whose].incarnation
					    : prng_u64(&o->prng),
		.environment = environment(o, ENV),
		.rights = (u8)(below(o, 8) ? below(o, WIRE_RIGHTS + 1) : below(o, 256)),
		.base = below(o, 8) ? below(o, LENT) : prng_u64(&o->prng),
		.count = below(o, 8) ? 1 + below(o, 2) : prng_u64(&o->prng),
	};

	memset(to.uuid, (int)whose + 1, sizeof(to.uuid));
	wire_derive_store(at, &to);
	return WIRE_LENGTH(derive);
}

u32
handed_place(struct onslaught *o, bool others)
{
	u32 derived = o->rig.node[INTRUDER].places - o->lent_places;

	if (!derived || (others && below(o, 4)))
		return others ? RCAP_NONE : o->frames_place;
	return o->lent_places + (u32)below(o, derived);
}

void
handed_stolen(struct onslaught *o, struct wire_request *body)
{
	const struct rig_place *p = &o->rig.node[HONEST].place[o->honest_place];

	body->environment = below(o, 2) ? ENV_HONEST : ENV;
	body->slot = p->remote.slot;
	body->generation = p->remote.generation;
}

// Under a key of the intruder's, with terms of its choice: some are within what it has.
static void
own_ticket(struct onslaught *o, u8 ticket[TICKET_LEN])
{
	u32 place = below(o, 6) ? o->frames_place : o->read_place;
	u32 whose = below(o, 8) ? INTRUDER : HONEST;
	struct wire_derive to = {
		.incarnation = below(o, 8) ? o->rig.node[whose].incarnation
					   : prng_u64(&o->prng),
		.environment = environment(o, ENV),
		.rights = (u8)(below(o, 4) ? 1 + below(o, 3) : below(o, 256)),
		.base = below(o, 8) ? below(o, LENT) : prng_u64(&o->prng),
		.count = below(o, 8) ? 1 + below(o, LENT) : prng_u64(&o->prng),
	};

	memset(to.uuid, (int)whose + 1, sizeof(to.uuid));
	write_ticket(o, INTRUDER, place, &to,
		     below(o, 64) ? 1 + (u32)below(o, SERIALS) : 1 + (u32)below(o, ~0u),
		     below(o, 8) ? NS_PER_SECOND * 60 : 0, ticket);
}

// The honest node's; or made out to the intruder, by who has not the key.
static void
stolen_ticket(struct onslaught *o, u8 ticket[TICKET_LEN])
{
	struct wire_ticket t;

	wire_ticket_load(&t, o->ticket);
	if (below(o, 2)) {
		memset(t.uuid, INTRUDER + 1, sizeof(t.uuid));
		t.incarnation = o->rig.node[INTRUDER].incarnation;
		t.environment = ENV;
		t.serial += (u32)below(o, 2);
	}
	wire_ticket_store(ticket, &t);
}

u32
handed_ticket(struct onslaught *o, u8 *at)
{
	if (below(o, 4))
		own_ticket(o, at);
	else
		stolen_ticket(o, at);
	if (!below(o, 4))
		at[below(o, TICKET_LEN)] ^= (u8)(1u << below(o, 8));
	return TICKET_LEN;
}

u32
handed_recall(struct onslaught *o, u8 *at)
{
	struct wire_recall recall = {
		.environment = environment(o, ENV_VICTIM),
		.slot = slot(o, 3),
		.generation = 1 + (u32)below(o, 2),
		.gone = (u16)below(o, 2),
		.keep = below(o, 8) ? below(o, 5) : prng_u64(&o->prng),
	};

	if (!recall.gone)
		recall.deadline = (u32)(o->rig.now / NS_PER_US + below(o, 1u << 22));
	wire_recall_store(at, &recall);
	return WIRE_LENGTH(recall);
}

u64
handed_release(struct onslaught *o)
{
	return below(o, 32) ? LENT + below(o, 4) : below(o, LENT);
}

// ---- what is left

static bool
lies_within(const struct rcap_export *e, u64 base, u64 count)
{
	return e->base >= base && e->base < base + count &&
	       e->count <= base + count - e->base;
}

// Is it a part of what the intruder was lent?
static bool
is_lent(const struct rcap_export *e)
{
	switch (e->type) {
	case TYPE_FRAMES:
		return lies_within(e, LENT_AT, LENT) || lies_within(e, POOL_AT, POOL) ||
		       (lies_within(e, READ_AT, READ_PAGES) && !(e->rights & ~READ_RIGHTS));
	case TYPE_BLOCKS:
		return lies_within(e, BLOCKS_AT, BLOCKS) && !(e->rights & ~3u);
	case TYPE_ENDPOINT:
		return e->base == 0 && !(e->rights & ~(u32)WIRE_RIGHT_WRITE);
	case TYPE_POOL:
		return lies_within(e, POOL_AT, POOL);
	default:
		return false;
	}
}

// The honest node's own, as it was given; or what its ticket gave.
static bool
is_honest(const struct rcap_export *e)
{
	if (e->type != TYPE_FRAMES)
		return false;
	if (e->environment == ENV_HONEST)
		return e->base == HONEST_AT && e->count == HONEST_PAGES &&
		       e->rights == HONEST_RIGHTS;
	return e->environment == ENV_NEXT && e->rights == WIRE_RIGHT_READ &&
	       e->base == HONEST_AT + HONEST_PAGES - 1 && e->count == 1;
}

static void
judge_exports(struct onslaught *o)
{
	const struct rig_node *n = &o->rig.node[VICTIM];

	for (u32 i = 0; i < RIG_EXPORTS; i++) {
		const struct rcap_export *e = rcap_entry(n->rcap, i);

		if (!e)
			continue;
		if (e->peer == rig_peer(&o->rig, VICTIM, HONEST)) {
			// The intruder may give what it was lent to whom it likes.
			if (!is_honest(e) && !is_lent(e))
				onslaught_failed(o, "what the honest node holds has changed");
		} else if (e->peer != rig_peer(&o->rig, VICTIM, INTRUDER) || !is_lent(e)) {
			onslaught_failed(o, "somebody holds what nobody gave");
		}
	}
}

// Has the intruder granted it to that environment of the victim's?
static bool
is_granted(const struct onslaught *o, const struct rig_asked *asked)
{
	const struct rig_node *n = &o->rig.node[VICTIM];

	for (u32 i = o->granted_place; i < n->places; i++) {
		const struct rcap_remote *granted = &n->place[i].remote;

		if (asked->remote.peer == granted->peer &&
		    asked->remote.slot == granted->slot &&
		    asked->remote.generation == granted->generation &&
		    asked->recall.environment == n->place[i].grant.environment)
			return true;
	}
	return false;
}

// What the victim was granted since is the intruder's, whatever the frame said.
static void
judge_grants(struct onslaught *o)
{
	const struct rig_node *n = &o->rig.node[VICTIM];

	for (u32 i = o->granted_place; i < n->places; i++) {
		if (n->place[i].remote.peer != rig_peer(&o->rig, VICTIM, INTRUDER) ||
		    n->place[i].remote.incarnation != o->rig.node[INTRUDER].incarnation)
			onslaught_failed(o, "somebody granted what is another's");
	}
}

void
handed_asked(struct onslaught *o)
{
	const struct rig_node *n = &o->rig.node[VICTIM];

	o->asked_seen = MIN(o->asked_seen, n->asked_count);	// it may have booted
	for (; o->asked_seen != n->asked_count; o->asked_seen++) {
		const struct rig_asked *asked =
			&n->asked[o->asked_seen % ARRAY_SIZE(n->asked)];

		if (!is_granted(o, asked))
			onslaught_failed(o, "asked for what it has not granted");
	}
}

static void
redeem(struct onslaught *o, enum rcap_outcome outcome, enum wire_code code)
{
	struct rcap_submit s = {
		.environment = ENV_NEXT, .op = OP_REDEEM,
		.remote = {
			.incarnation = o->rig.node[VICTIM].incarnation,
			.slot = WIRE_SLOT_NONE,
			.peer = rig_peer(&o->rig, HONEST, VICTIM),
		},
	};
	struct rcap_completion c;

	memcpy(s.ticket, o->ticket, TICKET_LEN);
	c = rig_do(&o->rig, HONEST, &s);
	if (c.outcome != outcome || c.code != code)
		onslaught_failed(o, "the honest node's ticket is not good once");
}

void
handed_judge(struct onslaught *o)
{
	judge_exports(o);
	judge_grants(o);
	handed_asked(o);
	if (!o->honest_session)
		return;			// the victim has booted, and lent nothing since
	redeem(o, RCAP_DONE, CODE_NONE);
	redeem(o, RCAP_NOT_DONE, CODE_SPENT);
	judge_exports(o);
}
