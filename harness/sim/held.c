// SPDX-License-Identifier: BSD-2-Clause
// Environments and their capabilities. In the kernel raw numbers never reach a
// program; here they do, so that what is named wrongly is named so on purpose, as
// a compromised kernel would: a neighbour's numbers, stolen ones, made-up ones.

#include <string.h>

#include "harness/sim/endpoint.h"
#include "harness/sim/export.h"
#include "harness/sim/held.h"
#include "harness/sim/lease.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

static void
new_env(struct sim_node *node, u32 env)
{
	node->env[env] = (struct sim_env){ .id = ++node->next_env };
	TRACE(node_index(node), "environment %lu begins", node->env[env].id);
	endpoint_open(node, env);
}

void
held_boot(struct sim_node *node)
{
	node->next_env = 0;
	for (u32 env = 0; env < ENVS; env++)
		new_env(node, env);
}

void
held_restart(struct sim_node *node, u32 env)
{
	TRACE(node_index(node), "environment %lu ends", node->env[env].id);
	lease_env_ends(node, env);
	endpoint_close(node, env);
	rcap_cancel_all(node->rcap, node_now(node), node->env[env].id);
	export_revoke_all(node, env);
	for (u32 i = 0; i < HELD_MAX; i++) {
		if (node->env[env].held[i].used)
			held_give_up(node, &node->env[env].held[i]);
	}
	new_env(node, env);
}

void
held_give_up(struct sim_node *node, struct held *held)
{
	ASSERT(held->used);
	held->used = false;
	rcap_let(node->rcap, held->remote.peer);
}

void
held_forget_dead(struct sim_node *node, u32 env)
{
	for (u32 i = 0; i < HELD_MAX; i++) {
		struct held *held = &node->env[env].held[i];

		if (held->used && (links_incarnation(node->links, held->remote.peer) !=
					   held->remote.incarnation ||
				   (!links_session(node->links, held->remote.peer) &&
				    !sim_below(4))))
			held_give_up(node, held);
	}
}

void
held_forget_departed(struct sim_node *node)
{
	for (u32 at = 0; at < ENVS * HELD_MAX && node->state != NODE_OFF; at++) {
		struct held *held = &node->env[at / HELD_MAX].held[at % HELD_MAX];

		if (held->used && held->owner_boot != sim.boot[held->owner])
			held_give_up(node, held);
	}
}

struct held *
held_any(struct sim_env *env)
{
	u32 start = (u32)sim_below(HELD_MAX);

	for (u32 i = 0; i < HELD_MAX; i++) {
		struct held *held = &env->held[(start + i) % HELD_MAX];

		if (held->used)
			return held;
	}
	return NULL;
}

static void
find_row(const struct sim_node *node, struct target *target)
{
	target->owner = node_of_peer(node, target->remote.peer);
	target->owner_boot = node_boot_of(target->owner, target->remote.incarnation);
	target->row = authority_find(&sim.model.authority, target->owner,
				     target->owner_boot, target->remote.slot,
				     target->remote.generation);
}

void
held_target(const struct sim_node *node, struct held *held, struct target *target)
{
	target->held = held;
	target->remote = held->remote;
	find_row(node, target);
}

// Numbers that another node's environment holds, seen from this node.
static bool
steal(struct sim_node *node, struct target *target)
{
	struct sim_node *other = &sim.node[sim_below(sim.nodes)];
	struct held *held;

	if (other == node || other->state == NODE_OFF)
		return false;
	held = held_any(&other->env[sim_below(ENVS)]);
	if (!held || held->owner == node_index(node))
		return false;
	target->held = held;
	target->remote = held->remote;
	target->remote.peer = node_peer(node, held->owner);
	return target->remote.peer != LINK_NONE;
}

// Numbers that an environment of this node held in this boot or an earlier one.
static bool
remember(struct sim_node *node, struct target *target)
{
	u32 kept = MIN(node->past_count, PAST);

	if (!kept)
		return false;
	target->held = &node->past[sim_below(kept)];
	target->remote = target->held->remote;
	target->remote.peer = node_peer(node, target->held->owner);
	return target->remote.peer != LINK_NONE;
}

static void
alter(struct rcap_remote *remote)
{
	switch (sim_below(3)) {
	case 0:
		remote->generation += sim_below(2) ? 1 : UINT32_MAX;
		break;
	case 1:
		remote->slot = (u32)sim_below(EXPORTS * 2);
		break;
	default:
		remote->generation = (u32)prng_u64(&sim.prng);
		break;
	}
}

