// SPDX-License-Identifier: BSD-2-Clause
// Operations on the owner's disk blocks. Each has a ticket with a page of the
// staging pool: a read lands there and is sent from it, a write gathers its parts
// there and goes to the device when it is whole.
//
// A ticket that the device works for outlives everything: its session, its
// request, its capability. What is at work then has passed the check before; its
// answer goes nowhere, and until it has come back no new session begins with
// that peer (links_hold).
//
// One that waits for parts has its page for GATHER_NS; then it goes when somebody else
// wants one, and the parts are asked for again.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

#define GATHER_NS LINK_LEASE_NS

static u8 *
page_of(const struct rcap *rcap, u32 ticket)
{
	return rcap->config.staging + ((u64)ticket << UNIT_BITS);
}

void
ticket_drop(struct rcap *rcap, u32 ticket)
{
	ASSERT(ticket < rcap->config.staging_count);
	rcap->ticket[ticket] = (struct rcap_ticket){ .state = TICKET_FREE };
}

// Gathering tickets whose number or session is gone are free again.
void
tickets_sweep(struct rcap *rcap)
{
	for (u32 i = 0; i < rcap->config.staging_count; i++) {
		const struct rcap_ticket *t = &rcap->ticket[i];
		const struct link_slot *slot;

		if (t->state != TICKET_GATHER &&
		    !(t->state == TICKET_RUNNING && PLANTED(BUG_DEVICE_FREED)))
			continue;
		slot = links_session(rcap->links, t->peer) == t->session
			       ? links_slot(rcap->links, t->peer, t->number) : NULL;
		if (SOMETIMES_IF(TICKET_SWEPT, !slot || slot->state != LINK_SLOT_PARTS ||
					       slot->ticket != i))
			ticket_drop(rcap, i);
	}
}

// What was begun long ago is as if no part of it had come.
static void
gathers_end(struct rcap *rcap, u64 now)
{
	for (u32 i = 0; i < rcap->config.staging_count; i++) {
		const struct rcap_ticket *t = &rcap->ticket[i];
		struct link_slot *slot;

		if (t->state != TICKET_GATHER || now < t->began + GATHER_NS)
			continue;
		slot = links_slot(rcap->links, t->peer, t->number);
		ASSERT(slot && slot->state == LINK_SLOT_PARTS && slot->ticket == i);
		slot->state = LINK_SLOT_FRESH;
		slot->held = 0;
		slot->ticket = 0;
		ticket_drop(rcap, i);
	}
}

// A free ticket, as long as the peer has less than half of them.
static u32
ticket_find(const struct rcap *rcap, u16 peer)
{
	u32 found = RCAP_NONE, theirs = 0;

	if (FAULT_POINT(TICKETS_FULL))
		return RCAP_NONE;
	for (u32 i = 0; i < rcap->config.staging_count; i++) {
		if (rcap->ticket[i].state == TICKET_FREE)
			found = i;
		else
			theirs += rcap->ticket[i].peer == peer;
	}
	return theirs < (rcap->config.staging_count + 1) / 2 ? found : RCAP_NONE;
}

static u32
ticket_take(struct rcap *rcap, const struct asked *asked)
{
	u32 ticket = ticket_find(rcap, asked->peer);

	if (ticket == RCAP_NONE) {
		tickets_sweep(rcap);
		gathers_end(rcap, asked->now);
		ticket = ticket_find(rcap, asked->peer);
	}
	if (SOMETIMES_IF(TICKETS_OUT, ticket == RCAP_NONE))
		return ticket;
	rcap->ticket[ticket] = (struct rcap_ticket){
		.began = asked->now,
		.number = asked->slot->number,
		.session = links_session(rcap->links, asked->peer),
		.peer = asked->peer,
		.state = TICKET_GATHER,
		.op = asked->request->op,
		.whole = asked->request->flags & WIRE_FLAG_WHOLE,
	};
	asked->slot->ticket = ticket;
	return ticket;
}

// Gives a ticket to the device. False: its queue is full, nothing has changed.
static bool
start(struct rcap *rcap, const struct asked *asked, u32 ticket)
{
	const struct wire_request *request = asked->request;
	struct rcap_ticket *t = &rcap->ticket[ticket];

	t->block = asked->entry->base + (request->offset >> UNIT_BITS);
	t->count = request->length >> UNIT_BITS;
	if (!rcap_host_block(rcap->host, ticket, (enum wire_op)request->op,
			     t->block, (u32)t->count, page_of(rcap, ticket))) {
		SOMETIMES(DEVICE_BUSY);
		return false;
	}
	t->state = TICKET_RUNNING;
	owner_use(rcap, asked, request->op == OP_BLOCK_READ ? BLOCK_BYTES : 0);
	t->began = asked->now;
	t->slot = request->slot;
	t->generation = asked->entry->generation;
	asked->slot->op = request->op;
	asked->slot->state = LINK_SLOT_RUNNING;
	links_hold(rcap->links, asked->peer);
	links_taken(rcap->links, asked->peer, asked->slot->number);
	return true;
}

