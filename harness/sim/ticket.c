// SPDX-License-Identifier: BSD-2-Clause
// Tickets: made by a holder, passed to another node's environment by a way that is none
// of the fabric's, redeemed at the owner, or tried to: once more, changed by one bit,
// behind its time, by somebody else, in a later life.

#include <string.h>

#include "harness/sim/delegate.h"
#include "harness/sim/node.h"

#define SHORT_NS (300 * NS_PER_MS)
#define LONG_NS (1000 * NS_PER_SECOND)
#define APART_NS (500 * NS_PER_MS)	// clocks that step, in all of a seed
#define SERIALS_JUMP (TICKETS_OUT + 8)

// Serials count on; some stand twice, as from a kernel that forgets, and some are far
// ahead, so that the earlier ones are over.
static u32
next_serial(struct held *held)
{
	if (held->serial && sim_below(20) == 0)
		return 1 + (u32)sim_below(held->serial);
	held->serial += sim_below(20) ? 1 : SERIALS_JUMP;
	return held->serial;
}

// By when its time is over, however far clocks run apart since the grant.
static u64
end_of(const struct held *held, u64 lifetime)
{
	u64 since = sim.trace.now - held->got_at;

	if (lifetime == LONG_NS)
		return UINT64_MAX;
	return sim.trace.now + lifetime / 10 * 11 + since / 10 + APART_NS;
}

void
ticket_make(struct sim_node *node, u32 env)
{
	struct held *held = held_any(&node->env[env]);
	u64 lifetime = sim_below(4) ? LONG_NS : sim_below(SHORT_NS);
	struct wire_derive derive = { 0 };
	struct model_op op = { 0 };
	struct sim_node *third;
	struct sim_ticket *t;
	struct target target;

	if (!held || !held->secret_known)
		return;
	held_target(node, held, &target);
	delegate_part(node, &target, &derive, &op);
	third = &sim.node[op.to.node];
	t = &third->ticket[third->ticket_count++ % TICKETS];
	*t = (struct sim_ticket){
		.used = true, .owner = held->owner, .owner_boot = held->owner_boot,
		.incarnation = held->remote.incarnation, .row = held->row, .to = op.to,
		.rights = op.rights, .base = op.base, .count = op.count,
		.serial = next_serial(held), .good_until = end_of(held, lifetime) };
	rcap_ticket_write(node->rcap, node_now(node), &(struct rcap_ticket_terms){
		.remote = &held->remote, .secret = &held->secret, .to = &derive,
		.lifetime_ns = lifetime, .environment = node->env[env].id,
		.serial = t->serial }, t->bytes);
	TRACE(node_index(node), "ticket %lu of row %lu, for env %lu of n%lu", t->serial,
	      t->row, op.to.env, op.to.node);
}

static const struct sim_ticket *
any_ticket(const struct sim_node *node)
{
	const struct sim_node *from = sim_below(12) ? node : &sim.node[sim_below(sim.nodes)];
	u32 kept = MIN(from->ticket_count, TICKETS);

	return kept ? &from->ticket[sim_below(kept)] : NULL;
}

// Mostly the one whom it is for, if it is of this node.
static u32
redeemer(const struct sim_node *node, u32 env, const struct sim_ticket *t)
{
	for (u32 i = 0; i < ENVS && sim_below(10); i++) {
		if (node->env[i].id == t->to.env)
			return i;
	}
	return env;
}

bool
ticket_redeem(struct sim_node *node, u32 env, struct operation *o)
{
	const struct sim_ticket *t = any_ticket(node);
	struct target target = { 0 };

	if (!t || t->owner == node_index(node))
		return false;
	target.owner = t->owner;
	target.owner_boot = t->owner_boot;
	target.row = t->row;
	target.remote = (struct rcap_remote){
		.incarnation = t->incarnation, .slot = WIRE_SLOT_NONE,
		.peer = node_peer(node, t->owner) };
	// Of a life of the owner's that this node has not met yet it can say nothing.
	if (target.remote.peer == LINK_NONE ||
	    (t->owner_boot == sim.boot[t->owner] &&
	     links_incarnation(node->links, target.remote.peer) != t->incarnation))
		return false;
	operation_begin(node, redeemer(node, env, t), &target, DO_REDEEM, o);
	o->op.to = t->to;
	o->op.rights = t->rights;
	o->op.base = t->base;
	o->op.count = t->count;
	o->op.serial = t->serial;
	o->op.good_until = t->good_until;
	memcpy(o->submit.ticket, t->bytes, sizeof(t->bytes));
	if (sim_below(12) == 0) {
		o->op.forged = true;
		o->submit.ticket[sim_below(sizeof(t->bytes))] ^= (u8)(1u << sim_below(8));
	}
	operation_finish(o);
	return true;
}
