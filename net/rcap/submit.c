// SPDX-License-Identifier: BSD-2-Clause
// Operations of this node's environments, from submission to completion.
//
// What can be said without asking the owner is said at once, as a completion:
// there is one way to learn how an operation ended. Operations for a peer wait in
// lanes by environment, which take turns, so that one environment's thousand do
// not hold up another's one.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

static u32
op_id(const struct rcap *rcap, const struct rcap_op *op)
{
	return (op->turn & 0x7fff) << 16 | op_index(rcap, op);
}

static u16 *
lane_tail(const struct rcap *rcap, u16 peer, u32 environment)
{
	return &rcap->lanes[peer].tail[environment % LANES];
}

static u8
lane_bit(u32 environment)
{
	return (u8)(1u << environment % LANES);
}

// A quick operation goes past those that are not, each a bounded number of times,
// and past no fence.
static bool
passable(const struct rcap_op *other)
{
	return !other->fenced && other->number < OVERTAKEN_MAX && !op_quick(other);
}

// Behind the last that a quick one does not go past; the tail itself is one that it
// does, and stands for the beginning.
static u16
quick_place(const struct rcap *rcap, u16 tail)
{
	u16 place = tail;

	ASSERT(passable(&rcap->op[tail]));
	for (u16 at = rcap->op[tail].next; at != tail; at = rcap->op[at].next) {
		if (!passable(&rcap->op[at]))
			place = at;
	}
	return place;
}

static void
lane_append(struct rcap *rcap, struct rcap_op *op)
{
	u16 *tail = lane_tail(rcap, op->peer, op->environment);
	u16 index = op_index(rcap, op), place = *tail;
	bool last = place == NIL16 || op->fenced || !op_quick(op) ||
		    !passable(&rcap->op[place]);

	if (FAULT_POINT(LANES_STRICT))
		last = true;
	if (PLANTED(BUG_FENCE_PASSES) && place != NIL16 && op_quick(op))
		last = !passable(&rcap->op[place]);
	SOMETIMES_WHEN(QUICK_STOPPED, place != NIL16 && op_quick(op) &&
					      rcap->op[place].number == OVERTAKEN_MAX);
	if (SOMETIMES_IF(QUICK_PASSED, !last)) {
		place = quick_place(rcap, place);
		rcap->op[rcap->op[place].next].number++;
	}
	if (place == NIL16)
		place = index;
	else
		op->next = rcap->op[place].next;
	rcap->op[place].next = index;
	if (last)
		*tail = index;
	rcap->lanes[op->peer].busy |= lane_bit(op->environment);
	op->frames = (u8)op_frames(rcap, op);
	rcap->lanes[op->peer].frames += op->frames;
	rcap->lanes[op->peer].waiting++;
	op->state = OP_STATE_WAITING;
}

struct rcap_op *
lane_first(const struct rcap *rcap, u16 peer, u32 lane)
{
	u16 tail = rcap->lanes[peer].tail[lane];

	return tail == NIL16 ? NULL : &rcap->op[rcap->op[tail].next];
}

void
lane_remove(struct rcap *rcap, struct rcap_op *op)
{
	u16 *tail = lane_tail(rcap, op->peer, op->environment);
	u16 index = op_index(rcap, op), before = *tail;

	ASSERT(op->state == OP_STATE_WAITING && before != NIL16);
	while (rcap->op[before].next != index)
		before = rcap->op[before].next;
	rcap->op[before].next = op->next;
	if (before == index) {
		*tail = NIL16;
		rcap->lanes[op->peer].busy &= (u8)~lane_bit(op->environment);
	} else if (*tail == index) {
		*tail = before;
	}
	rcap->lanes[op->peer].frames -= op->frames;
	rcap->lanes[op->peer].waiting--;
}

static struct rcap_op *
op_take(struct rcap *rcap)
{
	struct rcap_op *op = &rcap->op[rcap->ops_free];

	ASSERT(rcap->ops_free != NIL16 && op->state == OP_STATE_FREE);
	rcap->ops_free = op->next;
	op->state = OP_STATE_FRESH;
	op->turn++;
	return op;
}

