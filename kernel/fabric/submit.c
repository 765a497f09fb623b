// SPDX-License-Identifier: BSD-2-Clause
// One submission: checked against the queue and the caller's capabilities, then
// given to whom it concerns. Whatever is wrong with it comes as its completion,
// NOT_DONE with a code of the wire's, so that there is one way to learn how an
// operation ended.

#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"

STATIC_ASSERT(FABRIC_READ == (int)OP_READ && FABRIC_NOTIFY == (int)OP_NOTIFY);
STATIC_ASSERT(FABRIC_SEND == (int)OP_SEND && FABRIC_DROP == (int)OP_DROP);
STATIC_ASSERT(FABRIC_BLOCK_READ == (int)OP_BLOCK_READ);
STATIC_ASSERT(FABRIC_GRANT == (int)OP_GRANT && FABRIC_DERIVE == (int)OP_DERIVE);
STATIC_ASSERT(FABRIC_CLAUSES_MAX == WIRE_CLAUSES_MAX);
STATIC_ASSERT(FABRIC_PIECES_MAX == WIRE_PIECES_MAX);
STATIC_ASSERT(FABRIC_CHAIN_READ == (int)CHAIN_READ &&
	      FABRIC_CHAIN_NOTIFY == (int)CHAIN_NOTIFY);
STATIC_ASSERT(FABRIC_WEIGHT == RCAP_WEIGHT && FABRIC_WEIGHT_MAX == RCAP_WEIGHT_MAX);
STATIC_ASSERT(FABRIC_CLAUSE_NONE == WIRE_CLAUSE_NONE);
STATIC_ASSERT(FABRIC_SLOT_OWN == WIRE_SLOT_NONE);
STATIC_ASSERT(FABRIC_ALLOC_MAX == WIRE_ALLOC_MAX);
STATIC_ASSERT(FABRIC_ALLOC_RANGE == WIRE_ALLOC_RANGE);
STATIC_ASSERT(FABRIC_POOLED == (int)TYPE_POOL);
STATIC_ASSERT(FABRIC_DONE == (int)RCAP_DONE);
STATIC_ASSERT(FABRIC_NOT_DONE == (int)RCAP_NOT_DONE);
STATIC_ASSERT(FABRIC_UNKNOWN_FINAL == (int)RCAP_UNKNOWN_FINAL);

// What it is called on the wire. The first are called the same.
static u8
wire_op_of(u32 op)
{
	static const u8 later[FABRIC_OP_COUNT] = {
		[FABRIC_READV] = OP_READV, [FABRIC_PUTV] = OP_PUTV,
		[FABRIC_HOLDERS] = OP_HOLDERS, [FABRIC_EXPEL] = OP_EXPEL,
		[FABRIC_INVOKE] = OP_INVOKE, [FABRIC_PROTECT] = OP_PROTECT,
		[FABRIC_ALLOC] = OP_ALLOC, [FABRIC_BLOCK_FUA] = OP_BLOCK_FUA,
		[FABRIC_BLOCK_TRIM] = OP_BLOCK_TRIM,
		[FABRIC_BLOCK_ZERO] = OP_BLOCK_ZERO,
	};

	ASSERT(op < FABRIC_OP_COUNT);
	return later[op] ? later[op] : (u8)op;
}

// Bytes of all pieces; what is more than fits is refused later.
static u32
pieces_bytes(const struct fabric_submit *s)
{
	u64 sum = 0;

	for (u32 i = 0; i < MIN(s->clause_count, FABRIC_PIECES_MAX); i++)
		sum += s->change.piece[i].length;
	return (u32)MIN(sum, ~0u);
}

// Bytes of local memory that the operation reads or fills.
static u32
local_bytes(const struct fabric_submit *s)
{
	u32 most = 0;

	switch (s->op) {
	case FABRIC_READ:
	case FABRIC_WRITE:
	case FABRIC_SEND:
	case FABRIC_BLOCK_READ:
	case FABRIC_BLOCK_WRITE:
	case FABRIC_BLOCK_FUA:
	case FABRIC_POST:
	case FABRIC_READV:
	case FABRIC_HOLDERS:
	case FABRIC_INVOKE:
	case FABRIC_TICKET:
		return s->length;
	case FABRIC_PUTV:
		return pieces_bytes(s);
	case FABRIC_MCAS:
		for (u32 i = 0; i < MIN(s->clause_count, FABRIC_CLAUSES_MAX); i++) {
			if (s->clause[i].chain != FABRIC_CHAIN_NOTIFY)
				most = MAX(most, s->clause[i].chain_length);
		}
		return most;
	default:
		return 0;
	}
}

static bool
in_region(const struct fabric_queue *queue, u64 local, u64 len)
{
	u64 first = queue->region_first << PAGE_SHIFT;
	u64 size = queue->region_count << PAGE_SHIFT;

	return !len || (local >= first && local - first <= size &&
			len <= size - (local - first));
}

