// SPDX-License-Identifier: BSD-2-Clause
// The requester's sending side: which operation goes next, and the frames that it goes
// in. Lanes take turns at a peer, and peers at the places that answers land in. A frame
// without a buffer is a lost frame: the link asks again. What an older peer does not
// know is not sent to it (docs/protocol/versions.md).

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

static void
body_fill(const struct rcap_op *op, bool whole, struct wire_request *body)
{
	*body = (struct wire_request){
		.number = op->number,
		.op = op->op,
		.flags = (u8)((whole ? WIRE_FLAG_WHOLE : 0) |
			      (op->cancelled ? WIRE_FLAG_CANCEL : 0)),
		.pieces = op->pieces,
		.environment = op->holder,
		.slot = op->slot,
		.generation = op->generation,
		.offset = op->offset,
		.length = op->length,
	};
}

// The operand and the data behind it, in one piece; a GRANT's are a secret.
static const u8 *
joined(struct rcap *rcap, u64 now, const struct rcap_op *op)
{
	ASSERT(op->operand_len + op->data_len <= WIRE_PART);
	__builtin_memcpy(rcap->scratch, op->operand, op->operand_len);
	if (op->op == OP_GRANT)
		secret_hide(rcap, now, op, rcap->scratch + op->operand_len);
	else
		__builtin_memcpy(rcap->scratch + op->operand_len,
				 rcap->config.memory + op->local, op->data_len);
	return rcap->scratch;
}

static void
part_send(struct rcap *rcap, u64 now, const struct rcap_op *op,
	  const struct wire_request *body, u32 data)
{
	bool whole = body->flags & WIRE_FLAG_WHOLE;
	const u8 *payload = op->operand;
	u32 len = op->operand_len;
	u8 *buffer = rcap_host_buffer(rcap->host);

	if (!buffer) {
		drop_count(rcap, now, RCAP_DROP_BUFFER, op->peer, op->number);
		return;
	}
	if (op->cancelled) {
		len = 0;
	} else if (op->data_len) {
		payload = joined(rcap, now, op);
		len += op->data_len;
	} else if (!len && data) {
		payload = rcap->config.memory + op->local +
			  wire_part_at(body->part);
		len = wire_part_len(data, whole, body->part);
	}
	len = links_request(rcap->links, now, op->peer, buffer, body, payload, len);
	if (!len)
		drop_count(rcap, now, RCAP_DROP_SESSION, op->peer, op->number);
	rcap_host_send(rcap->host, buffer, len);
}

// What the owner is not known to have of it.
static void
parts_send(struct rcap *rcap, u64 now, const struct rcap_op *op, bool whole,
	   struct wire_request *body)
{
	u32 data = wire_request_data(body);
	u32 parts = op->cancelled ? 1 : wire_parts(data, whole);
	u32 missing = ((1u << parts) - 1) & ~(u32)op->held;

	if (SOMETIMES_IF(HELD_ALL_ASKED, !missing) && !PLANTED(BUG_ASK_NO_MORE))
		missing = 1;		// it has all of it: any part asks how it is
	if (FAULT_POINT(PARTS_ALL))
		missing = (1u << parts) - 1;
	for (u32 i = 0, last = FAULT_POINT(PARTS_BACKWARD) ? parts - 1 : 0; i < parts; i++) {
		body->part = (u8)(last ? last - i : i);
		if (missing >> body->part & 1)
			part_send(rcap, now, op, body, data);
	}
}

// Sends an open operation, or asks again. What was once planned in parts stays so, as it
// was counted, when the path turns out to carry more; when it turns out to carry less, what
// went whole goes on in parts.
void
op_send(struct rcap *rcap, u64 now, struct rcap_op *op)
{
	bool whole = links_whole(rcap->links, op->peer) && !op->parted;
	struct wire_request body;

	ASSERT(op->state == OP_STATE_OPEN);
	SOMETIMES_WHEN(PARTED_LATER, !whole && !op->parted && op->sent_at != now);
	op->parted = !whole;
	body_fill(op, whole, &body);
	if (together_goes(rcap, op)) {
		together_add(rcap, now, op, &body);
	} else {
		rcap_flush(rcap, now);		// what was to go before it does
		parts_send(rcap, now, op, whole, &body);
	}
	links_sent(rcap->links, now, op->peer, op->number);
}

bool
op_overdue(struct rcap *rcap, u64 now, const struct rcap_op *op)
{
	if (likely(now < op->sent_at + RCAP_PATIENCE_NS))
		return false;
	rcap->counters.left++;
	links_leave(rcap->links, op->peer);
	return true;
}

