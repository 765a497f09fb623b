// SPDX-License-Identifier: BSD-2-Clause
// Who holds on other nodes what an environment here has granted: asked by itself, for
// a capability of its own. The answer has the same bytes as that of another owner
// (OP_HOLDERS), so there is one format to read. Taking one holder's back is what a
// holder's REVOKE is: a cut in O(1), and clean-up later; taking rights away from one is
// what a PROTECT is. A polite request (RECALL) is the core's until its deadline
// (net/rcap/recall.c).
//
// A call looks at RCAP_LOOKED entries of the export table at most.

#include "kernel/abi/revoke.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"

STATIC_ASSERT(FABRIC_HOLDERS_MAX == WIRE_HOLDERS_MAX);
STATIC_ASSERT(sizeof(struct fabric_holder) == WIRE_LENGTH(holder));
STATIC_ASSERT(offsetof(struct fabric_holders, holder) == WIRE_LENGTH(holders));

bool
rcap_host_below(void *host, u32 node, u32 above)
{
	(void)host;
	return cap_is_below(&caps, node, above);
}

static void
done(struct fabric_queue *queue, const struct fabric_submit *s, u32 length)
{
	queue_complete(queue, &(struct fabric_complete){
		.tag = s->tag, .op = s->op, .outcome = FABRIC_DONE, .length = length,
	});
}

// `local` lies in the queue's region: its bytes are consecutive in the direct map.
static enum wire_code
tell(struct fabric_queue *queue, const struct fabric_submit *s, u32 node)
{
	u32 room = (s->length - WIRE_LENGTH(holders)) / WIRE_LENGTH(holder);
	struct wire_holder found[WIRE_HOLDERS_MAX];
	struct wire_holders head;
	u8 *at = direct(s->local);

	if (s->length < WIRE_LENGTH(holders) + WIRE_LENGTH(holder) ||
	    (s->length - WIRE_LENGTH(holders)) % WIRE_LENGTH(holder) ||
	    room > WIRE_HOLDERS_MAX)
		return CODE_SHAPE;
	if (s->offset >> WIRE_SLOT_BITS)
		return CODE_RANGE;
	head.next = rcap_holders(fabric.rcap, node, (u32)s->offset, room, found,
				 &head.count);
	memset(at, 0, s->length);
	wire_holders_store(at, &head);
	for (u32 i = 0; i < head.count; i++)
		wire_holder_store(at + WIRE_LENGTH(holders) +
				  (u64)i * WIRE_LENGTH(holder), &found[i]);
	done(queue, s, s->length);
	return CODE_NONE;
}

static enum wire_code
expel(struct fabric_queue *queue, const struct fabric_submit *s, u32 node)
{
	u32 entry = rcap_entry_below(fabric.rcap, node, s->expel.slot,
				     s->expel.generation);

	if (entry == RCAP_NONE)
		return CODE_ENTRY;
	rcap_host_revoke(NULL, rcap_entry(fabric.rcap, entry)->node, true);
	done(queue, s, 0);
	return CODE_NONE;
}

// What is taken away of an entry is taken from all that came from it.
static enum wire_code
protect(struct fabric_queue *queue, const struct fabric_submit *s, u32 node)
{
	u32 entry = rcap_entry_below(fabric.rcap, node, s->protect.slot,
				     s->protect.generation);
	const struct rcap_export *e;
	u8 rights;

	if (entry == RCAP_NONE)
		return CODE_ENTRY;
	e = rcap_entry(fabric.rcap, entry);
	rights = e->rights;
	if (!rcap_host_walk(NULL, e->node, e->node_generation, &rights))
		return CODE_ENTRY;
	if (s->protect.rights & ~(u32)rights)
		return CODE_RIGHTS;
	rcap_host_protect(NULL, e->node, s->protect.rights);
	done(queue, s, 0);
	return CODE_NONE;
}

static enum wire_code
recall(struct fabric_queue *queue, const struct fabric_submit *s, u32 node)
{
	const struct fabric_recall *wanted = &s->recall;
	u32 entry = rcap_entry_below(fabric.rcap, node, wanted->slot,
				     wanted->generation);
	u64 now = clock_ns();
	enum wire_code code;
	struct pending *p;

	if (entry == RCAP_NONE)
		return CODE_ENTRY;
	if (!wanted->count || wanted->deadline_ns > now + REVOKE_DELAY_MAX_NS)
		return CODE_SHAPE;
	p = pending_take(queue, PENDING_RECALL, s);
	code = rcap_recall(fabric.rcap, now, &(struct rcap_ask){
		.tag = (u64)(p - pendings),
		.count = wanted->count,
		.deadline = wanted->deadline_ns,
		.entry = entry,
	});
	if (code != CODE_NONE)
		pending_end(p, &(struct fabric_complete){
			.outcome = FABRIC_NOT_DONE,
			.code = (u8)code,
		});
	return CODE_NONE;
}

void
rcap_host_recalled(void *host, const struct rcap_recalled *r)
{
	(void)host;
	ASSERT(r->tag < PENDING_MAX && pendings[r->tag].kind == PENDING_RECALL);
	pending_end(&pendings[r->tag], &(struct fabric_complete){
		.outcome = FABRIC_DONE,
		.old = { r->given, r->taken },
		.incarnation = r->incarnation,
		.word = r->first,
		.environment = r->environment,
		.node = r->peer,
		.type = r->type,
		.rights = r->rights,
	});
}

bool
holders_local(struct fabric_queue *queue, const struct fabric_submit *s,
	      enum wire_code *code)
{
	const struct cap *cap = cap_at(&caps, queue->owner, s->slot);

	if (!cap || cap->type == CAP_REMOTE)
		return false;
	if (!cap_is_live(&caps, cap_node(&caps, cap), cap->generation))
		*code = CODE_REVOKED;
	else if (!(cap->rights & CAP_DERIVE))
		*code = CODE_RIGHTS;
	else if (s->op == FABRIC_RECALL)
		*code = recall(queue, s, cap_node(&caps, cap));
	else if (s->op == FABRIC_EXPEL)
		*code = expel(queue, s, cap_node(&caps, cap));
	else if (s->op == FABRIC_PROTECT)
		*code = protect(queue, s, cap_node(&caps, cap));
	else
		*code = tell(queue, s, cap_node(&caps, cap));
	return true;
}