static void
clauses_copy(const struct fabric_submit *s, struct rcap_submit *r)
{
	r->pieces = s->clause_count;
	for (u32 i = 0; i < MIN(s->clause_count, FABRIC_CLAUSES_MAX); i++) {
		const struct fabric_clause *c = &s->clause[i];

		r->clause[i] = (struct rcap_clause){
			.compare = { c->compare[0], c->compare[1] },
			.compare_mask = { c->compare_mask[0], c->compare_mask[1] },
			.swap = { c->swap[0], c->swap[1] },
			.swap_mask = { c->swap_mask[0], c->swap_mask[1] },
			.chain_offset = c->chain_offset,
			.chain_length = c->chain_length,
			.chain = c->chain,
		};
	}
}

static void
pieces_copy(const struct fabric_piece *from, u32 count, struct rcap_piece *to)
{
	for (u32 i = 0; i < MIN(count, FABRIC_PIECES_MAX); i++)
		to[i] = (struct rcap_piece){ from[i].offset, from[i].length, 0 };
}

static void
change_copy(const struct fabric_submit *s, struct rcap_submit *r)
{
	r->pieces = s->clause_count;
	r->change.compare = s->change.compare;
	r->change.compare_mask = s->change.compare_mask;
	r->change.add = s->change.add;
	pieces_copy(s->change.piece, s->clause_count, r->change.piece);
}

enum wire_code
target_copy(const struct fabric_submit *s, struct rcap_submit *r)
{
	const struct fabric_target *t = &s->target;
	struct link_info info;

	if (t->weight)
		return CODE_SHAPE;
	if (t->rights & ~WIRE_RIGHTS || !links_info(fabric.links, s->node, &info))
		return CODE_NODE;
	r->derive = (struct wire_derive){ 0 };
	__builtin_memcpy(r->derive.uuid, info.uuid, sizeof(info.uuid));
	r->derive.incarnation = t->incarnation;
	r->derive.environment = t->environment;
	r->derive.rights = (u8)t->rights;
	r->derive.base = t->base;
	r->derive.count = t->count;
	r->derive.word = t->word;
	return CODE_NONE;
}

// What stands behind the fields that all operations have.
static enum wire_code
operand_copy(const struct fabric_submit *s, struct rcap_submit *r)
{
	switch (s->op) {
	case FABRIC_MCAS:
		clauses_copy(s, r);
		return CODE_NONE;
	case FABRIC_READV:
		r->pieces = s->clause_count;
		pieces_copy(s->piece, s->clause_count, r->piece);
		return CODE_NONE;
	case FABRIC_PUTV:
		change_copy(s, r);
		return CODE_NONE;
	case FABRIC_FETCH_ADD:
		r->addend = s->addend;
		return CODE_NONE;
	case FABRIC_EXPEL:
		r->expel = (struct wire_expel){ s->expel.slot, s->expel.generation };
		return CODE_NONE;
	case FABRIC_PROTECT:
		r->protect = (struct wire_protect){
			s->protect.slot, s->protect.generation, s->protect.rights, 0, 0,
		};
		return CODE_NONE;
	case FABRIC_ALLOC:
		r->alloc = (struct wire_alloc){
			.base = s->alloc.base, .word = s->alloc.word,
			.range = s->alloc.range, .count = s->alloc.count,
			.rights = s->alloc.rights,
		};
		return CODE_NONE;
	case FABRIC_DERIVE:
		return target_copy(s, r);
	default:
		return CODE_NONE;
	}
}

// A message to whoever offers a service: needs authority over its number.
static enum wire_code
service_check(const struct fabric_queue *queue, const struct fabric_submit *s,
	      struct rcap_submit *r)
{
	const struct cap *cap;
	i64 error = cap_lookup(&caps, queue->owner, s->slot, CAP_FABRIC,
			       CAP_WRITE, &cap);

	if (error)
		return wire_code_of(error);
	if (!cap_covers(cap, s->offset, 1))
		return CODE_RANGE;
	if (s->node == FABRIC_NODE_SELF)
		return CODE_NONE;
	if (s->node >= FABRIC_LINKS_MAX || !links_session(fabric.links, s->node))
		return CODE_PEER;
	r->remote = (struct rcap_remote){
		.incarnation = links_incarnation(fabric.links, s->node),
		.slot = WIRE_SLOT_NONE,
		.peer = s->node,
	};
	r->environment = envs[queue->owner].info->id;
	return CODE_NONE;
}

static bool
names_service(const struct fabric_queue *queue, const struct fabric_submit *s)
{
	const struct cap *cap = s->op == FABRIC_SEND
					? cap_at(&caps, queue->owner, s->slot) : NULL;

	return cap && cap->type == CAP_FABRIC;
}

// All but the operand, of which nobody reads what the operation does not have.
static void
submit_clear(struct rcap_submit *r)
{
	__builtin_memset(r, 0, offsetof(struct rcap_submit, clause));
}

// The environment's to choose, at any time.
static u8
window_of(const struct fabric_queue *queue)
{
	u32 window = __atomic_load_n(&queue->control->window, __ATOMIC_RELAXED);

	return (u8)MIN(window, FABRIC_WINDOW_MAX);
}