static void
op_free(struct rcap *rcap, struct rcap_op *op)
{
	u32 turn = op->turn;

	// Its operand's bytes are zero again, as far as it had one.
	__builtin_memset(op->operand, 0, op->operand_len);
	__builtin_memset(op, 0, offsetof(struct rcap_op, operand));
	op->turn = turn;
	op->next = rcap->ops_free;
	rcap->ops_free = op_index(rcap, op);
}

static void
own_ended(struct rcap *rcap, u64 now, struct rcap_op *op)
{
	if (op->op == OP_GRANT)
		grant_ended(rcap, op);
	else if (op->op == OP_RECALL)
		recall_ended(rcap, now, op);
	else
		lease_told(rcap, now, op);
	rcap->grants_used -= op->op != OP_READ;
	op_free(rcap, op);
}

void
op_end(struct rcap *rcap, u64 now, struct rcap_op *op, enum rcap_outcome outcome,
       enum wire_code code)
{
	ASSERT(op->state != OP_STATE_FREE && op->state != OP_STATE_ENDED);
	if (op->state == OP_STATE_OPEN)
		links_close(rcap->links, now, op->peer, op->number);
	else if (op->state == OP_STATE_WAITING)
		lane_remove(rcap, op);
	trace_put(rcap->trace, now, TRACE_END, op->peer, op_index(rcap, op),
		  TRACE_PACK(op->slot, op->answer_len, outcome, code));
	op->state = OP_STATE_ENDED;
	op->ended_at = now;
	op->outcome = (u8)outcome;
	op->code = (u8)code;
	op->next = NIL16;
	if (op->own) {
		own_ended(rcap, now, op);
		return;
	}
	rcap->counters.completed[outcome]++;
	if (rcap->ended_tail == NIL16)
		rcap->ended_head = op_index(rcap, op);
	else
		rcap->op[rcap->ended_tail].next = op_index(rcap, op);
	rcap->ended_tail = op_index(rcap, op);
}

// What was never sent waited all the time. The owner's word is bounded by what is
// known here; hosts whose processors read slightly different clocks lose nothing.
static void
time_split(const struct rcap_op *op, struct rcap_completion *completion)
{
	u64 end = MAX(op->ended_at, op->submitted_at);
	u64 sent = op->sent_at ? MIN(MAX(op->sent_at, op->submitted_at), end) : end;
	u64 rest = end - sent;

	completion->queue_ns = sent - op->submitted_at;
	completion->remote_ns = MIN(op->remote_us * NS_PER_US, rest);
	completion->wire_ns = rest - completion->remote_ns;
}

static u32
taken(const struct rcap_op *op)
{
	const struct wire_request request = {
		.op = op->op, .length = op->length, .pieces = op->pieces,
	};

	return op->outcome == RCAP_DONE ? wire_taken(&request, op->operand, op->clause)
					: 0;
}

bool
rcap_completion(struct rcap *rcap, struct rcap_completion *completion)
{
	struct rcap_op *op;

	if (rcap->ended_head == NIL16)
		return false;
	op = &rcap->op[rcap->ended_head];
	ASSERT(op->state == OP_STATE_ENDED);			// R4
	completion->tag = op->tag;
	completion->environment = op->environment;
	completion->queue = op->queue;
	completion->id = op_id(rcap, op);
	completion->outcome = op->outcome;
	completion->code = op->code;
	completion->clause = op->clause;
	completion->op = op->op;
	completion->length = op->answer_len;
	completion->taken = taken(op);
	completion->old[0] = op->old[0];
	completion->old[1] = op->old[1];
	time_split(op, completion);
	rcap->ended_head = op->next;
	if (rcap->ended_head == NIL16)
		rcap->ended_tail = NIL16;
	rcap->ops_used--;
	op_free(rcap, op);
	return true;
}

// ---- submission