bool
held_choose(struct sim_node *node, u32 env, struct target *target)
{
	u64 how = sim_below(100);

	if (how < 3 ? steal(node, target) : how < 6 && remember(node, target)) {
		find_row(node, target);
		return true;
	}
	if (how < 10)
		env = (env + 1) % ENVS;		// a neighbour's
	target->held = held_any(&node->env[env]);
	if (!target->held)
		return false;
	target->remote = target->held->remote;
	if (how >= 10 && how < 16)
		alter(&target->remote);
	find_row(node, target);
	return true;
}

bool
held_service(struct sim_node *node, u32 other, struct target *target)
{

	*target = (struct target){ .owner = other, .row = AUTHORITY_NONE };
	target->remote.slot = WIRE_SLOT_NONE;
	target->remote.peer = node_peer(node, other);
	if (target->remote.peer == LINK_NONE)
		return false;
	target->remote.incarnation = links_incarnation(node->links, target->remote.peer);
	target->owner_boot = node_boot_of(other, target->remote.incarnation);
	return true;
}

static bool
is_held(const struct sim_env *env, const struct rcap_remote *remote)
{
	for (u32 i = 0; i < HELD_MAX; i++) {
		const struct held *held = &env->held[i];

		if (held->used && held->remote.peer == remote->peer &&
		    held->remote.incarnation == remote->incarnation &&
		    held->remote.slot == remote->slot &&
		    held->remote.generation == remote->generation)
			return true;
	}
	return false;
}

// What came agrees with what its owner meant.
static void
judge_grant(const struct sim_node *node, const struct sim_env *env,
	    const struct target *target, const struct wire_grant *grant)
{
	const struct authority_cap *row;

	if (target->row == AUTHORITY_NONE)
		sim_failed(node_index(node), "a capability came that nobody granted");
	row = &sim.model.authority.cap[target->row];
	if (row->holder.node != node_index(node) || row->holder.boot != node->boot ||
	    row->holder.env != env->id)
		sim_failed(node_index(node), "a capability came to somebody else");
	if (row->rights != grant->rights || row->count != grant->count ||
	    export_type(row->store) != grant->type)
		sim_failed(node_index(node), "a capability came with other rights or range");
}

static enum wire_code
take(struct sim_node *node, struct sim_env *env, const struct target *target,
     const struct wire_grant *grant)
{
	const struct rcap_secret *secret = rcap_granted(node->rcap);
	const struct authority_cap *row;

	judge_grant(node, env, target, grant);
	if (is_held(env, &target->remote))
		sim_failed(node_index(node), "a capability was granted twice");
	row = &sim.model.authority.cap[target->row];
	for (u32 i = 0; i < HELD_MAX; i++) {
		if (env->held[i].used)
			continue;
		env->held[i] = (struct held){
			.used = true, .remote = target->remote, .owner = target->owner,
			.owner_boot = target->owner_boot, .row = target->row,
			.store = row->store, .rights = row->rights, .count = row->count,
			.secret_known = secret != NULL, .got_at = sim.trace.now };
		if (secret)
			env->held[i].secret = *secret;
		rcap_hold(node->rcap, target->remote.peer);
		node->past[node->past_count++ % PAST] = env->held[i];
		TRACE(node_index(node), "environment %lu gets row %lu", env->id,
		      target->row);
		return CODE_NONE;
	}
	return CODE_PLACE;
}

enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant)
{
	struct sim_node *node = host;
	struct target target = { .remote = *remote };

	find_row(node, &target);
	for (u32 env = 0; env < ENVS; env++) {
		if (node->env[env].id == grant->environment)
			return take(node, &node->env[env], &target, grant);
	}
	return CODE_ENVIRONMENT;
}

void
held_narrow(struct sim_node *node, const struct model_op *op)
{
	for (u32 at = 0; at < ENVS * HELD_MAX; at++) {
		struct held *held = &node->env[at / HELD_MAX].held[at % HELD_MAX];

		if (!held->used || held->row != op->cap)
			continue;
		if (op->kind == DO_PROTECT && op->named == OWN_SLOT)
			held->rights &= op->rights;
		else if (op->kind == DO_RELEASE && op->offset)
			held->count = MIN(held->count, (u32)op->offset);
		else if (op->kind == DO_RELEASE || op->kind == DO_DROP)
			held_give_up(node, held);
	}
}
