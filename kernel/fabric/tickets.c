// SPDX-License-Identifier: BSD-2-Clause
// Tickets for capabilities of other nodes (net/rcap/ticket.c): made here without a word
// to the owner, and redeemed at it. The secret that signs them stays in the kernel's
// records; what an environment gets to see confers nothing to whom it does not name.

#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"

STATIC_ASSERT(sizeof(struct fabric_ticket) == WIRE_LENGTH(ticket));
STATIC_ASSERT(offsetof(struct fabric_ticket, serial) ==
	      offsetof(struct wire_ticket_layout, serial));
STATIC_ASSERT(offsetof(struct fabric_ticket, rights) ==
	      offsetof(struct wire_ticket_layout, rights));
STATIC_ASSERT(offsetof(struct fabric_ticket, tag) ==
	      offsetof(struct wire_ticket_layout, tag));

// `local` lies in the queue's region: its bytes are consecutive in the direct map.
enum wire_code
ticket_make(struct fabric_queue *queue, const struct fabric_submit *s)
{
	filled_ struct rcap_submit r;
	struct rcap_ticket_terms terms = { 0 };
	enum wire_code code;

	if (s->length != WIRE_LENGTH(ticket) || !s->offset)
		return CODE_SHAPE;
	if (s->node >= FABRIC_LINKS_MAX)
		return CODE_NODE;
	code = target_copy(s, &r);
	r.op = OP_DERIVE;
	if (code == CODE_NONE)
		code = remote_pass(queue, s, &r, &terms);
	if (code != CODE_NONE)
		return code;
	terms.lifetime_ns = s->offset;
	rcap_ticket_write(fabric.rcap, clock_ns(), &terms, direct(s->local));
	queue_complete(queue, &(struct fabric_complete){
		.tag = s->tag, .op = s->op, .outcome = FABRIC_DONE,
		.length = s->length,
	});
	return CODE_NONE;
}

// A ticket is good once, so it is not sent while there is no place for what it brings.
static enum wire_code
redeem_check(const struct fabric_queue *queue, const struct fabric_submit *s)
{
	if (s->node >= FABRIC_LINKS_MAX || !links_session(fabric.links, s->node))
		return CODE_PEER;
	if (links_incarnation(fabric.links, s->node) != s->ticket.owner_incarnation)
		return CODE_INCARNATION;
	return pending_accept(queue->owner) ? CODE_NONE : CODE_PLACE;
}

enum wire_code
ticket_redeem(struct fabric_queue *queue, const struct fabric_submit *s)
{
	enum wire_code code = redeem_check(queue, s);
	struct rcap_submit r = {
		.environment = envs[queue->owner].info->id,
		.queue = (u32)(queue - fabric_queues),
		.op = OP_REDEEM,
		.fenced = s->fenced != 0,
		.remote = {
			.incarnation = s->ticket.owner_incarnation,
			.slot = WIRE_SLOT_NONE,
			.peer = s->node,
		},
		.offset = s->offset,
	};
	struct pending *p;

	if (code != CODE_NONE)
		return code;
	if (!rcap_sensible(&r))
		return CODE_SHAPE;
	memcpy(r.ticket, &s->ticket, sizeof(r.ticket));
	p = pending_take(queue, PENDING_OPERATION, s);
	p->began = clock_ns();
	r.tag = (u64)(p - pendings);
	p->id = rcap_submit(fabric.rcap, p->began, &r);
	ASSERT(p->id != RCAP_NONE);
	return CODE_NONE;
}