static bool
clauses_sensible(const struct rcap_submit *s)
{
	if ((s->length != 8 && s->length != 16) || !s->pieces ||
	    s->pieces > WIRE_CLAUSES_MAX)
		return false;
	for (u32 i = 0; i < s->pieces; i++) {
		const struct rcap_clause *c = &s->clause[i];

		if (c->chain_offset > ~0ull - WIRE_DATA_MAX ||
		    c->chain >= CHAIN_COUNT)
			return false;
		if (c->chain_length > (c->chain == CHAIN_WRITE ? WIRE_SEND_MAX
							       : WIRE_DATA_MAX))
			return false;
		if (c->chain == CHAIN_NOTIFY &&
		    (c->chain_length != 4 || c->chain_offset & 3))
			return false;
	}
	return true;
}

// *sum becomes the bytes of all pieces.
static bool
pieces_sensible(const struct rcap_piece *piece, u32 count, u32 most, u32 *sum)
{
	*sum = 0;
	if (count < 1 || count > WIRE_PIECES_MAX)
		return false;
	for (u32 i = 0; i < count; i++) {
		if (!piece[i].length || piece[i].length > most - *sum ||
		    piece[i].offset > ~0ull - WIRE_DATA_MAX)
			return false;
		*sum += piece[i].length;
	}
	return true;
}

static bool
operand_sensible(const struct rcap_submit *s)
{
	u32 sum;

	switch (s->op) {
	case OP_MCAS:
		return clauses_sensible(s);
	case OP_READV:
		return pieces_sensible(s->piece, s->pieces, WIRE_DATA_MAX, &sum) &&
		       sum == s->length;
	case OP_PUTV:
		return pieces_sensible(s->change.piece, s->pieces, WIRE_SEND_MAX,
				       &sum);
	case OP_HOLDERS:
		return (s->length - WIRE_LENGTH(holders)) % WIRE_LENGTH(holder) == 0;
	case OP_ALLOC:
		return s->alloc.count >= 1 && s->alloc.count <= WIRE_ALLOC_MAX &&
		       s->alloc.count <= s->alloc.range &&
		       s->alloc.range <= WIRE_ALLOC_RANGE;
	case OP_BLOCK_TRIM:
	case OP_BLOCK_ZERO:
		return s->length % BLOCK_BYTES == 0;
	default:
		return true;
	}
}

bool
rcap_sensible(const struct rcap_submit *s)
{
	bool service = s->remote.slot == WIRE_SLOT_NONE;

	if (s->op == 0 || s->op >= OP_COUNT || s->op == OP_GRANT ||
	    s->op == OP_RECALL)
		return false;
	if (s->length < wire_op_info[s->op].shortest ||
	    s->length > wire_op_longest[s->op] ||
	    s->offset > ~0ull - WIRE_DATA_MAX)
		return false;
	if (service ? s->op != OP_SEND && s->op != OP_REDEEM
		    : s->op == OP_REDEEM || s->remote.slot >> WIRE_SLOT_BITS)
		return false;
	return operand_sensible(s);
}

static void
clauses_store(struct rcap_op *op, const struct rcap_submit *s)
{
	for (u32 i = 0; i < s->pieces; i++) {
		const struct rcap_clause *c = &s->clause[i];
		struct wire_clause clause = {
			.compare_low = c->compare[0],
			.compare_high = c->compare[1],
			.compare_mask_low = c->compare_mask[0],
			.compare_mask_high = c->compare_mask[1],
			.swap_low = c->swap[0],
			.swap_high = c->swap[1],
			.swap_mask_low = c->swap_mask[0],
			.swap_mask_high = c->swap_mask[1],
			.chain_offset = c->chain_offset,
			.chain_length = c->chain_length,
			.chain = c->chain,
		};

		wire_clause_store(op->operand + (u64)i * WIRE_LENGTH(clause), &clause);
		op->chained |= c->chain != CHAIN_READ;
		if (c->chain == CHAIN_READ)
			op->chain_max = MAX(op->chain_max, c->chain_length);
		else if (c->chain == CHAIN_WRITE)
			op->data_len = MAX(op->data_len, c->chain_length);
	}
	op->operand_len = s->pieces * WIRE_LENGTH(clause);
}

