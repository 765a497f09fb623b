// SPDX-License-Identifier: BSD-2-Clause
// The oracle's account of effects: what changed in a node's memory or disk in
// the step just made, which operation that was, and whether it was allowed.
//
// Operations are told apart by what they leave: the bytes of a WRITE come from
// its own seed, an MCAS swaps in and a FETCH_ADD adds a number of its own, a
// NOTIFY has a word of its own while it is open.

#include <string.h>

#include "harness/sim/effect.h"
#include "kernel/base/assert.h"

static const u8 *
bytes_at(const u8 *store, const struct difference *d)
{
	return store + (u64)d->unit * UNIT + d->offset;
}

static bool
is_payload(const struct model *model, const struct model_op *op,
	   const struct store *store, const struct difference *d)
{
	u64 at = (u64)d->unit * UNIT + d->offset;
	u64 start = model_target(model, op);
	const u8 *real = bytes_at(store->real, d);

	if (at < start || at + d->len > start + op->len)
		return false;
	for (u32 i = 0; i < d->len; i++) {
		if (real[i] != model_byte(op, (u32)(at - start) + i))
			return false;
	}
	return true;
}

// The word that an operation is about, as it was and as it is. False when the
// difference goes beyond it.
static bool
words_of(const struct model *model, const struct model_op *op,
	 const struct store *store, const struct difference *d, u64 was[2],
	 u64 is[2])
{
	u64 at = (u64)d->unit * UNIT + d->offset;
	u64 start = model_target(model, op);

	was[0] = was[1] = is[0] = is[1] = 0;
	if (at < start || at + d->len > start + op->len)
		return false;
	memcpy(was, store->shadow + start, op->len);
	memcpy(is, store->real + start, op->len);
	return true;
}

static bool
is_mcas(const struct model_op *op, const u64 was[2], const u64 is[2], u8 *matched)
{
	*matched = model_first_match(op, was);
	if (*matched == NO_CLAUSE)
		return false;

	const struct model_clause *clause = &op->clause[*matched];

	for (u32 i = 0; i < op->len / 8; i++) {
		u64 mask = clause->swap_mask[i];

		if (is[i] != ((was[i] & ~mask) | (clause->swap[i] & mask)))
			return false;
	}
	return true;
}

// Could the difference be this operation's effect, if it were allowed one?
static bool
explains(const struct model *model, const struct model_op *op, u32 node,
	 enum model_store kind, const struct difference *d)
{
	const struct store *store = model_store(model, node, kind);
	u64 was[2], is[2];
	u8 matched;

	if (op->cap == AUTHORITY_NONE || op->owner != node ||
	    model_cap(model, op)->store != kind)
		return false;
	switch (op->kind) {
	case DO_WRITE:
	case DO_BLOCK_WRITE:
		return is_payload(model, op, store, d);
	case DO_MCAS:
		return words_of(model, op, store, d, was, is) &&
		       is_mcas(op, was, is, &matched);
	case DO_ADD:
		return words_of(model, op, store, d, was, is) &&
		       is[0] == was[0] + op->add;
	case DO_NOTIFY:
		return words_of(model, op, store, d, was, is) &&
		       (u32)is[0] == (u32)was[0] + 1;
	case DO_PUTV:
		return pieces_explain(model, op, store, d);
	default:
		return false;
	}
}

static bool
placed_before(const struct model *model, const struct model_op *op,
	      const struct difference *d)
{
	u32 first = (u32)((u64)d->unit * UNIT + d->offset - model_target(model, op));

	for (u32 i = first; i < first + d->len; i++) {
		if (op->placed[i / 64] >> i % 64 & 1)
			return true;
	}
	return false;
}

// Is an earlier operation still open that this one is fenced from?
static bool
overtakes(const struct model *model, const struct model_op *op)
{
	if (!op->fenced)
		return false;
	for (const struct model_op *o = &model->op[model->first_open]; o < op; o++) {
		if ((o->outcome == OPEN || o->outcome == ORPHAN) &&
		    o->by.node == op->by.node && o->by.boot == op->by.boot &&
		    o->by.env == op->by.env && o->queue == op->queue &&
		    o->owner == op->owner && o->owner_boot == op->owner_boot)
			return true;
	}
	return false;
}

