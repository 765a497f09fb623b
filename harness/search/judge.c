// SPDX-License-Identifier: BSD-2-Clause
// What must hold of the fabric's world in every state. Each operation leaves a mark of
// its own in the owner's words, so whether it has had effect is read off them; that it
// comes to have one is allowed once, while it is open, to the boot of the owner that it
// was meant for, with a capability that is good.

#include "harness/search/fabric.h"
#include "kernel/base/assert.h"

#define SLACK_NS (NS_PER_SECOND / 8)

static u64
word(enum op_word which)
{
	return which == WORD_SWAPPED ? fabric_memory[OWNER][0][0] :
				       fabric_memory[OWNER][1][which == WORD_WRITTEN];
}

// How often it has had effect.
static u64
effects(const struct script *op)
{
	u64 is = word(op->word);

	switch (op->op) {
	case OP_MCAS:
	case OP_WRITE:
		return is == op->value;
	case OP_FETCH_ADD:
		return op->value == 1 ? is & 0xffff : is >> 16 & 0xffff;
	default:
		return 0;
	}
}

static bool
overtakes(const struct script *op)
{
	for (const struct script *o = script; o < op; o++) {
		if (o->node == op->node && fabric.fate[o - script].state == OP_OPEN)
			return true;
	}
	return false;
}

static const char *
forbidden(const struct script *op, const struct fate *fate)
{
	if (fate->state == OP_TO_COME)
		return "an operation had effect before it was submitted";
	if (fate->state == OP_ENDED && fate->outcome == RCAP_NOT_DONE)
		return "NOT_DONE was reported, and it had effect";
	if (fate->state == OP_ENDED && fate->outcome == RCAP_UNKNOWN_FINAL)
		return "it had effect after UNKNOWN_FINAL was reported";
	if (fate->orphaned_at && fabric.now > fate->orphaned_at + LINK_LEASE_NS + SLACK_NS)
		return "it had effect when the lease of its dead node was over";
	if (fate->boot != fabric.boot[OWNER])
		return "it had effect in another boot than it was meant for";
	if (op->fenced && overtakes(op))
		return "it had effect before one that it is fenced from";
	if (op->node == 2 && fabric.withdrawn)
		return "it had effect with a revoked capability";
	return NULL;
}

// The answer of one that is DONE.
static const char *
wrong_answer(const struct script *op, const struct fate *fate)
{
	u64 is = word(op->word), own = op->value == 1 ? 0xffff : 0xffff0000;

	switch (op->op) {
	case OP_MCAS:
		return (fate->clause == 0) != fate->effect ||
		       (fate->old == 0) != (fate->clause == 0) ||
		       (fate->old && fate->old != is) ?
		       "a swap's answer is not what happened" : NULL;
	case OP_FETCH_ADD:
		return !fate->effect || fate->old & own || (fate->old & ~own & ~is) ?
		       "an addition's answer is not what happened" : NULL;
	case OP_WRITE:
		return fate->effect ? NULL : "a write is done, and had no effect";
	default:
		return fate->read && fate->read != is ?
		       "what was read was never there" : NULL;
	}
}

static void
judge_op(const struct script *op, struct fate *fate)
{
	u64 count = effects(op);
	const char *why = NULL;

	if (count > 1)
		search_wrong("an operation had effect twice");
	if (count < fate->effect)
		search_wrong("an effect was taken back");
	if (count > fate->effect)
		why = forbidden(op, fate);
	fate->effect = (u8)count;
	if (!why && count && fate->state == OP_ENDED && fate->outcome == RCAP_NOT_DONE)
		why = "NOT_DONE was reported, and it has had effect";
	if (!why && fate->state == OP_ENDED && fate->outcome == RCAP_DONE)
		why = wrong_answer(op, fate);
	if (why)
		search_wrong(why);
}

// Memory of a requester is its operation's while that is open, and nobody's after.
static void
judge_memory(u32 index)
{
	const struct script *op = &script[index];
	const struct fate *fate = &fabric.fate[index];
	u64 is = fabric_memory[op->node][LOCAL][index * 8];

	if (fate->orphaned_at || op->op != OP_READ)
		return;
	if (fate->state == OP_ENDED ? is != fate->read : fate->state == OP_TO_COME &&
	    is != POISON)
		search_wrong("memory was changed after its operation had ended");
}

void
judge(void)
{
	u64 swapped = word(WORD_SWAPPED);

	if (word(WORD_ADDED) >> 32)
		search_wrong("a forged operation had effect");

	if (swapped != 0 && swapped != 0x11 && swapped != 0x22)
		search_wrong("a word has a value that nobody put there");
	for (u32 i = 0; i < OPS; i++) {
		judge_op(&script[i], &fabric.fate[i]);
		judge_memory(i);
	}
}