// Bytes of the longest answer.
static u32
answer_data(const struct rcap_op *op)
{
	return wire_op_info[op->op].answers_data ? op->length : op->chain_max;
}

static u32
request_data(const struct rcap_op *op)
{
	struct wire_request body = { .op = op->op, .length = op->length };
	u32 data = wire_request_data(&body);

	return MAX(data, op->operand_len);
}

// Frames of the request.
u32
op_frames(const struct rcap *rcap, const struct rcap_op *op)
{
	return wire_parts(request_data(op), links_whole(rcap->links, op->peer));
}

bool
op_quick(const struct rcap_op *op)
{
	return request_data(op) <= LINK_QUICK_BYTES &&
	       answer_data(op) <= LINK_QUICK_BYTES;
}

static void
plan_fill(const struct rcap *rcap, struct rcap_op *op, struct link_plan *plan)
{
	u32 asks = request_data(op), answers = answer_data(op);
	bool whole = MAX(asks, answers) > WIRE_PART
			     ? links_whole_now(rcap->links, op->peer)
			     : links_whole(rcap->links, op->peer);

	op->parted = !whole;
	*plan = (struct link_plan){
		.frames = (u8)wire_parts(asks, whole),
		.landing = (u8)wire_parts(answers, whole),
		.lane = (u8)(op->environment % LANES),
		.window = op->window,
		.device = wire_op_info[op->op].type == TYPE_BLOCKS,
		.cookie = (u16)(op - rcap->op),
		.asks = asks,
		.answers = answers,
	};
	if (op->window)
		plan->lanes_waiting = rcap->lanes[op->peer].busy;
}

// ---- landing places: while some peers wait for them, all take turns

static void
landing_wait(struct rcap *rcap, u16 peer)
{
	struct rcap_lanes *lanes = &rcap->lanes[peer];

	if (lanes->landing_listed)
		return;
	lanes->landing_listed = true;
	lanes->landing_next = NIL16;
	if (rcap->landing_head == NIL16)
		rcap->landing_head = peer;
	else
		rcap->lanes[rcap->landing_tail].landing_next = peer;
	rcap->landing_tail = peer;
}

static void
landing_leave(struct rcap *rcap)
{
	struct rcap_lanes *lanes = &rcap->lanes[rcap->landing_head];

	ASSERT(lanes->landing_listed);
	lanes->landing_listed = false;
	rcap->landing_head = lanes->landing_next;
}

// Others were there first.
static bool
landing_queued(struct rcap *rcap, const struct rcap_op *op)
{
	if (likely(rcap->landing_head == NIL16) || rcap->landing_turn || op_quick(op))
		return false;
	landing_wait(rcap, op->peer);
	return true;
}

// All earlier ones of its queue have left the lane before it; it waits until
// none of them is open.
static bool
fence_holds(const struct rcap *rcap, const struct rcap_op *op)
{
	filled_ u32 number[WIRE_WINDOW], cookie[WIRE_WINDOW];
	u32 count = links_opened(rcap->links, op->peer, number, cookie);

	if (PLANTED(BUG_FENCE))
		return false;
	for (u32 i = 0; i < count; i++) {
		const struct rcap_op *other = &rcap->op[cookie[i]];

		if (!other->own && other->queue == op->queue &&
		    other->environment == op->environment)
			return true;
	}
	return false;
}

// Every version has the operations of the first.
static bool
peer_lacks(const struct rcap *rcap, const struct rcap_op *op)
{
	// Chains other than a READ came with READV.
	u32 needs = op->op == OP_MCAS && op->chained ? OP_READV : op->op;

	return needs > wire_version[0].ops &&
	       needs > links_version(rcap->links, op->peer)->ops;
}