// Fills in what goes to the core, checked as far as this node can.
static enum wire_code
operation_check(const struct fabric_queue *queue, const struct fabric_submit *s,
		struct rcap_submit *r, u32 *record)
{
	enum wire_code code;

	submit_clear(r);
	r->queue = (u32)(queue - fabric_queues);
	r->op = wire_op_of(s->op);
	r->window = window_of(queue);
	r->fenced = s->fenced != 0;
	r->offset = s->offset;
	r->length = s->length;
	r->local = s->local;
	code = operand_copy(s, r);
	if (code != CODE_NONE)
		return code;
	return names_service(queue, s) ? service_check(queue, s, r)
				       : remote_check(queue, s, r, record);
}

// The core took it not, for it makes no sense: no other reason is left by then.
static void
shape_refused(struct pending *p, const struct rcap_submit *r)
{
	ASSERT(!rcap_sensible(r));
	if (p->held != NONE)
		held_refused(p->held, CODE_SHAPE);
	pending_end(p, &(struct fabric_complete){
		.outcome = FABRIC_NOT_DONE, .code = CODE_SHAPE,
	});
}

static enum wire_code
operation_submit(struct fabric_queue *queue, const struct fabric_submit *s)
{
	filled_ struct rcap_submit r;
	u32 record = NONE;
	enum wire_code code = operation_check(queue, s, &r, &record);
	struct pending *p;

	if (code != CODE_NONE) {
		if (record != NONE)
			held_refused(record, code);
		return code;
	}
	if (s->node == FABRIC_NODE_SELF && names_service(queue, s))
		return local_send(queue, s);
	p = pending_take(queue, PENDING_OPERATION, s);
	pending_pin(p, s->local, local_bytes(s));
	p->began = clock_ns();
	p->held = record;
	if (record != NONE)
		p->held_serial = held_serial(record);
	r.tag = (u64)(p - pendings);
	p->id = rcap_submit(fabric.rcap, p->began, &r);
	if (unlikely(p->id == RCAP_NONE))
		shape_refused(p, &r);
	return CODE_NONE;
}

static enum wire_code
accept_submit(struct fabric_queue *queue, const struct fabric_submit *s)
{
	pending_take(queue, PENDING_ACCEPT, s);
	return CODE_NONE;
}

// Of the operation that it names, the completion tells what became of it. A
// buffer and a grant on its way cannot be called back.
static enum wire_code
cancel(const struct fabric_queue *queue, const struct fabric_submit *s)
{
	u32 index = (u32)(queue - fabric_queues);

	for (u32 i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &pendings[i];

		if (p->kind == PENDING_FREE || p->queue != index ||
		    p->tag != s->offset)
			continue;
		if (p->kind == PENDING_ACCEPT) {
			pending_end(p, &(struct fabric_complete){
				.outcome = FABRIC_NOT_DONE,
				.code = CODE_CANCELLED,
			});
			return CODE_NONE;
		}
		if (p->kind != PENDING_OPERATION)
			return CODE_TYPE;
		rcap_cancel(fabric.rcap, clock_ns(), p->id);
		return CODE_NONE;
	}
	return CODE_SLOT;
}

static enum wire_code
dispatch(struct fabric_queue *queue, const struct fabric_submit *s)
{
	enum wire_code code;

	if (s->op == FABRIC_NONE || s->op >= FABRIC_OP_COUNT)
		return CODE_SHAPE;
	if (!in_region(queue, s->local, local_bytes(s)))
		return CODE_RANGE;
	switch (s->op) {
	case FABRIC_GRANT:
	case FABRIC_POOL:
		return export_grant(queue, s);
	case FABRIC_POST:
		return endpoint_post(queue, s);
	case FABRIC_ACCEPT:
		return accept_submit(queue, s);
	case FABRIC_CANCEL:
		return cancel(queue, s);
	case FABRIC_HANDLE:
		return endpoint_handle(queue, s);
	case FABRIC_TICKET:
		return ticket_make(queue, s);
	case FABRIC_REDEEM:
		return ticket_redeem(queue, s);
	case FABRIC_LEASE:
		return lease_bind(queue, s);
	case FABRIC_HOLDERS:
	case FABRIC_EXPEL:
	case FABRIC_PROTECT:
		if (holders_local(queue, s, &code))
			return code;
		return operation_submit(queue, s);
	case FABRIC_RECALL:
		return holders_local(queue, s, &code) ? code : CODE_TYPE;
	default:
		return operation_submit(queue, s);
	}
}

void
submit_one(struct fabric_queue *queue, const struct fabric_submit *s)
{
	enum wire_code code = dispatch(queue, s);

	if (code == CODE_NONE && s->op != FABRIC_CANCEL)
		return;
	queue_complete(queue, &(struct fabric_complete){
		.tag = s->tag,
		.op = s->op,
		.outcome = code == CODE_NONE ? FABRIC_DONE : FABRIC_NOT_DONE,
		.code = (u8)code,
	});
}
