// SPDX-License-Identifier: BSD-2-Clause
// Drawing operations on capabilities: DERIVE, HOLDERS, EXPEL, PROTECT, ALLOC, RELEASE.
// What they name mostly came from the capability; sometimes it is somebody else's, or
// was made up.

#include "harness/sim/delegate.h"
#include "harness/sim/node.h"

#define CHOICE 8u

void
delegate_part(struct sim_node *node, const struct target *target,
	      struct wire_derive *derive, struct model_op *op)
{
	u32 other = (u32)sim_below(sim.nodes);
	const struct held *held = target->held;
	const struct sim_node *third;

	if (other == target->owner)
		other = node_index(node);
	third = &sim.node[other];
	node_uuid(other, derive->uuid);
	derive->incarnation = third->incarnation[third->boot];
	derive->environment = third->env[sim_below(ENVS)].id;
	derive->rights = (u8)(held->rights & (u32)(1 + sim_below(CAP_ALL)));
	if (!(derive->rights & (CAP_READ | CAP_WRITE)))
		derive->rights = (u8)held->rights;
	if (sim_below(20) == 0)
		derive->rights = SIM_RIGHTS;
	derive->count = 1 + sim_below(held->count);
	derive->base = sim_below(held->count - derive->count + 1);
	if (sim_below(20) == 0)
		derive->base++;
	op->to = (struct party){ other, third->boot, derive->environment };
	op->rights = derive->rights;
	op->base = (u32)derive->base;
	op->count = (u32)derive->count;
}

// A row that came from the capability, one of the newest; else any, or none.
static u32
row_named(const struct target *target)
{
	const struct authority *authority = &sim.model.authority;
	u32 found[CHOICE], count = 0;

	for (u32 i = authority->count; i-- > 0 && count < CHOICE;) {
		if (target->row != AUTHORITY_NONE && i != target->row &&
		    authority_below(authority, i, target->row))
			found[count++] = i;
	}
	if (count && sim_below(10))
		return found[sim_below(count)];
	return sim_below(4) ? (u32)sim_below(authority->count) : AUTHORITY_NONE;
}

static void
draw_named(const struct target *target, struct model_op *op)
{
	u32 row = row_named(target);

	op->named = (u32)sim_below(EXPORTS);
	op->named_generation = 1 + (u32)sim_below(4);
	if (row == AUTHORITY_NONE || sim.model.authority.cap[row].slot == RCAP_NONE)
		return;
	op->named = sim.model.authority.cap[row].slot;
	op->named_generation = sim.model.authority.cap[row].generation;
}

static void
draw_protect(const struct target *target, struct operation *o)
{
	struct model_op *op = &o->op;
	u32 row;

	op->named = OWN_SLOT;
	if (sim_below(2))
		draw_named(target, op);
	row = op->named == OWN_SLOT ? target->row :
	      authority_find(&sim.model.authority, op->owner, op->owner_boot, op->named,
			     op->named_generation);
	op->rights = row == AUTHORITY_NONE ? SIM_RIGHTS :
		     authority_rights(&sim.model.authority, row, sim.trace.now);
	op->rights &= (u32)(sim_below(CAP_ALL + 1) | sim_below(CAP_ALL + 1));
	if (sim_below(20) == 0)
		op->rights = SIM_RIGHTS;
	o->submit.protect = (struct wire_protect){
		.slot = op->named, .generation = op->named_generation,
		.rights = (u8)op->rights };
}

// Two that an environment has open at a time want the same part of a pool.
static void
draw_alloc(const struct target *target, struct operation *o)
{
	const struct held *held = target->held;
	struct model_op *op = &o->op;
	u32 from = held->count > 1 && op->by.env % 2;

	op->base = from + (sim_below(20) == 0);
	op->range = held->count - from;
	op->count = 1 + (u32)sim_below(MIN(op->range, 2u));
	op->rights = held->rights & (u32)sim_below(CAP_ALL + 1);
	if (!(op->rights & CAP_READ))
		op->rights = sim_below(20) ? held->rights : SIM_RIGHTS;
	o->submit.alloc = (struct wire_alloc){
		.base = op->base, .range = op->range, .count = op->count,
		.rights = (u8)op->rights };
}

void
delegate_draw(struct sim_node *node, const struct target *target, struct operation *o)
{
	const u32 room[] = { 1, 3, WIRE_HOLDERS_MAX };
	struct model_op *op = &o->op;

	switch (op->kind) {
	case DO_DERIVE:
		delegate_part(node, target, &o->submit.derive, op);
		break;
	case DO_HOLDERS:
		op->len = WIRE_LENGTH(holders) +
			  room[sim_below(ARRAY_SIZE(room))] * WIRE_LENGTH(holder);
		op->offset = sim_below(2) ? 0 : sim_below(EXPORTS);
		break;
	case DO_EXPEL:
		draw_named(target, op);
		o->submit.expel = (struct wire_expel){
			.slot = op->named, .generation = op->named_generation };
		break;
	case DO_PROTECT:
		draw_protect(target, o);
		break;
	case DO_ALLOC:
		draw_alloc(target, o);
		break;
	case DO_RELEASE:
		op->offset = sim_below(target->held->count + 1);
		break;
	default:
		break;
	}
}