// Behind what the operand has already. Returns the bytes of all pieces.
static u32
pieces_store(struct rcap_op *op, const struct rcap_piece *from, u32 count)
{
	u32 sum = 0;

	for (u32 i = 0; i < count; i++) {
		struct wire_piece piece = {
			.offset = from[i].offset, .length = from[i].length,
		};

		wire_piece_store(op->operand + op->operand_len, &piece);
		op->operand_len += WIRE_LENGTH(piece);
		sum += piece.length;
	}
	ASSERT(op->operand_len <= WIRE_OPERAND_MAX);
	return sum;
}

static void
change_store(struct rcap_op *op, const struct rcap_submit *s)
{
	struct wire_change change = {
		.compare = s->change.compare,
		.compare_mask = s->change.compare_mask,
		.add = s->change.add,
	};

	wire_change_store(op->operand, &change);
	op->operand_len = WIRE_LENGTH(change);
	op->data_len = pieces_store(op, s->change.piece, s->pieces);
}

static void
operand_store(struct rcap_op *op, const struct rcap_submit *s)
{
	struct wire_addend addend;

	switch (s->op) {
	case OP_MCAS:
		clauses_store(op, s);
		break;
	case OP_READV:
		pieces_store(op, s->piece, s->pieces);
		break;
	case OP_PUTV:
		change_store(op, s);
		break;
	case OP_FETCH_ADD:
		addend.value = s->addend;
		wire_addend_store(op->operand, &addend);
		op->operand_len = WIRE_LENGTH(addend);
		break;
	case OP_DERIVE:
		wire_derive_store(op->operand, &s->derive);
		op->operand_len = WIRE_LENGTH(derive);
		break;
	case OP_EXPEL:
		wire_expel_store(op->operand, &s->expel);
		op->operand_len = WIRE_LENGTH(expel);
		break;
	case OP_PROTECT:
		wire_protect_store(op->operand, &s->protect);
		op->operand_len = WIRE_LENGTH(protect);
		break;
	case OP_ALLOC:
		wire_alloc_store(op->operand, &s->alloc);
		op->operand_len = WIRE_LENGTH(alloc);
		break;
	case OP_REDEEM:
		op->operand_len = WIRE_LENGTH(ticket);
		__builtin_memcpy(op->operand, s->ticket, op->operand_len);
		break;
	default:
		return;
	}
	op->pieces = (u8)s->pieces;
}

u32
rcap_submit(struct rcap *rcap, u64 now, const struct rcap_submit *s)
{
	struct rcap_op *op;
	u32 id;

	if (!rcap_sensible(s) || s->remote.peer >= links_peers_max(rcap->links) ||
	    SOMETIMES_IF(OPS_OUT, rcap->ops_used == rcap->config.ops_max) ||
	    FAULT_POINT(OPS_FULL))
		return RCAP_NONE;
	op = op_take(rcap);
	rcap->ops_used++;
	op->tag = s->tag;
	op->submitted_at = now;
	op->environment = s->environment;
	op->holder = s->holder ? s->holder : s->environment;
	op->queue = s->queue;
	op->op = s->op;
	op->fenced = s->fenced;
	op->window = s->window;
	op->peer = s->remote.peer;
	op->incarnation = s->remote.incarnation;
	op->slot = s->remote.slot;
	op->generation = s->remote.generation;
	op->offset = s->offset;
	op->length = s->length;
	op->local = s->local;
	op->clause = WIRE_CLAUSE_NONE;
	operand_store(op, s);
	id = op_id(rcap, op);
	rcap->counters.submitted++;
	trace_put(rcap->trace, now, TRACE_SUBMIT, op->peer, op_index(rcap, op),
		  TRACE_PACK(op->slot, op->length, op->environment, op->op));
	// Where nothing waits it goes at once, past the lanes.
	if (rcap->lanes[op->peer].waiting || !op_dispatch(rcap, now, op)) {
		lane_append(rcap, op);
		peer_dispatch(rcap, now, op->peer);
	}
	return id;
}

