// SPDX-License-Identifier: BSD-2-Clause
// The oracle's account of what an operation needs: whose it must be, which rights,
// range, kind of object and alignment; and whether what a refusal says is true.
//
// Rights and ranges only shrink, so that what held at some moment of an operation held
// when it was submitted, and what was missing at some moment is missing at its end.

#include "harness/sim/effect.h"
#include "kernel/abi/caps.h"
#include "kernel/base/assert.h"

u32
model_rights(enum model_kind kind)
{
	switch (kind) {
	case DO_READ:
	case DO_BLOCK_READ:
		return CAP_READ;
	case DO_MCAS:
	case DO_ADD:
	case DO_PUTV:
		return CAP_READ | CAP_WRITE;
	case DO_WRITE:
	case DO_NOTIFY:
	case DO_SEND:
	case DO_INVOKE:
	case DO_BLOCK_WRITE:
	case DO_FLUSH:
		return CAP_WRITE;
	case DO_ALLOC:
		return CAP_WRITE | CAP_DERIVE;
	case DO_DERIVE:
	case DO_REDEEM:
	case DO_REVOKE:
	case DO_HOLDERS:
	case DO_EXPEL:
		return CAP_DERIVE;
	default:
		return 0;
	}
}

const struct authority_cap *
model_cap(const struct model *model, const struct model_op *op)
{
	return op->cap == AUTHORITY_NONE ? NULL : &model->authority.cap[op->cap];
}

bool
model_same_party(const struct party *a, const struct party *b)
{
	return a->node == b->node && a->boot == b->boot && a->env == b->env;
}

bool
model_is_holder(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);

	// A ticket is for whom it names.
	if (op->kind == DO_REDEEM)
		return cap && model_same_party(&op->to, &op->by);
	return cap && model_same_party(&cap->holder, &op->by);
}

u32
model_named(const struct model *model, const struct model_op *op)
{
	u32 row;

	if (op->named == OWN_SLOT)
		return op->cap;
	row = authority_find(&model->authority, op->owner, op->owner_boot, op->named,
			     op->named_generation);
	return row != AUTHORITY_NONE && row != op->cap &&
			       authority_below(&model->authority, row, op->cap)
		       ? row : AUTHORITY_NONE;
}

static bool
parts_in_range(const struct model_op *op, u64 size)
{
	for (u32 i = 0; i < op->clauses; i++) {
		const struct model_clause *clause = &op->clause[i];

		if (clause->chain_offset > size ||
		    clause->chain_len > size - clause->chain_offset)
			return false;
	}
	for (u32 i = 0; i < op->pieces; i++) {
		if (op->offset + op->piece[i].offset + op->piece[i].len > size)
			return false;
	}
	return op->offset <= size && op->len <= size - op->offset;
}

bool
model_in_range(const struct model *model, const struct model_op *op, u64 at)
{
	u32 units = op->cap == AUTHORITY_NONE ? 0 :
		    authority_units(&model->authority, op->cap, at);

	switch (op->kind) {
	case DO_DERIVE:
	case DO_REDEEM:
		return op->count && op->base <= units && op->count <= units - op->base;
	case DO_ALLOC:
		return op->base < units && op->range <= units - op->base;
	case DO_REVOKE:
	case DO_DROP:
	case DO_RELEASE:
	case DO_HOLDERS:
	case DO_EXPEL:
	case DO_PROTECT:
		return op->cap != AUTHORITY_NONE;
	default:
		return units && parts_in_range(op, (u64)units * UNIT);
	}
}

bool
model_has_type(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);

	switch (op->kind) {
	case DO_DERIVE:
	case DO_REDEEM:
	case DO_REVOKE:
	case DO_DROP:
	case DO_RELEASE:
	case DO_HOLDERS:
	case DO_EXPEL:
	case DO_PROTECT:
		return true;
	case DO_BLOCK_READ:
	case DO_BLOCK_WRITE:
	case DO_FLUSH:
		return cap && cap->store == STORE_DISK;
	case DO_ALLOC:
		return cap && cap->store == OBJECT_POOL;
	case DO_SEND:
	case DO_INVOKE:
		return cap && cap->store == OBJECT_ENDPOINT;
	default:
		return cap && cap->store == STORE_PAGES;
	}
}

