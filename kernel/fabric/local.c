// SPDX-License-Identifier: BSD-2-Clause
// The fabric within one node: a message to a service of this node, and a grant to
// another environment of it. Both end at once. What is granted is an ordinary derived
// capability, for frames or blocks that are here, so the holder maps it, and taking it
// back is what it is for any derived capability; nothing is exported.

#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"
#include "kernel/sys/tables.h"

static void
done(struct fabric_queue *queue, const struct fabric_submit *s, u64 word)
{
	queue_complete(queue, &(struct fabric_complete){
		.tag = s->tag, .op = s->op, .outcome = FABRIC_DONE, .old = { word },
	});
}

enum wire_code
local_send(struct fabric_queue *queue, const struct fabric_submit *s)
{
	struct rcap_message from = {
		.length = s->length,
		.local = s->local,
		.incarnation = sys_info.incarnation,
		.environment = envs[queue->owner].info->id,
		.peer = FABRIC_NODE_SELF,
	};
	enum wire_code code;
	u64 word = 0;

	if (s->length > WIRE_DATA_MAX)
		return CODE_SHAPE;
	code = rcap_send_here(fabric.rcap, s->offset, &from, &word);
	if (code == CODE_NONE)
		done(queue, s, word);
	return code;
}

enum wire_code
local_grant(struct fabric_queue *queue, const struct fabric_submit *s, u8 type)
{
	const struct fabric_target *t = &s->target;
	u32 env = fabric_env_of(t->environment), slot;
	struct pending *place;
	i64 error;

	if (env == NONE || t->incarnation != sys_info.incarnation)
		return env == NONE ? CODE_ENVIRONMENT : CODE_INCARNATION;
	place = pending_accept(env);
	if (!place || cap_room(&caps, env))
		return CODE_PLACE;
	error = cap_check_derive(&caps, queue->owner, s->slot, env, t->rights,
				 t->base, t->count);
	if (error)
		return wire_code_of(error);
	slot = cap_derive(&caps, queue->owner, s->slot, env, t->rights, t->base,
			  t->count);
	pending_end(place, &(struct fabric_complete){
		.outcome = FABRIC_DONE,
		.old = { t->count },
		.incarnation = sys_info.incarnation,
		.word = t->word,
		.environment = envs[queue->owner].info->id,
		.slot = slot,
		.node = FABRIC_NODE_SELF,
		.type = type,
		.rights = (u8)t->rights,
	});
	done(queue, s, 0);
	return CODE_NONE;
}
