// SPDX-License-Identifier: BSD-2-Clause
// The owner's side of a request: what its number says, the check of its
// capability, the operation, the answer.
//
// A number that was answered is told its answer again; one at work elsewhere is
// told to wait; a fresh one runs. What is run again when it is asked again (READ
// and BLOCK_READ) leaves its number fresh. Everything else is marked before its
// answer leaves, refusals too, so that no later copy of the request runs (K4).

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

static bool
holder_is(const struct rcap *rcap, const struct rcap_export *entry,
	  const struct asked *asked)
{
	return entry->peer == asked->peer &&
	       (entry->environment == asked->request->environment ||
		PLANTED(BUG_HOLDER)) &&
	       (entry->incarnation ==
			links_incarnation(rcap->links, asked->peer) ||
		PLANTED(BUG_HOLDER_LIFE));
}

// What has changed since an entry was looked at last.
bool
entry_walk(struct rcap *rcap, struct rcap_export *entry)
{
	u8 rights = entry->rights;

	rcap->counters.walks++;
	if (PLANTED(BUG_ERA_EARLY))
		entry->era = rcap->era;
	if (!rcap_host_walk(rcap->host, entry->node, entry->node_generation,
			    &rights)) {
		SOMETIMES(WALK_REVOKED);
		return false;
	}
	SOMETIMES(WALK_PASSED);
	SOMETIMES_WHEN(WALK_NARROWED, entry->rights != rights);
	if (!PLANTED(BUG_RIGHTS_STAY))
		entry->rights = rights;
	rcap->uses[entry - rcap->exports].rights = entry->rights;
	entry->era = rcap->era;
	return true;
}

bool
era_holds(struct rcap *rcap, struct rcap_export *entry)
{
	return (likely(entry->era == rcap->era) && !FAULT_POINT(ALWAYS_WALK)) ||
	       PLANTED(BUG_ERA) || entry_walk(rcap, entry);
}

static bool
range_holds(const struct rcap_export *entry, u64 offset, u32 length)
{
	u64 bytes = entry_bytes(entry);

	if (PLANTED(BUG_RANGE))
		return offset < bytes;
	return offset <= bytes && length <= bytes - offset;
}

static bool
aligned(const struct wire_request *request)
{
	switch (request->op) {
	case OP_MCAS:
	case OP_FETCH_ADD:
	case OP_NOTIFY:
	case OP_PUTV:
	case OP_BLOCK_READ:
	case OP_BLOCK_WRITE:
	case OP_BLOCK_FUA:
		return !(request->offset & (request->length - 1));
	case OP_BLOCK_TRIM:
	case OP_BLOCK_ZERO:
		return !(request->offset & (BLOCK_BYTES - 1));
	default:
		return true;
	}
}

enum wire_code
owner_check(struct rcap *rcap, struct asked *asked)
{
	const struct wire_request *request = asked->request;
	const struct wire_op_info *info = &wire_op_info[request->op];
	struct rcap_export *entry;

	if (request->slot >= rcap->exports_fresh)
		return CODE_SLOT;
	entry = &rcap->exports[request->slot];
	// An entry's generation counts on when it goes: what is below it was
	// given once, and is gone, whoever has cleaned up behind it by now.
	if (request->generation && request->generation < entry->generation &&
	    !PLANTED(BUG_GENERATION))
		return CODE_REVOKED;
	if (entry->type == TYPE_NONE)
		return CODE_SLOT;
	if (entry->generation != request->generation &&
	    !PLANTED(BUG_GENERATION))
		return CODE_GENERATION;
	if (!holder_is(rcap, entry, asked))
		return CODE_HOLDER;
	if (!era_holds(rcap, entry))
		return CODE_REVOKED;
	if (info->type != TYPE_ANY && info->type != entry->type && !PLANTED(BUG_TYPE))
		return CODE_TYPE;
	if ((entry->rights & info->rights) != info->rights &&
	    !PLANTED(BUG_RIGHTS))
		return CODE_RIGHTS;
	if (entry->type != TYPE_ENDPOINT && info->type != TYPE_ANY &&
	    !range_holds(entry, request->offset, request->length))
		return CODE_RANGE;
	if (!aligned(request) && !PLANTED(BUG_ALIGNMENT))
		return CODE_ALIGNMENT;
	asked->entry = entry;
	return CODE_NONE;
}

// ---- answers