// What has no data to gather: BLOCK_READ, BLOCK_FLUSH, BLOCK_TRIM, BLOCK_ZERO.
void
run_block(struct rcap *rcap, struct asked *asked)
{
	enum wire_op op = (enum wire_op)asked->request->op;
	enum wire_code code = owner_check(rcap, asked);
	u32 ticket;

	if (code == CODE_NONE && (op == OP_BLOCK_TRIM || op == OP_BLOCK_ZERO) &&
	    !rcap_host_able(rcap->host, op))
		code = CODE_UNABLE;
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	if (PLANTED(BUG_FLUSH_EARLY) && asked->request->op == OP_BLOCK_FLUSH) {
		owner_ran(rcap, asked, asked->payload, 0);
		return;
	}
	ticket = ticket_take(rcap, asked);
	if (ticket != RCAP_NONE && start(rcap, asked, ticket))
		return;
	if (ticket != RCAP_NONE)
		ticket_drop(rcap, ticket);
	owner_say(rcap, asked, STATUS_BUSY, CODE_NONE);
}

// A part comes into the staging page. False: there is none.
static bool
gather(struct rcap *rcap, struct asked *asked)
{
	const struct wire_request *request = asked->request;
	struct link_slot *slot = asked->slot;

	if (slot->state == LINK_SLOT_FRESH &&
	    ticket_take(rcap, asked) == RCAP_NONE)
		return false;
	slot->op = request->op;
	slot->state = LINK_SLOT_PARTS;
	ASSERT(rcap->ticket[slot->ticket].state == TICKET_GATHER);
	__builtin_memcpy(page_of(rcap, slot->ticket) + wire_part_at(request->part),
			 asked->payload, asked->payload_len);
	slot->held |= (u8)(1u << request->part);
	return true;
}

void
run_block_write(struct rcap *rcap, struct asked *asked)
{
	bool whole = asked->request->flags & WIRE_FLAG_WHOLE;
	u32 all = (1u << wire_parts(BLOCK_BYTES, false)) - 1;
	struct link_slot *slot = asked->slot;
	enum wire_code code = owner_check(rcap, asked);

	if (code != CODE_NONE) {
		if (SOMETIMES_IF(BLOCK_REVOKED, slot->state == LINK_SLOT_PARTS))
			ticket_drop(rcap, slot->ticket);
		slot->held = 0;
		owner_refuse(rcap, asked, code);
		return;
	}
	if (slot->held >> asked->request->part & 1 && slot->held != all && !whole) {
		owner_say(rcap, asked, STATUS_PENDING, CODE_NONE);
		return;
	}
	if (!gather(rcap, asked)) {
		owner_say(rcap, asked, STATUS_BUSY, CODE_NONE);
		return;
	}
	if (whole)
		slot->held = (u8)all;
	// When the device takes no more, the parts stay and the request is
	// repeated.
	if (slot->held == all && !start(rcap, asked, slot->ticket))
		owner_say(rcap, asked, STATUS_BUSY, CODE_NONE);
}

static void
finish(struct rcap *rcap, struct asked *asked, const struct rcap_ticket *t,
       const u8 *page, bool ok)
{
	struct link_slot *slot = asked->slot;
	bool read = t->op == OP_BLOCK_READ;

	slot->state = read ? LINK_SLOT_FRESH : LINK_SLOT_ANSWERED;
	slot->held = 0;
	slot->old[0] = slot->old[1] = 0;
	if (ok) {
		slot->status = STATUS_DONE;
		rcap->counters.executed[t->op]++;
		owner_worked(rcap, asked, t->slot, t->generation);
		owner_done(rcap, asked, page, read ? BLOCK_BYTES : 0);
		return;
	}
	SOMETIMES(BLOCK_FAILED);
	// A write that failed may have reached the medium in part.
	slot->status = read ? STATUS_NOT_DONE : STATUS_PARTIAL;
	slot->code = CODE_DEVICE;
	rcap->counters.refused[CODE_DEVICE]++;
	links_counts(rcap->links, asked->peer)->refused++;
	owner_say(rcap, asked, (enum wire_status)slot->status, CODE_DEVICE);
}

void
rcap_block_done(struct rcap *rcap, u64 now, u32 ticket, bool ok)
{
	struct rcap_ticket *t = &rcap->ticket[ticket];
	struct wire_request request = {
		.number = t->number,
		.op = t->op,
		.flags = t->whole,
	};
	struct asked asked = {
		.now = now,
		.peer = t->peer,
		.request = &request,
		.worked_ns = now - t->began,
	};

	ASSERT(ticket < rcap->config.staging_count);
	ASSERT(t->state == TICKET_RUNNING);
	links_release(rcap->links, t->peer);
	if (links_session(rcap->links, t->peer) == t->session)
		asked.slot = links_slot(rcap->links, t->peer, t->number);
	if (asked.slot && asked.slot->state == LINK_SLOT_RUNNING &&
	    asked.slot->ticket == ticket) {
		finish(rcap, &asked, t, page_of(rcap, ticket), ok);
	} else {
		SOMETIMES(TICKET_ORPHAN);
		drop_count(rcap, now, RCAP_DROP_ORPHAN, t->peer, t->number);
	}
	ticket_drop(rcap, ticket);
}

bool
rcap_blocks_busy(const struct rcap *rcap, u64 base, u64 count)
{
	for (u32 i = 0; i < rcap->config.staging_count; i++) {
		const struct rcap_ticket *t = &rcap->ticket[i];

		if (t->state == TICKET_RUNNING && t->block < base + count &&
		    base < t->block + t->count)
			return true;
	}
	return false;
}
