// SPDX-License-Identifier: BSD-2-Clause
// From the model's operations to one history a register and boot. What was refused is
// not in it. An operation that ended as unknown may have run until it was said to be
// over; that of a dead node until its lease was. Where anything else has changed a
// register, as a capability named wrongly may that is its holder's all the same, that
// history is left out.

#include <stdlib.h>

#include "harness/sim/linear.h"
#include "harness/sim/node.h"
#include "harness/sim/registers.h"

static struct linear_op ops[LINEAR_OPS_MAX];

static bool
changes(enum model_kind kind)
{
	return kind == DO_WRITE || kind == DO_MCAS || kind == DO_ADD || kind == DO_NOTIFY ||
	       kind == DO_PUTV;
}

static u64
start_of(const struct model_op *op)
{
	return (u64)sim.model.authority.cap[op->cap].base * UNIT + op->offset;
}

// Of a PUTV's pieces: the one that is the eight bytes at `at`.
static bool
piece_is_whole(const struct model_op *op, u64 start, u64 at)
{
	for (u32 i = 0; i < op->pieces; i++) {
		if (start + op->piece[i].offset == at && op->piece[i].len == 8)
			return true;
	}
	return false;
}

// What it adds to the word it also compares with, or with nothing.
static bool
compares_all(const struct model_op *op)
{
	u64 mask = op->clause[0].compare_mask[0];

	return !mask || mask == UINT64_MAX;
}

// Is it about the eight bytes at `at`, and in their page about them alone?
static bool
is_whole(const struct model_op *op, u64 at)
{
	const struct model_clause *clause = &op->clause[0];
	u64 start = start_of(op);

	if (op->kind == DO_PUTV)
		return start == at ? compares_all(op) : piece_is_whole(op, start, at);
	if (start != at || op->len != 8)
		return false;
	return op->kind == DO_READ || op->kind == DO_WRITE || op->kind == DO_ADD ||
	       (op->kind == DO_MCAS && op->clauses == 1 &&
		clause->compare_mask[0] == UINT64_MAX &&
		clause->swap_mask[0] == UINT64_MAX);
}

static bool
touches(const struct model_op *op, u64 at)
{
	u64 start = start_of(op);
	bool any = start < at + 8 && start + op->len > at;

	for (u32 i = 0; i < op->pieces && !any; i++) {
		u64 piece = start + op->piece[i].offset;

		any = piece < at + 8 && piece + op->piece[i].len > at;
	}
	return any;
}

// May it have run in that boot of its owner?
static bool
may_have_run(const struct model_op *op, u32 owner, u32 boot)
{
	return op->owner == owner && op->owner_boot == boot && op->cap != AUTHORITY_NONE &&
	       op->outcome != NOT_DONE &&
	       sim.model.authority.cap[op->cap].store == STORE_PAGES;
}

// The first eight bytes that it writes at `at`.
static u64
word_written(const struct model_op *op, u64 at)
{
	u32 from = 0;
	u8 word[8];

	for (u32 i = 0; i < op->pieces && start_of(op) + op->piece[i].offset != at; i++)
		from += op->piece[i].len;
	for (u32 i = 0; i < 8; i++)
		word[i] = model_byte(op, from + i);
	return le64_load(word);
}

// A PUTV adds to its word, always or if that compares; elsewhere it writes.
static void
convert_putv(const struct model_op *op, u64 at, struct linear_op *to)
{
	const struct model_clause *clause = &op->clause[0];

	if (start_of(op) != at) {
		to->kind = LINEAR_WRITE;
		to->mute = true;
		to->next = word_written(op, at);
	} else if (clause->compare_mask[0]) {
		to->kind = LINEAR_SWAP;
		to->next = clause->compare[0] + op->add;
	} else {
		to->kind = LINEAR_ADD;
		to->next = op->add;
	}
}

static void
convert(const struct model_op *op, u64 at, struct linear_op *to)
{
	static const u8 kinds[DO_KINDS] = {
		[DO_READ] = LINEAR_READ, [DO_WRITE] = LINEAR_WRITE,
		[DO_MCAS] = LINEAR_SWAP, [DO_ADD] = LINEAR_ADD,
	};

	*to = (struct linear_op){
		.called = op->submitted,
		.returned = op->ended + (op->outcome == ORPHAN ? sim.model.lease_ns : 0),
		.kind = kinds[op->kind],
		.answer = op->told,
		.unknown = op->outcome != DONE,
		.mute = op->kind == DO_WRITE,
		.expected = op->clause[0].compare[0],
		.next = op->kind == DO_ADD ? op->add : op->clause[0].swap[0],
	};
	if (op->kind == DO_WRITE)
		to->next = word_written(op, at);
	if (op->kind == DO_PUTV)
		convert_putv(op, at, to);
}

// Its word did not compare, so that its pieces are nowhere.
static bool
wrote_nothing(const struct model_op *op, u64 at)
{
	return op->kind == DO_PUTV && op->outcome == DONE && op->unmatched &&
	       start_of(op) != at;
}

// False when something else changed the register.
static bool
gather(u32 owner, u32 boot, u64 at, u32 *count)
{
	*count = 0;
	for (u32 i = 0; i < sim.model.ops; i++) {
		const struct model_op *op = &sim.model.op[i];

		if (!may_have_run(op, owner, boot) || !touches(op, at) ||
		    wrote_nothing(op, at))
			continue;
		if (!is_whole(op, at)) {
			if (changes(op->kind))
				return false;
			continue;
		}
		if (*count == LINEAR_OPS_MAX)
			sim_failed(owner, "a register's history is too long to be judged");
		convert(op, at, &ops[(*count)++]);
	}
	return true;
}

// Those that tell what they found first, then those that are known to have run, then
// those that may have; each by its return. The search tries them as they stand, and most
// histories have an order near that: what fits now is seldom better left for later.
static u32
rank(const struct linear_op *op)
{
	return op->unknown ? 2 : op->mute;
}

static int
compare(const void *a, const void *b)
{
	const struct linear_op *left = a, *right = b;

	if (rank(left) != rank(right))
		return rank(left) < rank(right) ? -1 : 1;
	return left->returned < right->returned ? -1 : left->returned > right->returned;
}

static void
judge(const struct sim_node *node, u32 boot, u32 env)
{
	u64 at = (u64)(env * ENV_PAGES + ENV_PAGES - 1) * UNIT;
	enum linear_verdict verdict;
	u32 count;

	if (!gather(node_index(node), boot, at, &count))
		return;
	qsort(ops, count, sizeof(ops[0]), compare);
	verdict = linear_judge(ops, count, node->register_first[boot][env],
			       node->register_last[boot][env]);
	if (verdict == LINEAR_NO)
		sim_failed(node_index(node), "a register's history has no order");
	if (verdict == LINEAR_UNDECIDED)
		sim_failed(node_index(node), "a register's history has too many orders");
	sim.result->histories += count > 1;
	sim.result->history_ops += count;
	sim.result->history_longest = MAX(sim.result->history_longest, count);
}

void
registers_judge(void)
{
	for (u32 i = 0; i < sim.nodes; i++) {
		node_end(&sim.node[i]);
		for (u32 boot = 1; boot <= sim.node[i].boot; boot++) {
			for (u32 env = 0; env < ENVS; env++)
				judge(&sim.node[i], boot, env);
		}
	}
}