static const u8 nothing[8];

static void
body_fill(const struct asked *asked, struct wire_response *body)
{
	const struct link_slot *slot = asked->slot;
	bool answered = slot->state == LINK_SLOT_ANSWERED;

	*body = (struct wire_response){
		.number = slot->number,
		.parts = 1,
		.clause = slot->clause,
		.old_low = answered ? slot->old[0] : 0,
		.old_high = answered ? slot->old[1] : 0,
	};
}

static void
part_send(struct rcap *rcap, const struct asked *asked,
	  const struct wire_response *body, const u8 *data, u32 len)
{
	u8 *buffer = rcap_host_buffer(rcap->host);

	if (!buffer) {
		drop_count(rcap, asked->now, RCAP_DROP_BUFFER, asked->peer,
			   body->number);
		return;
	}
	len = links_response(rcap->links, asked->now, asked->peer, buffer, body, data,
			     len);
	if (!len)
		drop_count(rcap, asked->now, RCAP_DROP_SESSION, asked->peer,
			   body->number);
	rcap_host_send(rcap->host, buffer, len);
}

void
owner_say(struct rcap *rcap, const struct asked *asked, enum wire_status status,
	  enum wire_code code)
{
	struct wire_response body;

	body_fill(asked, &body);
	body.status = (u8)status;
	body.code = (u8)code;
	body.held = asked->slot->state == LINK_SLOT_RUNNING ? HELD_ALL
							    : asked->slot->held;
	part_send(rcap, asked, &body, nothing, 0);
}

// Says that it is done, with the data in as many parts as the request wants.
void
owner_done(struct rcap *rcap, const struct asked *asked, const u8 *data, u32 length)
{
	bool whole = asked->request->flags & WIRE_FLAG_WHOLE;
	struct wire_response body;

	body_fill(asked, &body);
	body.status = STATUS_DONE;
	body.length = (u16)length;
	body.execution = ++rcap->executions;
	if (unlikely(asked->worked_ns))
		body.held = wire_time_pack(asked->worked_ns / NS_PER_US);
	body.parts = (u8)wire_parts(length, whole);
	for (u32 part = 0; part < body.parts; part++) {
		body.part = (u8)part;
		part_send(rcap, asked, &body, data + wire_part_at(part),
			  wire_part_len(length, whole, part));
	}
}

static void
count_refused(struct rcap *rcap, const struct asked *asked, enum wire_code code)
{
	const struct wire_request *request = asked->request;

	rcap->counters.refused[code]++;
	links_counts(rcap->links, asked->peer)->refused++;
	if (request->slot < rcap->exports_fresh &&
	    rcap->exports[request->slot].type != TYPE_NONE)
		rcap->uses[request->slot].denials++;
	trace_put(rcap->trace, asked->now, TRACE_REFUSED, asked->peer, request->number,
		  TRACE_PACK(request->slot, request->length, request->op, code));
}

// Refuses, for good: unless asking again is harmless, the number is used.
void
owner_refuse(struct rcap *rcap, const struct asked *asked, enum wire_code code)
{
	struct link_slot *slot = asked->slot;
	bool placed = slot->state == LINK_SLOT_PARTS && slot->held &&
		      asked->request->op == OP_WRITE;

	SOMETIMES_WHEN(WRITE_CUT_OFF, placed);
	ASSERT(code != CODE_NONE && code < CODE_COUNT);
	count_refused(rcap, asked, code);
	links_taken(rcap->links, asked->peer, slot->number);
	if (!wire_op_info[asked->request->op].again) {
		slot->op = asked->request->op;
		slot->status = placed ? STATUS_PARTIAL : STATUS_NOT_DONE;
		slot->code = (u8)code;
		slot->state = LINK_SLOT_ANSWERED;
	}
	owner_say(rcap, asked, placed ? STATUS_PARTIAL : STATUS_NOT_DONE, code);
}

