// SPDX-License-Identifier: BSD-2-Clause
// The oracle's account of operations: submission and answer, and whether the
// answer was right. What changed in memory is judged in effect.c.
//
// Nothing here asks the cores anything. What they may answer follows from what
// was submitted (the operation), who may do it (authority.c), what the bytes were
// (history.c) and what effects were seen; a refusal has to give a true reason.

#include <string.h>

#include "harness/sim/effect.h"
#include "kernel/abi/caps.h"
#include "kernel/base/assert.h"

static const char *const kind_words[DO_KINDS] = {
	"READ", "WRITE", "MCAS", "FETCH_ADD", "NOTIFY", "SEND", "BLOCK_READ",
	"BLOCK_WRITE", "BLOCK_FLUSH", "DERIVE", "REVOKE", "DROP",
};
static const char *const reason_words[WHY_COUNT] = {
	"-", "slot", "holder", "life", "revoked", "rights", "type", "range",
	"session", "cancelled", "room", "argument", "device",
};

const char *
model_kind_word(enum model_kind kind)
{
	return kind_words[kind];
}

const char *
model_reason_word(enum model_reason reason)
{
	return reason_words[reason];
}

void
model_init(struct model *model, struct trace *trace, struct store *store,
	   u32 nodes, u8 *history_bytes)
{
	model->trace = trace;
	model->store = store;
	model->nodes = nodes;
	model->first_open = model->ops = 0;
	memset(model->answered, 0, sizeof(model->answered));
	memset(model->refused, 0, sizeof(model->refused));
	authority_init(&model->authority);
	history_init(&model->history, history_bytes);
}

static u64
payload_word(const struct model_op *op, u32 index)
{
	u64 word = (op->payload + index) * 0x9e3779b97f4a7c15ull;

	word ^= word >> 29;
	return word * 0xbf58476d1ce4e5b9ull;
}

u8
model_byte(const struct model_op *op, u32 at)
{
	return (u8)(payload_word(op, at / 8) >> 8 * (at % 8));
}

void
model_payload(const struct model_op *op, u8 *bytes)
{
	for (u32 at = 0; at < op->len; at += 8) {
		u64 word = payload_word(op, at / 8);

		memcpy(bytes + at, &word, MIN(8u, op->len - at));
	}
}

u32
model_submit(struct model *model, const struct model_op *op)
{
	u32 index = model->ops++;
	struct model_op *row = &model->op[index];

	ASSERT(index < MODEL_OPS_MAX && op->kind < DO_KINDS);
	ASSERT(op->forged || op->kind == DO_SEND || op->cap != AUTHORITY_NONE);
	*row = *op;
	row->outcome = OPEN;
	row->submitted = model->trace->now;
	row->ended = 0;
	row->effects = 0;
	row->matched = NO_CLAUSE;
	memset(row->placed, 0, sizeof(row->placed));
	return index;
}

void
model_withdrawn(struct model *model, u32 op)
{
	ASSERT(op + 1 == model->ops && model->op[op].outcome == OPEN);
	model->ops--;
}

u32
model_rights(enum model_kind kind)
{
	switch (kind) {
	case DO_READ:
	case DO_BLOCK_READ:
		return CAP_READ;
	case DO_MCAS:
	case DO_ADD:
		return CAP_READ | CAP_WRITE;
	case DO_WRITE:
	case DO_NOTIFY:
	case DO_BLOCK_WRITE:
	case DO_FLUSH:
		return CAP_WRITE;
	case DO_DERIVE:
	case DO_REVOKE:
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
model_is_holder(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);

	return cap && cap->holder.node == op->by.node &&
	       cap->holder.boot == op->by.boot && cap->holder.env == op->by.env;
}

bool
model_in_range(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);
	u64 size = cap ? (u64)cap->count * UNIT : 0;

	if (op->kind == DO_DERIVE)
		return cap && op->count && op->base <= cap->count &&
		       op->count <= cap->count - op->base;
	for (u32 i = 0; i < op->clauses; i++) {
		const struct model_clause *clause = &op->clause[i];

		if (clause->chain_offset > size ||
		    clause->chain_len > size - clause->chain_offset)
			return false;
	}
	return cap && op->offset <= size && op->len <= size - op->offset;
}

bool
model_has_type(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);

	switch (op->kind) {
	case DO_DERIVE:
	case DO_REVOKE:
	case DO_DROP:
		return true;
	case DO_BLOCK_READ:
	case DO_BLOCK_WRITE:
	case DO_FLUSH:
		return cap && cap->store == STORE_DISK;
	default:
		return cap && cap->store == STORE_PAGES;
	}
}

static bool
is_aligned(const struct model_op *op)
{
	switch (op->kind) {
	case DO_MCAS:
	case DO_ADD:
	case DO_NOTIFY:
		return op->offset % op->len == 0;
	case DO_BLOCK_READ:
	case DO_BLOCK_WRITE:
		return op->offset % UNIT == 0;
	default:
		return true;
	}
}