// NULL when the operation may have this effect now, as far as its life goes.
static const char *
untimely(const struct model *model, const struct model_op *op)
{
	if (op->outcome == NOT_DONE)
		return "it had effect after NOT_DONE was reported";
	if (op->outcome == UNKNOWN_FINAL)
		return "it had effect after UNKNOWN_FINAL was reported";
	if (op->kind != DO_WRITE && op->effects > 0)
		return "it had effect twice";
	if (op->outcome == DONE)
		return "it had effect after its answer";
	if (op->outcome == ORPHAN &&
	    model->trace->now > op->ended + model->lease_ns)
		return "it had effect when the lease of its dead node was over";
	if (op->owner_boot != model->boot[op->owner])
		return "it had effect in another boot than it was meant for";
	if (overtakes(model, op))
		return "it had effect before one that it is fenced from";
	return NULL;
}

// NULL when the operation is allowed its effect now.
static const char *
unauthorised(const struct model *model, const struct model_op *op)
{
	if (op->forged)
		return "a forged operation had effect";
	if (!model_is_holder(model, op))
		return "it had effect for one who does not hold the capability";
	if (!model_has_rights(model, op, model->passed))
		return "it had effect without the right";
	if (!model_has_type(model, op))
		return "it had effect on another kind of object";
	if (!model_in_range(model, op, model->passed))
		return "it had effect out of range";
	if (op->kind == DO_EXPEL && model_named(model, op) == AUTHORITY_NONE)
		return "it had effect on what was not derived from its capability";
	if (op->kind == DO_REDEEM && model->trace->now > op->good_until)
		return "it had effect when its ticket's time was over";
	if (!authority_holds(&model->authority, op->cap, model->passed))
		return "it had effect with a revoked capability";
	return NULL;
}

const char *
model_forbidden(const struct model *model, const struct model_op *op)
{
	const char *why = untimely(model, op);

	return why ? why : unauthorised(model, op);
}

static const char *
forbidden(const struct model *model, const struct model_op *op,
	  const struct difference *d)
{
	if (op->kind == DO_WRITE && placed_before(model, op, d))
		return "it had effect twice";
	return model_forbidden(model, op);
}

static void
mark_placed(const struct model *model, struct model_op *op,
	    const struct difference *d)
{
	u32 first = (u32)((u64)d->unit * UNIT + d->offset - model_target(model, op));

	for (u32 i = first; i < first + d->len; i++)
		op->placed[i / 64] |= 1ull << i % 64;
}

static void
take_effect(struct model *model, u32 index, u32 node, enum model_store kind,
	    const struct difference *d)
{
	struct model_op *op = &model->op[index];
	const struct store *store = model_store(model, node, kind);
	u64 was[2], is[2];

	op->effects++;
	trace_add(model->trace, node, !d->len ? "effect of op %lu" :
		  kind == STORE_DISK ? "effect of op %lu: %lu bytes in block %lu at %lu" :
				       "effect of op %lu: %lu bytes in page %lu at %lu",
		  index, d->len, d->unit, d->offset);
	if (op->kind == DO_WRITE) {
		mark_placed(model, op, d);
		return;
	}
	if (op->kind != DO_MCAS && op->kind != DO_ADD && op->kind != DO_PUTV)
		return;
	if (op->kind == DO_PUTV)
		memcpy(op->old, store->shadow + model_target(model, op), 8);
	else if (words_of(model, op, store, d, was, is))
		memcpy(op->old, was, sizeof(was));
	if (op->kind == DO_MCAS)
		op->matched = model_first_match(op, was);
}

void
model_happened(struct model *model, u32 op)
{
	const struct difference none = { 0 };

	take_effect(model, op, model->op[op].owner, STORE_PAGES, &none);
}

void
model_forget_ended(struct model *model)
{
	while (model->first_open < model->ops) {
		const struct model_op *op = &model->op[model->first_open];

		if (op->outcome == OPEN ||
		    (op->outcome == ORPHAN &&
		     model->trace->now <= op->ended + model->lease_ns))
			return;
		model->first_open++;
	}
}

// Why nothing explains a difference, as well as can be told.
noreturn_ static void
fail_unexplained(const struct model *model, u32 node, enum model_store kind,
		 const struct difference *d)
{
	for (u32 i = model->ops; i-- > 0;) {
		const struct model_op *op = &model->op[i];

		if (explains(model, op, node, kind, d))
			model_failed(model, i, forbidden(model, op, d));
	}
	model_failed(model, MODEL_OPS_MAX, kind == STORE_DISK ?
		     "a block changed, and no operation explains it" :
		     "a page changed, and no operation explains it");
}

