// SPDX-License-Identifier: BSD-2-Clause
// Drawing a PUTV. Its word is a register where there is one, half of the time; a piece
// is all of a register or nothing of it, so that its history can be judged.

#include "harness/sim/node.h"
#include "harness/sim/operation.h"

#define PIECE_LEN 128u
#define PIECE_GAP 64u

// The next piece behind `*at`, from the start of the range. False: there is no room.
static bool
draw_piece(const struct held *held, u64 *at, u64 *start, u32 *len)
{
	u64 size = (u64)held->count * UNIT;
	u64 place = operation_register(held) ? size - UNIT : UINT64_MAX;

	*start = *at + sim_below(sim_below(8) ? PIECE_GAP : UNIT);
	*len = 1 + (u32)sim_below(PIECE_LEN);
	if (place != UINT64_MAX && *start < place + 8 && *start + *len > place) {
		*start = *at > place ? place + 8 : place;
		*len = *at > place ? *len : 8;
	}
	*at = *start + *len;
	return *at <= size;
}

static void
draw_pieces(const struct held *held, struct model_op *op)
{
	u64 at = op->offset + 8, start;
	u32 wanted = 1 + (u32)sim_below(PIECES_MAX), len;

	while (op->pieces < wanted && draw_piece(held, &at, &start, &len))
		op->piece[op->pieces++] = (struct model_piece){
			(u32)(start - op->offset), len };
	if (!op->pieces || sim_below(40) == 0)		// out of range
		op->piece[op->pieces ? op->pieces - 1 : op->pieces++] =
			(struct model_piece){ held->count * UNIT, 8 };
}

static void
to_submit(const struct model_op *op, struct rcap_submit *submit)
{
	const struct model_clause *clause = &op->clause[0];

	submit->change.compare = clause->compare[0];
	submit->change.compare_mask = clause->compare_mask[0];
	submit->change.add = op->add;
	submit->pieces = op->pieces;
	for (u32 i = 0; i < op->pieces; i++)
		submit->change.piece[i] = (struct rcap_piece){
			.offset = op->piece[i].offset, .length = op->piece[i].len };
}

void
putv_draw(const struct target *target, struct operation *o)
{
	const struct held *held = target->held;
	struct model_op *op = &o->op;

	op->len = 8;
	op->offset = operation_register(held) && sim_below(2) ?
		     (u64)(held->count - 1) * UNIT : operation_word(held, 8);
	op->clauses = 1;
	operation_guess(target, op->offset, 8, op->clause[0].compare);
	op->clause[0].compare_mask[0] = sim_below(3) ? UINT64_MAX : 0;
	op->add |= 1;
	draw_pieces(held, op);
	to_submit(op, &o->submit);
}
