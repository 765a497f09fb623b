// SPDX-License-Identifier: BSD-2-Clause
// The oracle's account of operations on capabilities: what a message made, ended or
// narrowed at its owner, and which operation that was; and who holds what, as an owner
// tells it.
//
// Operations that do the same thing, twins, cannot be told apart by it: an effect that
// was taken for one's may have been the other's (model.c swaps them).

#include "harness/sim/effect.h"
#include "kernel/base/assert.h"

enum deed_kind { MADE, WITHDREW, ENDED, PROTECTED, SHORTENED };

// What happened to a row.
struct deed {
	enum deed_kind kind;
	u32 row;		// of MADE: what it was made from
	u32 what;		// rights or units that stay
	const struct authority_cap *made;
};

static const char *const unasked[] = {
	[MADE] = "a capability was derived, and no operation asked for it",
	[WITHDREW] = "a capability was revoked, and no operation asked for it",
	[ENDED] = "a capability was revoked, and no operation asked for it",
	[PROTECTED] = "rights were taken away, and no operation asked for it",
	[SHORTENED] = "a capability was shortened, and no operation asked for it",
};

// The row that an operation ends, or AUTHORITY_NONE.
static u32
ends(const struct model *model, const struct model_op *op)
{
	if (op->kind == DO_DROP || (op->kind == DO_RELEASE && !op->offset))
		return op->cap;
	return op->kind == DO_EXPEL ? model_named(model, op) : AUTHORITY_NONE;
}

static bool
derives(const struct model_op *op)
{
	return op->kind == DO_DERIVE || op->kind == DO_REDEEM;
}

// Was a ticket of that number redeemed?
static bool
is_spent(const struct model *model, const struct model_op *op)
{
	for (u32 i = 0; i < model->ops; i++) {
		const struct model_op *other = &model->op[i];

		if (other->kind == DO_REDEEM && other->effects && other->cap == op->cap &&
		    other->serial == op->serial)
			return true;
	}
	return false;
}

bool
model_may_be_spent(const struct model *model, const struct model_op *op)
{
	for (u32 i = 0; i < model->ops; i++) {
		const struct model_op *other = &model->op[i];

		if (!other->effects || other->cap != op->cap)
			continue;
		// What was taken for a DERIVE's may have been that of a ticket.
		if (model_twins(model, other, op) ||
		    (other->kind == DO_REDEEM &&
		     (other->serial == op->serial ||
		      other->serial >= op->serial + TICKETS_OUT)))
			return true;
	}
	return false;
}

// Its holder is nobody's boot when the grant came to nothing at once.
static bool
makes(const struct model *model, const struct model_op *op, const struct deed *deed)
{
	const struct authority_cap *made = deed->made;
	const struct authority_cap *from = model_cap(model, op);
	const struct party *to = op->kind == DO_ALLOC ? &op->by : &op->to;
	u32 base;

	ASSERT(made && from);
	base = from->base + op->base;
	if ((made->holder.boot && !model_same_party(to, &made->holder)) ||
	    op->rights != made->rights || op->count != made->count)
		return false;
	if (op->kind == DO_ALLOC)
		return from->store == OBJECT_POOL && made->store == STORE_PAGES &&
		       made->base >= base &&
		       made->base + made->count <= base + op->range;
	return derives(op) && made->store == from->store && made->base == base &&
	       (op->kind == DO_DERIVE || !is_spent(model, op));
}

static bool
does(const struct model *model, const struct model_op *op, const struct deed *deed)
{
	switch (deed->kind) {
	case MADE:
		return op->cap == deed->row && makes(model, op, deed);
	case WITHDREW:
		return op->kind == DO_REVOKE && op->cap == deed->row;
	case ENDED:
		return ends(model, op) == deed->row;
	case PROTECTED:
		return op->kind == DO_PROTECT && op->rights == deed->what &&
		       model_named(model, op) == deed->row;
	default:
		return op->kind == DO_RELEASE && op->cap == deed->row &&
		       op->offset == deed->what;
	}
}

static bool
same_terms(const struct model_op *a, const struct model_op *b)
{
	return a->cap == b->cap && model_same_party(&a->to, &b->to) &&
	       a->rights == b->rights && a->base == b->base && a->count == b->count &&
	       a->range == b->range;
}

bool
model_twins(const struct model *model, const struct model_op *a, const struct model_op *b)
{
	u32 ended = ends(model, a);

	if (a->owner != b->owner || a->owner_boot != b->owner_boot ||
	    a->cap == AUTHORITY_NONE || b->cap == AUTHORITY_NONE)
		return false;
	if (derives(a) && derives(b))
		return same_terms(a, b);
	if (ended != AUTHORITY_NONE)
		return ends(model, b) == ended;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case DO_NOTIFY:
		return model_target(model, a) == model_target(model, b);
	case DO_REVOKE:
		return a->cap == b->cap;
	case DO_ALLOC:
		return model_same_party(&a->by, &b->by) && same_terms(a, b);
	case DO_PROTECT:
		return a->rights == b->rights &&
		       model_named(model, a) == model_named(model, b);
	case DO_RELEASE:
		return a->cap == b->cap && a->offset == b->offset;
	default:
		return false;
	}
}

