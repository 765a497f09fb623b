// SPDX-License-Identifier: BSD-2-Clause
// Environments and their capabilities. In the kernel raw numbers never reach a
// program; here they do, so that what is named wrongly is named so on purpose, as
// a compromised kernel would: a neighbour's numbers, stolen ones, made-up ones.

#include <string.h>

#include "harness/sim/export.h"
#include "harness/sim/held.h"
#include "harness/sim/lease.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

#define MESSAGES_EACH 2u

static u64
message_at(u32 env, u32 which)
{
	return (u64)(PAGES + OP_FRAMES + env) * UNIT + which * MESSAGE_ROOM;
}

static void
open_endpoint(struct sim_node *node, u32 env)
{
	if (!rcap_endpoint_open(node->rcap, env, node->env[env].id) ||
	    !rcap_service_open(node->rcap, SERVICE + env, env))
		sim_failed(node_index(node), "an endpoint does not open");
	node->env[env].post = (1u << MESSAGES_EACH) - 1;
}

static void
new_env(struct sim_node *node, u32 env)
{
	node->env[env] = (struct sim_env){ .id = ++node->next_env };
	TRACE(node_index(node), "environment %lu begins", node->env[env].id);
	open_endpoint(node, env);
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
	rcap_service_close(node->rcap, SERVICE + env);
	rcap_endpoint_close(node->rcap, env);
	rcap_cancel_all(node->rcap, node_now(node), node->env[env].id);
	export_revoke_all(node, env);
	new_env(node, env);
}

void
held_post(struct sim_node *node)
{
	for (u32 env = 0; env < ENVS; env++) {
		for (u32 i = 0; i < MESSAGES_EACH; i++) {
			if (!(node->env[env].post >> i & 1))
				continue;
			if (!rcap_post(node->rcap, env, message_at(env, i),
				       MESSAGE_ROOM, i, 0))
				sim_failed(node_index(node), "a buffer cannot be posted");
		}
		node->env[env].post = 0;
	}
}

void
held_forget_dead(struct sim_node *node, u32 env)
{
	for (u32 i = 0; i < HELD_MAX; i++) {
		struct held *held = &node->env[env].held[i];

		if (held->used && links_incarnation(node->links, held->remote.peer) !=
				  held->remote.incarnation)
			held->used = false;
	}
}

// Any capability of an environment, or NULL.
static struct held *
any_held(struct sim_env *env)
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
	held = any_held(&other->env[sim_below(ENVS)]);
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
	target->held = any_held(&node->env[env]);
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
	    (row->store == STORE_PAGES ? TYPE_FRAMES : TYPE_BLOCKS) != grant->type)
		sim_failed(node_index(node), "a capability came with other rights or range");
}

static enum wire_code
take(struct sim_node *node, struct sim_env *env, const struct target *target,
     const struct wire_grant *grant)
{
	const struct authority_cap *row;

	judge_grant(node, env, target, grant);
	if (is_held(env, &target->remote))
		sim_failed(node_index(node), "a capability was granted twice");
	row = &sim.model.authority.cap[target->row];
	for (u32 i = 0; i < HELD_MAX; i++) {
		if (env->held[i].used)
			continue;
		env->held[i] = (struct held){ true, target->remote, target->owner,
					      target->owner_boot, target->row,
					      row->store, row->rights, row->count,
					      false };
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
rcap_host_message(void *host, const struct rcap_message *message)
{
	struct sim_node *node = host;
	const u8 *bytes = node->memory[0] + message->local;
	const struct model_op *op;
	u64 index;

	ASSERT(message->endpoint < ENVS && message->length >= 8);
	memcpy(&index, bytes, 8);
	model_delivered(&sim.model, node_index(node), (u32)index, bytes,
			message->length);
	op = &sim.model.op[index];
	if (message->environment != op->by.env ||
	    node_of_peer(node, message->peer) != op->by.node ||
	    node_boot_of(op->by.node, message->incarnation) != op->by.boot)
		sim_failed(node_index(node), "a message names another sender");
	node->env[message->endpoint].post |= 1u << message->tag;
}
