// SPDX-License-Identifier: BSD-2-Clause
// Endpoints. Each environment has one, with two buffers for messages and, in three of
// four environments, a program that counts how often it ran and mixes what it was sent.

#include <string.h>

#include "harness/sim/endpoint.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

#define MESSAGES_EACH 2u

static u64
message_at(u32 env, u32 which)
{
	return (u64)(PAGES + OP_FRAMES + env) * UNIT + which * MESSAGE_ROOM;
}

void
endpoint_open(struct sim_node *node, u32 env)
{
	if (!rcap_endpoint_open(node->rcap, env, node->env[env].id) ||
	    !rcap_service_open(node->rcap, SERVICE + env, env))
		sim_failed(node_index(node), "an endpoint does not open");
	node->env[env].post = (1u << MESSAGES_EACH) - 1;
}

void
endpoint_close(struct sim_node *node, u32 env)
{
	rcap_service_close(node->rcap, SERVICE + env);
	rcap_endpoint_close(node->rcap, env);
}

void
endpoint_post(struct sim_node *node)
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

// Which operation a message is, by its first word.
static u32
index_of(const u8 *bytes)
{
	u64 index;

	memcpy(&index, bytes, 8);
	return (u32)MIN(index, (u64)MODEL_OPS_MAX);
}

static void
judge_sender(const struct sim_node *node, const struct rcap_message *message, u32 index)
{
	const struct model_op *op = &sim.model.op[index];

	if (message->environment != op->by.env ||
	    node_of_peer(node, message->peer) != op->by.node ||
	    node_boot_of(op->by.node, message->incarnation) != op->by.boot)
		sim_failed(node_index(node), "a message names another sender");
}

void
rcap_host_message(void *host, const struct rcap_message *message)
{
	struct sim_node *node = host;
	const u8 *bytes = node->memory[0] + message->local;
	u32 index = index_of(bytes);

	ASSERT(message->endpoint < ENVS && message->length >= 8);
	model_delivered(&sim.model, node_index(node), index, bytes, message->length);
	judge_sender(node, message, index);
	node->env[message->endpoint].post |= 1u << message->tag;
}

enum wire_code
rcap_host_invoke(void *host, const struct rcap_message *message, const u8 *bytes,
		 u64 result[2], u64 *took_ns)
{
	struct sim_node *node = host;
	u32 index = index_of(bytes);

	ASSERT(message->endpoint < ENVS && message->length >= 8);
	if (node->env[message->endpoint].id % 4 == 3)
		return CODE_HANDLER;
	result[0] = ++node->invoked[message->endpoint];
	result[1] = 0;
	*took_ns = 0;
	for (u32 i = 0; i < message->length; i++)
		result[1] = result[1] * 31 + bytes[i];
	model_invoked(&sim.model, node_index(node), index, bytes, message->length, result);
	judge_sender(node, message, index);
	return CODE_NONE;
}