// The first operation from `from` on, among WRITEs or the others, that it was and
// that was allowed it; MODEL_OPS_MAX: none.
static u32
find_op(const struct model *model, u32 from, u32 node, enum model_store kind,
	const struct difference *d, bool writes)
{
	for (u32 i = from; i < model->ops; i++) {
		const struct model_op *op = &model->op[i];

		if ((op->kind == DO_WRITE) == writes &&
		    explains(model, op, node, kind, d) && !forbidden(model, op, d))
			return i;
	}
	return MODEL_OPS_MAX;
}

// A byte that a NOTIFY has changed may be what some WRITE would have put there,
// but hardly the other way round: a WRITE is at least eight bytes. Its last part
// may be shorter, and be what two WRITEs would have put there; then neither is
// charged with it: MODEL_OPS_MAX.
static u32
judge_difference(struct model *model, u32 node, enum model_store kind,
		 const struct difference *d)
{
	u32 index = find_op(model, model->first_open, node, kind, d, false);

	if (index == MODEL_OPS_MAX) {
		index = find_op(model, model->first_open, node, kind, d, true);
		if (index != MODEL_OPS_MAX && d->len < 8 &&
		    find_op(model, index + 1, node, kind, d, true) != MODEL_OPS_MAX)
			return MODEL_OPS_MAX;
	}
	if (index == MODEL_OPS_MAX)
		fail_unexplained(model, node, kind, d);
	take_effect(model, index, node, kind, d);
	return index;
}

void
model_look(struct model *model, u32 node, enum model_store kind, u64 passed)
{
	struct store *store = model_store(model, node, kind);
	struct difference d;
	u32 unit = 0, first = MODEL_OPS_MAX;

	model->passed = passed;
	model_forget_ended(model);
	while (history_differs(store, &unit, &d)) {
		u32 op = judge_difference(model, node, kind, &d);

		if (op != MODEL_OPS_MAX && first != MODEL_OPS_MAX && op != first)
			model_failed(model, op, "two operations had effect in one step");
		first = op != MODEL_OPS_MAX ? op : first;
		if (op != MODEL_OPS_MAX && model->op[op].kind == DO_PUTV)
			pieces_accept(model, &model->op[op], store);
		else
			history_accept(&model->history, store, &d, model->trace->now);
	}
}

void
model_wrote(struct model *model, u32 node, enum model_store kind)
{
	struct store *store = model_store(model, node, kind);
	struct difference d;
	u32 unit = 0;

	while (history_differs(store, &unit, &d))
		history_accept(&model->history, store, &d, model->trace->now);
}

// Judges a message that came to a node, to whoever reads it there.
static void
judge_message(struct model *model, u32 node, u32 index, enum model_kind kind,
	      const u8 *bytes, u32 len)
{
	const char *why;

	if (index >= model->ops || model->op[index].kind != kind)
		model_failed(model, MODEL_OPS_MAX, "a message came that nobody sent");

	const struct model_op *op = &model->op[index];

	model->passed = model->trace->now;
	why = untimely(model, op);
	if (!why && (op->forged || op->cap != AUTHORITY_NONE))
		why = unauthorised(model, op);
	if (op->owner != node)
		why = "a message came to another node";
	if (!why && len != op->len)
		why = "a message came with another length";
	for (u32 i = 8; !why && i < len; i++) {
		if (bytes[i] != model_byte(op, i))
			why = "a message came with other bytes";
	}
	if (why)
		model_failed(model, index, why);
	model_happened(model, index);
}

void
model_delivered(struct model *model, u32 node, u32 index, const u8 *bytes, u32 len)
{
	judge_message(model, node, index, DO_SEND, bytes, len);
}

void
model_invoked(struct model *model, u32 node, u32 index, const u8 *bytes, u32 len,
	      const u64 result[2])
{
	judge_message(model, node, index, DO_INVOKE, bytes, len);
	memcpy(model->op[index].old, result, sizeof(model->op[index].old));
}

void
model_durable(const struct model *model, const struct model_op *op)
{
	struct store *store = model_store(model, op->owner, STORE_DISK);

	for (u32 unit = 0; unit < store->units; unit++)
		store->durable[unit] = MAX(store->durable[unit], op->submitted);
}

void
model_power_cut(struct model *model, u32 node)
{
	struct store *store = model_store(model, node, STORE_DISK);

	for (u32 unit = 0; unit < store->units; unit++) {
		if (!history_was(store, unit, 0, UNIT, store->real + (u64)unit * UNIT,
				 store->durable[unit]))
			model_failed(model, MODEL_OPS_MAX,
				     "a block lost what had been flushed");
	}
	model_wrote(model, node, STORE_DISK);
}
