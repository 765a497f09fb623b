// SPDX-License-Identifier: BSD-2-Clause
// The requester's receiving side: answers land where their operation wants them,
// part by part, and end it. Parts of two runs at the owner do not mix: a newer
// run begins the answer again, an older one's parts are dropped.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

// Bytes that a DONE answer to this operation may bring.
static bool
length_fits(const struct rcap_op *op, const struct wire_response *r)
{
	struct wire_clause clause;

	if (wire_op_info[op->op].answers_data)
		return r->length == op->length;
	if (op->op != OP_MCAS || r->clause == WIRE_CLAUSE_NONE)
		return r->length == 0;
	if (op->cancelled && !r->length)
		return true;	// it ran; what it read was not asked for again
	if ((r->clause + 1u) * WIRE_LENGTH(clause) > op->operand_len)
		return false;
	wire_clause_load(&clause, op->operand + (u64)r->clause * WIRE_LENGTH(clause));
	return r->length == (clause.chain == CHAIN_READ ? clause.chain_length : 0);
}

// False when the part belongs to an older run.
static bool
run_joins(struct rcap_op *op, const struct wire_response *r)
{
	if (op->have && r->execution != op->execution && !PLANTED(BUG_MIXED)) {
		if (SOMETIMES_IF(RUN_OLDER, (i32)(r->execution - op->execution) < 0))
			return false;
		SOMETIMES(RUN_NEWER);
		op->have = 0;
	}
	op->execution = r->execution;
	return true;
}

static void
answer_done(struct rcap *rcap, u64 now, struct rcap_op *op,
	    const struct wire_frame *frame)
{
	const struct wire_response *r = &frame->response;

	if (!length_fits(op, r)) {
		drop_count(rcap, now, RCAP_DROP_ANSWER, op->peer, op->number);
		op_end(rcap, now, op, RCAP_UNKNOWN_FINAL, CODE_SHAPE);
		return;
	}
	if (!run_joins(op, r)) {
		drop_count(rcap, now, RCAP_DROP_RUN, op->peer, op->number);
		return;
	}
	__builtin_memcpy(rcap->config.memory + op->local + wire_part_at(r->part),
			 frame->payload, frame->payload_len);
	op->have |= (u8)(1u << r->part);
	op->answer_len = r->length;
	op->clause = r->clause;
	op->old[0] = r->old_low;
	op->old[1] = r->old_high;
	op->remote_us = wire_time_unpack(r->held);
	if (unlikely(r->held))
		links_worked(rcap->links, op->peer, op->number);
	if (op->have == (1u << r->parts) - 1 ||
	    (PLANTED(BUG_LAST_ANSWER) && r->part + 1u == r->parts))
		op_end(rcap, now, op, RCAP_DONE, CODE_NONE);
	else
		links_progress(rcap->links, now, op->peer, op->number);
}

void
op_answer(struct rcap *rcap, u64 now, const struct link_event *event)
{
	const struct wire_response *r = &event->frame.response;
	struct rcap_op *op = &rcap->op[event->cookie];

	ASSERT(event->cookie < rcap->op_count);
	ASSERT(op->state == OP_STATE_OPEN && op->number == event->number);
	switch (r->status) {
	case STATUS_DONE:
		answer_done(rcap, now, op, &event->frame);
		break;
	case STATUS_NOT_DONE:
		// Of an answer that came in part, the bytes are here: it has run.
		op_end(rcap, now, op, op->have ? RCAP_UNKNOWN_FINAL : RCAP_NOT_DONE,
		       (enum wire_code)r->code);
		break;
	case STATUS_PARTIAL:
		op_end(rcap, now, op, RCAP_UNKNOWN_FINAL, (enum wire_code)r->code);
		break;
	case STATUS_PENDING:
		op->held = r->held;
		if (r->held == HELD_ALL)
			links_postpone(rcap->links, now, op->peer, op->number);
		break;
	default:
		links_postpone(rcap->links, now, op->peer, op->number);
		break;
	}
	// Who says something each time makes no timer run out.
	if (op->state == OP_STATE_OPEN)
		(void)op_overdue(rcap, now, op);
}
