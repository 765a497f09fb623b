// SPDX-License-Identifier: BSD-2-Clause
// The oracle's account of operations: submission and answer, and whether the
// answer was right. What changed in memory is judged in effect.c.
//
// Nothing here asks the cores anything. What they may answer follows from what
// was submitted (the operation), what that needs (terms.c), who may do it
// (authority.c), what the bytes were (history.c) and what effects were seen; a refusal
// has to give a true reason.

#include <string.h>

#include "harness/sim/effect.h"
#include "kernel/base/assert.h"

static const char *const kind_words[DO_KINDS] = {
	"READ", "WRITE", "MCAS", "FETCH_ADD", "NOTIFY", "SEND", "BLOCK_READ",
	"BLOCK_WRITE", "BLOCK_FLUSH", "DERIVE", "REVOKE", "DROP", "PUTV", "INVOKE",
	"HOLDERS", "EXPEL", "PROTECT", "ALLOC", "REDEEM", "RELEASE",
};
static const char *const reason_words[WHY_COUNT] = {
	"-", "slot", "holder", "life", "revoked", "rights", "type", "range",
	"session", "cancelled", "room", "argument", "device", "entry", "ticket",
	"expired", "spent", "maker",
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

u32
model_payload_len(const struct model_op *op)
{
	u32 len = op->kind == DO_PUTV ? 0 : op->len;

	for (u32 i = 0; i < op->pieces; i++)
		len += op->piece[i].len;
	return len;
}

u8
model_byte(const struct model_op *op, u32 at)
{
	return (u8)(payload_word(op, at / 8) >> 8 * (at % 8));
}

void
model_payload(const struct model_op *op, u8 *bytes)
{
	u32 len = model_payload_len(op);

	for (u32 at = 0; at < len; at += 8) {
		u64 word = payload_word(op, at / 8);

		memcpy(bytes + at, &word, MIN(8u, len - at));
	}
}

u32
model_submit(struct model *model, const struct model_op *op)
{
	u32 index = model->ops++;
	struct model_op *row = &model->op[index];

	ASSERT(index < MODEL_OPS_MAX && op->kind < DO_KINDS);
	ASSERT(op->forged || op->kind == DO_SEND || op->cap != AUTHORITY_NONE);
	ASSERT(op->pieces <= PIECES_MAX && op->clauses <= CLAUSES_MAX);
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

// Two operations that do the same thing cannot be told apart by it: an effect that
// was taken for one's may have been the other's. It passes to or from one that
// nobody has said anything definite of.
static void
swap_twin(struct model *model, u32 index, u32 effects)
{
	struct model_op *op = &model->op[index];
	u64 old;

	if (op->cap == AUTHORITY_NONE || op->effects == effects)
		return;
	for (u32 i = 0; i < model->ops; i++) {
		struct model_op *twin = &model->op[i];

		if (twin != op && twin->outcome != DONE && twin->outcome != NOT_DONE &&
		    twin->effects == effects && model_twins(model, op, twin)) {
			twin->effects = op->effects;
			op->effects = effects;
			old = twin->old[0];
			twin->old[0] = op->old[0];
			op->old[0] = old;
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
	if (!model_reason_holds(model, op, answer->reason))
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

// Where a word was to be compared and nothing fits: then it was so, and stays.
static void
judge_unmatched(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	if (op->effects)
		model_failed(model, index, "no clause matched, and it has had effect");
	judge_bytes(model, index, (const u8 *)answer->old, op->len, op->offset);
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
		judge_unmatched(model, index, answer);
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

static void
judge_putv(const struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	if (answer->clause != model_first_match(op, answer->old))
		model_failed(model, index, "its word compares otherwise");
	if (answer->clause == NO_CLAUSE)
		judge_unmatched(model, index, answer);
	else if (op->effects != 1)
		model_failed(model, index, "it is DONE, and its effect was not seen");
	else if (op->old[0] != answer->old[0])
		model_failed(model, index, "its old value is not what it found");
}

// A RELEASE of what is not there any more does nothing.
static bool
released_nothing(const struct model *model, const struct model_op *op)
{
	return op->kind == DO_RELEASE && !op->effects &&
	       authority_units(&model->authority, op->cap, model->trace->now) <= op->offset;
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
judge_effect(struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	switch (op->kind) {
	case DO_READ:
	case DO_BLOCK_READ:
		if (answer->len != op->len)
			model_failed(model, index, "its answer has another length");
		judge_bytes(model, index, answer->bytes, op->len, op->offset);
		return;
	case DO_HOLDERS:
		model_judge_holders(model, index, answer);
		return;
	case DO_WRITE:
		judge_write(model, index);
		return;
	case DO_MCAS:
		judge_mcas(model, index, answer);
		return;
	case DO_PUTV:
		judge_putv(model, index, answer);
		return;
	case DO_FLUSH:
		model_durable(model, op);
		return;
	default:
		break;
	}
	if (op->effects != 1 && !released_nothing(model, op))
		model_failed(model, index, "it is DONE, and its effect was not seen");
	if (op->kind == DO_ALLOC)
		model_swap_taken(model, index, answer->old[0]);
	if ((op->kind == DO_ADD || op->kind == DO_ALLOC || op->kind == DO_INVOKE) &&
	    op->old[0] != answer->old[0])
		model_failed(model, index, "its old value is not what it found");
	if (op->kind == DO_INVOKE && op->old[1] != answer->old[1])
		model_failed(model, index, "its result is not what the program made");
}

static void
judge_done(struct model *model, u32 index, const struct model_answer *answer)
{
	const struct model_op *op = &model->op[index];

	if (op->forged)
		model_failed(model, index, "a forged access was let through");
	if (op->cap != AUTHORITY_NONE) {
		if (!model_is_holder(model, op))
			model_failed(model, index, "done for one who does not hold it");
		if (!model_has_rights(model, op, op->submitted))
			model_failed(model, index, "done without the right");
		if (!model_has_type(model, op))
			model_failed(model, index, "done to another kind of object");
		if (!model_in_range(model, op, op->submitted))
			model_failed(model, index, "done out of range");
		if (!model_is_aligned(op))
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
	op->unmatched = answer->clause == NO_CLAUSE;
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