// What the number was answered before. A chained read runs again: its capability
// is checked again for it.
static void
tell_again(struct rcap *rcap, struct asked *asked)
{
	const struct link_slot *slot = asked->slot;
	const u8 *data = nothing;
	enum wire_code code;
	u32 length = 0;

	rcap->counters.repeated++;
	SOMETIMES(TOLD_AGAIN);
	SOMETIMES_WHEN(INVOKE_TOLD, slot->op == OP_INVOKE);
	if ((PLANTED(BUG_INVOKE_AGAIN) && slot->op == OP_INVOKE) ||
	    (PLANTED(BUG_ALLOC_AGAIN) && slot->op == OP_ALLOC)) {
		owner_run(rcap, asked);
		return;
	}
	if (slot->status != STATUS_DONE) {
		owner_say(rcap, asked, (enum wire_status)slot->status,
			  (enum wire_code)slot->code);
		return;
	}
	if (PLANTED(BUG_OLD_NOW) && slot->op == OP_FETCH_ADD &&
	    owner_check(rcap, asked) == CODE_NONE)
		__builtin_memcpy(asked->slot->old, rcap->config.memory +
						   (asked->entry->base << UNIT_BITS) +
						   asked->request->offset, 8);
	if (slot->op == OP_MCAS && slot->clause != WIRE_CLAUSE_NONE &&
	    asked->payload_len) {
		SOMETIMES(CHAIN_AGAIN);
		code = owner_check(rcap, asked);
		if (code != CODE_NONE) {
			SOMETIMES(CHAIN_WITHDRAWN);
			owner_say(rcap, asked, STATUS_PARTIAL, code);
			return;
		}
		mcas_chain(rcap, asked, &data, &length);
		if (length && !serve_again(rcap, asked, length)) {
			owner_say(rcap, asked, STATUS_PENDING, CODE_NONE);
			return;
		}
	}
	owner_done(rcap, asked, data, length);
}

static void
run_cancel(struct rcap *rcap, struct asked *asked)
{
	struct link_slot *slot = asked->slot;

	SOMETIMES_WHEN(CANCEL_CUT_OFF, slot->state == LINK_SLOT_PARTS);
	if (slot->state == LINK_SLOT_PARTS && slot->op != OP_WRITE) {
		ticket_drop(rcap, slot->ticket);
		slot->held = 0;
	}
	if (PLANTED(BUG_CANCEL_RUNS)) {
		owner_say(rcap, asked, STATUS_NOT_DONE, CODE_CANCELLED);
		return;
	}
	owner_refuse(rcap, asked, CODE_CANCELLED);
	slot->op = asked->request->op;
	slot->status = slot->held ? STATUS_PARTIAL : STATUS_NOT_DONE;
	slot->code = CODE_CANCELLED;
	slot->state = LINK_SLOT_ANSWERED;
}

// What is about capabilities themselves.
static void
authority_run(struct rcap *rcap, struct asked *asked)
{
	switch ((enum wire_op)asked->request->op) {
	case OP_GRANT:
		run_grant(rcap, asked);
		break;
	case OP_DERIVE:
		run_derive(rcap, asked);
		break;
	case OP_REVOKE:
	case OP_DROP:
		run_revoke(rcap, asked);
		break;
	case OP_HOLDERS:
		run_holders(rcap, asked);
		break;
	case OP_EXPEL:
		run_expel(rcap, asked);
		break;
	case OP_PROTECT:
		run_protect(rcap, asked);
		break;
	case OP_ALLOC:
		run_alloc(rcap, asked);
		break;
	case OP_REDEEM:
		run_redeem(rcap, asked);
		break;
	case OP_RECALL:
		run_recall(rcap, asked);
		break;
	case OP_RELEASE:
		run_release(rcap, asked);
		break;
	default:
		ASSERT(false);
	}
}

// Apart, because what it has in it makes its frame a large one.
static __attribute__((noinline)) void
run_by_op(struct rcap *rcap, struct asked *asked)
{
	switch ((enum wire_op)asked->request->op) {
	case OP_READ:
	case OP_COUNT:
		ASSERT(false);
		break;
	case OP_WRITE:
		run_write(rcap, asked);
		break;
	case OP_MCAS:
		run_mcas(rcap, asked);
		break;
	case OP_FETCH_ADD:
		run_fetch_add(rcap, asked);
		break;
	case OP_NOTIFY:
		run_notify(rcap, asked);
		break;
	case OP_READV:
		run_readv(rcap, asked);
		break;
	case OP_PUTV:
		run_putv(rcap, asked);
		break;
	case OP_SEND:
		run_send(rcap, asked);
		break;
	case OP_INVOKE:
		run_invoke(rcap, asked);
		break;
	case OP_BLOCK_READ:
	case OP_BLOCK_FLUSH:
	case OP_BLOCK_TRIM:
	case OP_BLOCK_ZERO:
		run_block(rcap, asked);
		break;
	case OP_BLOCK_WRITE:
	case OP_BLOCK_FUA:
		run_block_write(rcap, asked);
		break;
	case OP_GRANT:
	case OP_DERIVE:
	case OP_REVOKE:
	case OP_DROP:
	case OP_HOLDERS:
	case OP_EXPEL:
	case OP_PROTECT:
	case OP_ALLOC:
	case OP_REDEEM:
	case OP_RECALL:
	case OP_RELEASE:
		authority_run(rcap, asked);
		break;
	}
}