bool
op_dispatch(struct rcap *rcap, u64 now, struct rcap_op *op)
{
	struct link_plan plan;
	u32 number;

	if (!links_session(rcap->links, op->peer)) {
		op_end(rcap, now, op, RCAP_NOT_DONE, CODE_PEER);
		return true;
	}
	if (links_incarnation(rcap->links, op->peer) != op->incarnation &&
	    !PLANTED(BUG_OTHER_LIFE)) {
		SOMETIMES(OWNER_REBORN);
		op_end(rcap, now, op, RCAP_NOT_DONE, CODE_INCARNATION);
		return true;
	}
	if (SOMETIMES_IF(VERSION_OLDER, peer_lacks(rcap, op))) {
		op_end(rcap, now, op, RCAP_NOT_DONE, CODE_VERSION);
		return true;
	}
	if (SOMETIMES_IF(FENCE_HELD, unlikely(op->fenced) && fence_holds(rcap, op)) ||
	    SOMETIMES_IF(LANDING_TURN, landing_queued(rcap, op)))
		return false;
	plan_fill(rcap, op, &plan);
	switch (links_open(rcap->links, now, op->peer, &plan, &number)) {
	case LINK_OPENED:
		if (op->state == OP_STATE_WAITING)
			lane_remove(rcap, op);
		op->state = OP_STATE_OPEN;
		op->number = number;
		trace_put(rcap->trace, now, TRACE_OPEN, op->peer, number,
			  op_index(rcap, op));
		op->sent_at = now;
		op_send(rcap, now, op);
		return true;
	case LINK_WAIT:
		return false;
	case LINK_WAIT_LANDING:
		rcap->landing_full = true;
		landing_wait(rcap, op->peer);
		return false;
	case LINK_NO_SESSION:
		op_end(rcap, now, op, RCAP_NOT_DONE, CODE_PEER);
		return true;
	case LINK_NO_WINDOW:
		break;
	}
	op_end(rcap, now, op, RCAP_NOT_DONE, CODE_WINDOWS);
	return true;
}

// Of those in `bits`, the first whose turn it is.
static u32
lane_next(const struct rcap_lanes *lanes, u32 bits)
{
	u32 round = (bits | bits << LANES) >> lanes->next_lane;

	return (lanes->next_lane + (u32)__builtin_ctz(round)) % LANES;
}

// Lanes take turns until each has nothing that can go, or `most` went. Returns how
// many did.
static u32
lanes_serve(struct rcap *rcap, u64 now, u16 peer, u32 most)
{
	struct rcap_lanes *lanes = &rcap->lanes[peer];
	u32 went = 0;

	for (u32 stuck = 0; lanes->busy & ~stuck && went < most;) {
		u32 lane = lane_next(lanes, lanes->busy & ~stuck);

		if (op_dispatch(rcap, now, lane_first(rcap, peer, lane))) {
			lanes->next_lane = (lane + 1) % LANES;
			stuck = 0;
			went++;
		} else {
			stuck |= 1u << lane;
		}
	}
	// A path that turned narrow may need more frames than were counted.
	links_want(rcap->links, peer,
		   lanes->waiting ? MAX(lanes->frames, WIRE_PARTS_MAX) : 0);
	return went;
}

void
peer_dispatch(struct rcap *rcap, u64 now, u16 peer)
{
	lanes_serve(rcap, now, peer, NIL16);
}

// One operation of each peer that waits for landing places, by turns, as long as
// there are some.
void
landing_serve(struct rcap *rcap, u64 now)
{
	u32 turns = FAULT_POINT(LANDING_SLOW) ? 1 : LANDING_TURNS;

	for (u32 turn = 0; turn < turns && rcap->landing_head != NIL16; turn++) {
		u16 peer = rcap->landing_head;
		u32 went;

		rcap->landing_full = false;
		rcap->landing_turn = true;
		went = lanes_serve(rcap, now, peer, 1);
		rcap->landing_turn = false;
		if (!went && rcap->landing_full)
			return;
		landing_leave(rcap);
		if (went && rcap->lanes[peer].waiting)
			landing_wait(rcap, peer);
	}
}

// The session is over: what was open can run no more, what waited never will.
void
peer_down(struct rcap *rcap, u64 now, u16 peer)
{
	u32 number[WIRE_WINDOW], cookie[WIRE_WINDOW];
	u32 count = links_opened(rcap->links, peer, number, cookie);

	for (u32 i = 0; i < count; i++) {
		struct rcap_op *op = &rcap->op[cookie[i]];

		ASSERT(op->state == OP_STATE_OPEN && op->number == number[i]);
		op_end(rcap, now, op,
		       PLANTED(BUG_NOT_DONE_LATE) ? RCAP_NOT_DONE
						  : RCAP_UNKNOWN_FINAL,
		       CODE_SESSION);
	}
	for (u32 lane = 0; lane < LANES; lane++) {
		struct rcap_op *op;

		while ((op = lane_first(rcap, peer, lane)))
			op_end(rcap, now, op, RCAP_NOT_DONE, CODE_PEER);
	}
	links_want(rcap->links, peer, 0);
}