// It was told that it got what a twin was taken to have got.
void
model_swap_taken(struct model *model, u32 index, u64 told)
{
	struct model_op *op = &model->op[index];

	for (u32 i = 0; i < model->ops && op->old[0] != told; i++) {
		struct model_op *twin = &model->op[i];

		if (twin != op && twin->outcome != DONE && twin->effects &&
		    twin->old[0] == told && model_twins(model, op, twin)) {
			twin->old[0] = op->old[0];
			op->old[0] = told;
		}
	}
}

static void
find_cause(struct model *model, const struct deed *deed)
{
	model->passed = model->trace->now;
	model_forget_ended(model);
	for (u32 i = model->first_open; i < model->ops; i++) {
		struct model_op *op = &model->op[i];

		if (op->cap == AUTHORITY_NONE || !does(model, op, deed) ||
		    model_forbidden(model, op))
			continue;
		model_happened(model, i);
		if (op->kind == DO_ALLOC) {
			const struct authority_cap *from = model_cap(model, op);

			ASSERT(deed->made && from);
			op->old[0] = deed->made->base - from->base;
		}
		return;
	}
	model_failed(model, MODEL_OPS_MAX, unasked[deed->kind]);
}

// M7: nobody else has what came out of a pool.
static void
check_alone(const struct model *model, u32 made)
{
	const struct authority *authority = &model->authority;
	const struct authority_cap *row = &authority->cap[made];

	if (row->store != STORE_PAGES ||
	    authority->cap[row->parent].store != OBJECT_POOL)
		return;
	for (u32 i = 0; i < made; i++) {
		const struct authority_cap *other = &authority->cap[i];

		if (other->owner == row->owner && other->owner_boot == row->owner_boot &&
		    other->store == STORE_PAGES && other->base < row->base + row->count &&
		    authority_holds(authority, i, model->trace->now + 1) &&
		    other->base + authority_units(authority, i, model->trace->now + 1) >
			    row->base)
			model_failed(model, MODEL_OPS_MAX,
				     "what came out of a pool is somebody else's too");
	}
}

void
model_derived(struct model *model, u32 row)
{
	const struct authority_cap *made = &model->authority.cap[row];

	ASSERT(made->parent != AUTHORITY_NONE);
	check_alone(model, row);
	find_cause(model, &(struct deed){ .kind = MADE, .row = made->parent,
					  .made = made });
}

void
model_derived_away(struct model *model, const struct authority_cap *made)
{
	ASSERT(!made->holder.boot);
	find_cause(model, &(struct deed){ .kind = MADE, .row = made->parent,
					  .made = made });
}

void
model_revoked(struct model *model, u32 row, bool self)
{
	find_cause(model, &(struct deed){ .kind = self ? ENDED : WITHDREW, .row = row });
	authority_revoke(&model->authority, row, self, model->trace->now);
}

void
model_protected(struct model *model, u32 row, u32 rights)
{
	find_cause(model, &(struct deed){ .kind = PROTECTED, .row = row,
					  .what = rights });
	authority_protect(&model->authority, row, rights, model->trace->now);
}

void
model_shortened(struct model *model, u32 row, u32 keep)
{
	find_cause(model, &(struct deed){ .kind = SHORTENED, .row = row, .what = keep });
	authority_shorten(&model->authority, row, keep, model->trace->now);
}

// ---- who holds what

static void
judge_holder(const struct model *model, u32 index, const struct model_holder *told)
{
	const struct authority *authority = &model->authority;
	const struct model_op *op = &model->op[index];
	u64 first = op->submitted, last = model->trace->now;
	u32 row = authority_find(authority, op->owner, op->owner_boot, told->slot,
				 told->generation);
	const struct authority_cap *cap;

	if (row == AUTHORITY_NONE || row == op->cap ||
	    !authority_below(authority, row, op->cap))
		model_failed(model, index, "it names a holder of something else");
	if (!authority_holds(authority, row, first))
		model_failed(model, index, "it names a holder of what was revoked");
	cap = &authority->cap[row];
	if (!model_same_party(&told->party, &cap->holder))
		model_failed(model, index, "it names another holder");
	if ((told->rights & ~authority_rights(authority, row, first)) ||
	    (authority_rights(authority, row, last) & ~told->rights))
		model_failed(model, index, "it names a holder with other rights");
	if (told->base != cap->base - model_cap(model, op)->base ||
	    told->count > authority_units(authority, row, first) ||
	    told->count < authority_units(authority, row, last))
		model_failed(model, index, "it names a holder with another range");
}

static bool
is_told(const struct model_answer *answer, const struct authority_cap *cap)
{
	for (u32 i = 0; i < answer->holders; i++) {
		if (answer->holder[i].slot == cap->slot &&
		    answer->holder[i].generation == cap->generation)
			return true;
	}
	return false;
}

// Who held it all the time, and stands between where it began and ended, is told.
void
model_judge_holders(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct authority *authority = &model->authority;
	const struct model_op *op = &model->op[index];

	for (u32 i = 0; i < answer->holders; i++)
		judge_holder(model, index, &answer->holder[i]);
	for (u32 i = op->cap + 1; i < authority->count; i++) {
		const struct authority_cap *cap = &authority->cap[i];

		if (cap->made_at > op->submitted || cap->slot < op->offset ||
		    (answer->next && cap->slot >= answer->next) ||
		    !authority_below(authority, i, op->cap) ||
		    !authority_holds(authority, i, model->trace->now))
			continue;
		if (!is_told(answer, cap))
			model_failed(model, index, "it leaves out a holder");
	}
}