// A record of the core's own, with room behind it for an operand.
static struct rcap_op *
own_take(struct rcap *rcap, enum wire_op what, u16 peer, u64 incarnation)
{
	struct rcap_op *op = op_take(rcap);

	rcap->grants_used += what != OP_READ;
	ASSERT(rcap->grants_used <= rcap->config.grants_max);
	op->own = true;
	op->op = (u8)what;
	op->peer = peer;
	op->incarnation = incarnation;
	op->slot = WIRE_SLOT_NONE;
	return op;
}

// A GRANT to the holder of an entry. Its tables had room; returns the record.
u32
grant_submit(struct rcap *rcap, u32 entry, u64 word)
{
	const struct rcap_export *e = &rcap->exports[entry];
	struct rcap_op *op = own_take(rcap, OP_GRANT, e->peer, e->incarnation);
	struct wire_grant grant = {
		.environment = e->environment,
		.slot = entry,
		.generation = e->generation,
		.type = e->type,
		.rights = e->rights,
		.count = e->count,
		.word = word,
	};

	op->tag = entry;
	op->entry_generation = e->generation;
	op->operand_len = WIRE_LENGTH(grant);
	// Behind it goes the slot's secret, to who knows what that is.
	if (links_version(rcap->links, e->peer)->ops >= OP_REDEEM)
		op->data_len = WIRE_LENGTH(secret);
	wire_grant_store(op->operand, &grant);
	lane_append(rcap, op);
	return op_index(rcap, op);
}

// A RECALL of what its record says.
void
recall_submit(struct rcap *rcap, u32 index)
{
	const struct rcap_recall *r = &rcap->recall[index];
	struct rcap_op *op = own_take(rcap, OP_RECALL, r->peer, r->incarnation);
	bool ask = r->state == RECALL_ASK;
	struct wire_recall recall = {
		.environment = r->environment,
		.slot = r->slot,
		.generation = r->generation,
		.deadline = ask ? (u32)(r->deadline / NS_PER_US) : 0,
		.gone = !ask,
		.keep = r->keep,
	};

	op->tag = index;
	op->entry_generation = r->turn;
	op->operand_len = WIRE_LENGTH(recall);
	wire_recall_store(op->operand, &recall);
	lane_append(rcap, op);
}

// A byte by the capability of a lease, for its environment. Nobody looks at the byte.
void
lease_submit(struct rcap *rcap, u32 index)
{
	const struct rcap_lease *l = &rcap->lease[index];
	struct rcap_op *op = own_take(rcap, OP_READ, l->peer, l->incarnation);

	op->environment = op->holder = l->environment;
	op->slot = l->slot;
	op->generation = l->generation;
	op->offset = l->offset;
	op->length = 1;
	op->local = rcap->config.lease_byte;
	op->tag = index;
	lane_append(rcap, op);
}

// ---- cancellation

static void
cancel(struct rcap *rcap, u64 now, struct rcap_op *op)
{
	if (op->state == OP_STATE_WAITING) {
		SOMETIMES(CANCEL_WAITING);
		op_end(rcap, now, op, RCAP_NOT_DONE, CODE_CANCELLED);
	} else if (op->state == OP_STATE_OPEN && !op->cancelled) {
		SOMETIMES(CANCEL_OPEN);
		if (PLANTED(BUG_CANCEL_HASTE)) {
			op_end(rcap, now, op, RCAP_NOT_DONE, CODE_CANCELLED);
			return;
		}
		op->cancelled = true;
		op_send(rcap, now, op);
	}
}

void
rcap_cancel(struct rcap *rcap, u64 now, u32 id)
{
	u32 index = id & 0xffff;

	if (index < rcap->op_count && op_id(rcap, &rcap->op[index]) == id &&
	    !rcap->op[index].own)
		cancel(rcap, now, &rcap->op[index]);
}

void
rcap_cancel_all(struct rcap *rcap, u64 now, u32 environment)
{
	for (u32 i = 0; i < rcap->op_count; i++) {
		struct rcap_op *op = &rcap->op[i];

		if (op->environment == environment && !op->own)
			cancel(rcap, now, op);
	}
}