bool
model_has_rights(const struct model *model, const struct model_op *op)
{
	const struct authority_cap *cap = model_cap(model, op);
	u32 rights = model_rights(op->kind) | op->rights;

	return cap && (cap->rights & rights) == rights;
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

// M4 and M6: is what the refusal says true?
static bool
reason_is_true(const struct model *model, const struct model_op *op,
	       enum model_reason reason)
{
	bool gone = op->forged || op->early || op->owner_boot != model->boot[op->owner] ||
		    (op->cap != AUTHORITY_NONE &&
		     !authority_holds(&model->authority, op->cap, model->trace->now));

	switch (reason) {
	case WHY_SLOT:
	case WHY_REVOKED:
		return gone;
	case WHY_HOLDER:
	case WHY_LIFE:
		return gone || !model_is_holder(model, op);
	case WHY_RIGHTS:
		return !model_has_rights(model, op);
	case WHY_TYPE:
		return !model_has_type(model, op);
	case WHY_RANGE:
		return !model_in_range(model, op);
	case WHY_ARGUMENT:
		return !is_aligned(op);
	case WHY_CANCELLED:
		return op->cancelled;
	case WHY_DEVICE:
		return op->kind == DO_BLOCK_READ;
	case WHY_SESSION:
	case WHY_ROOM:
		return true;
	default:
		return false;
	}
}

static bool
has_twins(const struct model_op *op)
{
	return op->kind == DO_NOTIFY || op->kind == DO_DERIVE ||
	       op->kind == DO_REVOKE || op->kind == DO_DROP;
}

static bool
are_twins(const struct model *model, const struct model_op *a,
	  const struct model_op *b)
{
	if (a->kind != b->kind || a->owner != b->owner || b->cap == AUTHORITY_NONE)
		return false;
	if (a->kind == DO_NOTIFY)
		return model_target(model, a) == model_target(model, b);
	return a->cap == b->cap && a->to.node == b->to.node &&
	       a->to.boot == b->to.boot && a->to.env == b->to.env &&
	       a->rights == b->rights && a->base == b->base && a->count == b->count;
}

// Two operations that do the same thing cannot be told apart by it: an effect that
// was taken for one's may have been the other's. It passes to or from one that
// nobody has said anything definite of.
static void
swap_twin(struct model *model, u32 index, u32 effects)
{
	struct model_op *op = &model->op[index];

	if (!has_twins(op) || op->cap == AUTHORITY_NONE || op->effects == effects)
		return;
	for (u32 i = 0; i < model->ops; i++) {
		struct model_op *twin = &model->op[i];

		if (twin != op && twin->outcome != DONE && twin->outcome != NOT_DONE &&
		    twin->effects == effects && are_twins(model, op, twin)) {
			twin->effects = op->effects;
			op->effects = effects;
			return;
		}
	}
}

static void
judge_not_done(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	if (op->effects)
		model_failed(model, index, "NOT_DONE was reported, and it has had effect");
	if (!reason_is_true(model, op, answer->reason))
		model_failed(model, index, "it was refused for a reason that is not true");
}

// M3 for what was read: in each page a snapshot of some moment since submission.
static void
judge_bytes(const struct model *model, u32 index, const u8 *bytes, u32 len, u64 offset)
{
	const struct model_op *op = &model->op[index];
	const struct store *store = model_store(model, op->owner,
						op->kind == DO_BLOCK_READ ?
						STORE_DISK : STORE_PAGES);
	u64 at = model_target(model, op) - op->offset + offset;

	while (len) {
		u32 here = MIN(len, UNIT - (u32)(at % UNIT));

		if (!history_was(store, (u32)(at / UNIT), (u32)(at % UNIT), here, bytes,
				 op->submitted))
			model_failed(model, index,
				     "its bytes were never so since its submission");
		at += here;
		bytes += here;
		len -= here;
	}
}

// The unit's bytes under a clause's masks are those that it compares with?
static bool
clause_matches(const struct model_clause *clause, const u64 word[2], u32 len)
{
	for (u32 i = 0; i < len / 8; i++) {
		if ((word[i] ^ clause->compare[i]) & clause->compare_mask[i])
			return false;
	}
	return true;
}

u8
model_first_match(const struct model_op *op, const u64 word[2])
{
	for (u32 i = 0; i < op->clauses; i++) {
		if (clause_matches(&op->clause[i], word, op->len))
			return (u8)i;
	}
	return NO_CLAUSE;
}

static void
judge_mcas(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	if (answer->clause != model_first_match(op, answer->old))
		model_failed(model, index, "its clause is not the first that matches");
	if (answer->clause == NO_CLAUSE) {
		if (op->effects)
			model_failed(model, index, "no clause matched, and it has had effect");
		judge_bytes(model, index, (const u8 *)answer->old, op->len,
			    op->offset);
		return;
	}
	if (op->effects != 1 || op->matched != answer->clause)
		model_failed(model, index, "it is DONE, and its effect was not seen");
	if (memcmp(op->old, answer->old, op->len))
		model_failed(model, index, "its old value is not what it found");

	const struct model_clause *clause = &op->clause[answer->clause];

	if (op->cancelled && !answer->len)
		return;		// it ran; what it would have read was not asked for again
	if (answer->len != clause->chain_len)
		model_failed(model, index, "its chained answer has another length");
	if (answer->len)
		judge_bytes(model, index, answer->bytes, answer->len,
			    clause->chain_offset);
}

// A WRITE has placed every byte. A byte that was there before is not seen to
// change: then it was so at some moment.
static void
judge_write(const struct model *model, u32 index)
{
	const struct model_op *op = &model->op[index];
	const struct store *store = model_store(model, op->owner, STORE_PAGES);

	for (u32 i = 0; i < op->len; i++) {
		u64 at = model_target(model, op) + i;
		u8 byte = model_byte(op, i);

		if (!(op->placed[i / 64] >> i % 64 & 1) &&
		    !history_was(store, (u32)(at / UNIT), (u32)(at % UNIT), 1, &byte,
				 op->submitted))
			model_failed(model, index, "it is DONE, and a byte of it is not there");
	}
}

static void
judge_effect(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	switch (op->kind) {
	case DO_READ:
	case DO_BLOCK_READ:
		if (answer->len != op->len)
			model_failed(model, index, "its answer has another length");
		judge_bytes(model, index, answer->bytes, op->len, op->offset);
		return;
	case DO_WRITE:
		judge_write(model, index);
		return;
	case DO_MCAS:
		judge_mcas(model, index, answer);
		return;
	case DO_ADD:
		if (op->effects == 1 && op->old[0] != answer->old[0])
			model_failed(model, index, "its old value is not what it found");
		break;
	case DO_FLUSH:
		model_durable(model, op);
		return;
	default:
		break;
	}
	if (op->effects != 1)
		model_failed(model, index, "it is DONE, and its effect was not seen");
}

static void
judge_done(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	if (op->forged)
		model_failed(model, index, "a forged access was let through");
	if (op->cap != AUTHORITY_NONE) {
		if (!model_is_holder(model, op))
			model_failed(model, index, "done for one who does not hold it");
		if (!model_has_rights(model, op))
			model_failed(model, index, "done without the right");
		if (!model_has_type(model, op))
			model_failed(model, index, "done to another kind of object");
		if (!model_in_range(model, op))
			model_failed(model, index, "done out of range");
		if (!is_aligned(op))
			model_failed(model, index, "done to a word that does not lie "
				     "as words must");
		if (!authority_holds(&model->authority, op->cap, op->submitted))
			model_failed(model, index, "done with a revoked capability");
	}
	judge_effect(model, index, answer);
}

void
model_answered(struct model *model, u32 index, const struct model_answer *answer)
{
	struct model_op *op = &model->op[index];

	ASSERT(index < model->ops && answer->outcome != OPEN && answer->outcome != ORPHAN);
	if (op->outcome != OPEN)
		model_failed(model, index, "it was answered twice");
	if (answer->outcome != UNKNOWN_FINAL)
		swap_twin(model, index, answer->outcome == DONE);
	if (answer->outcome == DONE)
		judge_done(model, index, answer);
	else if (answer->outcome == NOT_DONE)
		judge_not_done(model, index, answer);
	op->outcome = answer->outcome;
	op->reason = answer->reason;
	op->told = answer->old[0];
	if (op->kind == DO_READ && answer->outcome == DONE && op->len >= 8)
		memcpy(&op->told, answer->bytes, 8);
	op->ended = model->trace->now;
	model->answered[op->kind][op->outcome]++;
	model->refused[answer->reason] += answer->outcome == NOT_DONE;
}

void
model_row_made(struct model *model, u32 row)
{
	const struct authority_cap *made = &model->authority.cap[row];

	for (u32 i = model->first_open; i < model->ops; i++) {
		struct model_op *op = &model->op[i];

		if (op->forged && op->outcome == OPEN && op->owner == made->owner &&
		    op->owner_boot == made->owner_boot && op->slot == made->slot &&
		    op->generation == made->generation) {
			op->cap = row;
			op->forged = false;
			op->early = true;
		}
	}
}

void
model_crashed(struct model *model, u32 node)
{
	for (u32 i = model->first_open; i < model->ops; i++) {
		struct model_op *op = &model->op[i];

		if (op->by.node == node && op->outcome == OPEN) {
			op->outcome = ORPHAN;
			op->ended = model->trace->now;
			model->answered[op->kind][ORPHAN]++;
		}
	}
}