bool
model_is_aligned(const struct model_op *op)
{
	switch (op->kind) {
	case DO_MCAS:
	case DO_ADD:
	case DO_NOTIFY:
	case DO_PUTV:
		return op->offset % op->len == 0;
	case DO_BLOCK_READ:
	case DO_BLOCK_WRITE:
		return op->offset % UNIT == 0;
	default:
		return true;
	}
}

// Of its own, none but those that it has may stay; of what it names, likewise.
static bool
may_protect(const struct model *model, const struct model_op *op, u64 at)
{
	const struct authority *authority = &model->authority;
	u32 named = model_named(model, op);

	if (op->named != OWN_SLOT &&
	    !(authority_rights(authority, op->cap, at) & CAP_DERIVE))
		return false;
	return named == AUTHORITY_NONE ||
	       !(op->rights & ~authority_rights(authority, named, at));
}

bool
model_has_rights(const struct model *model, const struct model_op *op, u64 at)
{
	u32 rights = model_rights(op->kind) | op->rights;

	if (op->cap == AUTHORITY_NONE)
		return false;
	if (op->kind == DO_PROTECT)
		return may_protect(model, op, at);
	return !(rights & ~authority_rights(&model->authority, op->cap, at));
}

u64
model_target(const struct model *model, const struct model_op *op)
{
	ASSERT(op->cap < model->authority.count);
	return (u64)model->authority.cap[op->cap].base * UNIT + op->offset;
}

struct store *
model_store(const struct model *model, u32 node, enum model_store kind)
{
	return &model->store[node * STORE_COUNT + kind];
}

static bool
is_gone(const struct model *model, const struct model_op *op)
{
	return op->forged || op->early || op->owner_boot != model->boot[op->owner] ||
	       (op->cap != AUTHORITY_NONE &&
		!authority_holds(&model->authority, op->cap, model->trace->now));
}

// Or it was not there yet.
static bool
named_is_gone(const struct model *model, const struct model_op *op)
{
	u32 named = model_named(model, op);

	return named == AUTHORITY_NONE ||
	       model->authority.cap[named].made_at >= op->submitted ||
	       !authority_holds(&model->authority, named, model->trace->now);
}

static bool
maker_is_gone(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);

	return !cap || cap->holder.boot != model->boot[cap->holder.node];
}

// M4 and M6.
bool
model_reason_holds(const struct model *model, const struct model_op *op,
		   enum model_reason reason)
{
	u64 now = model->trace->now;

	switch (reason) {
	case WHY_SLOT:
	case WHY_REVOKED:
		return is_gone(model, op);
	case WHY_HOLDER:
	case WHY_LIFE:
		return is_gone(model, op) || !model_is_holder(model, op);
	case WHY_RIGHTS:
		return !model_has_rights(model, op, now);
	case WHY_TYPE:
		return !model_has_type(model, op);
	case WHY_RANGE:
		return !model_in_range(model, op, now);
	case WHY_ARGUMENT:
		return !model_is_aligned(op);
	case WHY_CANCELLED:
		return op->cancelled;
	case WHY_DEVICE:
		return op->kind == DO_BLOCK_READ;
	case WHY_ENTRY:
		return (op->kind == DO_EXPEL || op->kind == DO_PROTECT) &&
		       named_is_gone(model, op);
	case WHY_TICKET:
		return op->kind == DO_REDEEM && op->forged;
	case WHY_EXPIRED:
		return op->kind == DO_REDEEM && op->good_until != UINT64_MAX;
	case WHY_SPENT:
		return op->kind == DO_REDEEM && model_may_be_spent(model, op);
	case WHY_MAKER:
		return op->kind == DO_REDEEM && (op->forged || maker_is_gone(model, op));
	case WHY_SESSION:
	case WHY_ROOM:
		return true;
	default:
		return false;
	}
}