void
owner_run(struct rcap *rcap, struct asked *asked)
{
	if (likely(asked->request->op == OP_READ))
		run_read(rcap, asked);
	else
		run_by_op(rcap, asked);
}

// Nothing more is to be done for this number: what the slot holds is its answer.
static void
settle(struct rcap *rcap, const struct asked *asked)
{
	struct link_slot *slot = asked->slot;

	links_taken(rcap->links, asked->peer, slot->number);
	if (wire_op_info[asked->request->op].again)
		return;
	slot->op = asked->request->op;
	slot->status = STATUS_DONE;
	slot->state = LINK_SLOT_ANSWERED;
	if (PLANTED(BUG_FORGET)) {
		slot->state = LINK_SLOT_FRESH;
		slot->held = 0;
	}
}

void
owner_use(struct rcap *rcap, const struct asked *asked, u32 told)
{
	const struct wire_request *request = asked->request;
	struct fabric_export *use;

	trace_put(rcap->trace, asked->now, TRACE_RAN, asked->peer, request->number,
		  TRACE_PACK(request->slot, request->length, request->part,
			     request->op));
	if (!asked->entry)
		return;
	serve_pay(rcap, asked, told);
	use = &rcap->uses[request->slot];
	use->operations++;
	use->bytes_out += told;
	if (!wire_op_info[request->op].answers_data)
		use->bytes_in += wire_taken(request, asked->payload,
					    asked->slot->clause);
}

void
owner_worked(struct rcap *rcap, const struct asked *asked, u32 slot, u32 generation)
{
	struct fabric_export *use = &rcap->uses[slot];

	if (rcap->exports[slot].generation != generation)
		return;
	use->work_us += asked->worked_ns / NS_PER_US;
	use->work[fabric_work_bucket(asked->worked_ns)]++;
}

void
owner_ran(struct rcap *rcap, const struct asked *asked, const u8 *data, u32 length)
{
	rcap->counters.executed[asked->request->op]++;
	owner_use(rcap, asked, length);
	if (unlikely(asked->worked_ns) && asked->entry)
		owner_worked(rcap, asked, asked->request->slot,
			     asked->entry->generation);
	settle(rcap, asked);
	owner_done(rcap, asked, data, length);
	if (wire_op_info[asked->request->op].again)
		links_forget(rcap->links, asked->peer, asked->slot->number);
}

void
owner_request(struct rcap *rcap, u64 now, const struct link_event *event)
{
	struct link_slot *slot = event->slot;
	const struct wire_request *request = &event->frame.request;
	struct asked asked = {
		.now = now,
		.peer = event->peer,
		.request = request,
		.payload = event->frame.payload,
		.payload_len = event->frame.payload_len,
		.slot = slot,
		.entry = NULL,
		.worked_ns = 0,
	};

	ASSERT(slot && slot->number == request->number);
	if (slot->state != LINK_SLOT_FRESH && slot->op != request->op) {
		drop_count(rcap, now, RCAP_DROP_OP, asked.peer, slot->number);
		return;
	}
	if (slot->state == LINK_SLOT_ANSWERED && PLANTED(BUG_TWICE)) {
		slot->state = LINK_SLOT_FRESH;
		slot->held = 0;
	}
	if (slot->state == LINK_SLOT_ANSWERED)
		tell_again(rcap, &asked);
	else if (SOMETIMES_IF(PENDING_SAID, slot->state == LINK_SLOT_RUNNING))
		owner_say(rcap, &asked, STATUS_PENDING, CODE_NONE);
	else if (request->flags & WIRE_FLAG_CANCEL)
		run_cancel(rcap, &asked);
	else if (likely(!rcap->weighted) || !serve_later(rcap, &asked))
		owner_run(rcap, &asked);
}
