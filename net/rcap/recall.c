// SPDX-License-Identifier: BSD-2-Clause
// Revocation that the holder sees: it is asked for units of its capability until a
// deadline, may give what it likes of its range's end (RELEASE) or all (DROP), and
// what it still has then is taken. Whether it hears of it plays no part in that: the
// owner waits for the time alone.
//
// A request that is lost is sent again by the link; one whose session ended, when
// there is one again, and one for which the holder has no room, each RETRY_NS, until the
// deadline. What was taken is told once more, so that the holder's node can say so to whom
// it concerns; such a record stays until it is heard, or the holder's node is in another
// life, or its place is wanted.
//
// Invariants, walked by rcap_check(): A1 an entry is asked for by one record at most;
// A2 none is open behind its deadline, once a tick has seen that; A3 what is told is
// gone.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

#define RETRY_NS (20 * NS_PER_MS)

static u32
record_of(const struct rcap *rcap, u32 entry)
{
	for (u32 i = 0; i < rcap->config.recalls_max && rcap->recalls_used; i++) {
		const struct rcap_recall *r = &rcap->recall[i];

		if (r->state != RECALL_FREE && r->slot == entry &&
		    r->generation == rcap->exports[entry].generation)
			return i;
	}
	return RCAP_NONE;
}

static void
record_free(struct rcap *rcap, struct rcap_recall *r)
{
	ASSERT(r->state != RECALL_FREE && rcap->recalls_used > 0);
	*r = (struct rcap_recall){ .turn = r->turn + 1 };
	rcap->recalls_used--;
}

// A free record; with `evict`, one that only tells something makes room.
static u32
record_find(struct rcap *rcap, bool evict)
{
	u32 found = RCAP_NONE;

	if (!evict && rcap->recalls_used == rcap->config.recalls_max)
		return RCAP_NONE;
	for (u32 i = 0; i < rcap->config.recalls_max; i++) {
		if (rcap->recall[i].state == RECALL_FREE)
			return i;
		if (rcap->recall[i].state == RECALL_TELL)
			found = i;
	}
	if (!evict || found == RCAP_NONE)
		return RCAP_NONE;
	SOMETIMES(RECALL_EVICTED);
	rcap->counters.untold++;
	record_free(rcap, &rcap->recall[found]);
	return found;
}

static void
record_fill(struct rcap *rcap, u32 index, u32 entry, enum recall_state state, u64 keep)
{
	const struct rcap_export *e = &rcap->exports[entry];
	struct rcap_recall *r = &rcap->recall[index];

	ASSERT(r->state == RECALL_FREE && keep < e->count);
	*r = (struct rcap_recall){
		.keep = keep,
		.had = e->count,
		.incarnation = e->incarnation,
		.environment = e->environment,
		.slot = entry,
		.generation = e->generation,
		.turn = r->turn + 1,
		.peer = e->peer,
		.state = (u8)state,
	};
	rcap->recalls_used++;
	rcap->chores_at = 0;
}

// Sends it, if it can be now.
static void
record_send(struct rcap *rcap, u64 now, u32 index)
{
	struct rcap_recall *r = &rcap->recall[index];

	if (r->heard || r->under_way || now < r->retry_at ||
	    !links_session(rcap->links, r->peer))
		return;
	SOMETIMES_WHEN(RECALL_AGAIN, r->retry_at);
	r->retry_at = now + RETRY_NS;
	// Room for GRANTs stays.
	if (!room_for_word(rcap, r->peer, (rcap->config.grants_max + 1) / 2))
		return;
	r->turn++;
	r->under_way = true;
	recall_submit(rcap, index);
	peer_dispatch(rcap, now, r->peer);
}

// The node of the holder has answered, or cannot; or its session is over.
void
recall_ended(struct rcap *rcap, u64 now, const struct rcap_op *op)
{
	struct rcap_recall *r = &rcap->recall[op->tag];

	ASSERT(op->tag < rcap->config.recalls_max);
	if (r->state == RECALL_FREE || r->turn != op->entry_generation)
		return;
	r->under_way = false;
	// CODE_TABLE: for who holds it there is no room for one more request now.
	r->heard = op->outcome == RCAP_DONE ||
		   (op->outcome == RCAP_NOT_DONE && op->code != CODE_PEER &&
		    op->code != CODE_WINDOWS && op->code != CODE_TABLE);
	r->retry_at = now + RETRY_NS;
	rcap->chores_at = 0;
}

// ---- the end of a request

// It is over: `taken` units go by force now, the rest of what was asked for is here
// already.
static void
finish(struct rcap *rcap, struct rcap_recall *r, u64 taken)
{
	const struct rcap_export *e = &rcap->exports[r->slot];
	struct rcap_recalled recalled = {
		.tag = r->tag,
		.first = e->base + r->keep,
		.taken = taken,
		.given = r->had - r->keep - taken,
		.incarnation = r->incarnation,
		.environment = r->environment,
		.peer = r->peer,
		.type = e->type,
		.rights = e->rights,
	};

	ASSERT(r->state == RECALL_ASK && taken <= r->had - r->keep);
	rcap->counters.recalled += recalled.given;
	rcap->counters.forced += taken;
	r->turn++;			// what is under way of it is nobody's
	r->state = RECALL_TELL;
	r->under_way = r->heard = false;
	r->retry_at = 0;
	if (!taken || PLANTED(BUG_TAKEN_UNTOLD))
		record_free(rcap, r);
	rcap_host_recalled(rcap->host, &recalled);
}

// The deadline.
static void
take(struct rcap *rcap, struct rcap_recall *r)
{
	struct rcap_export *e = &rcap->exports[r->slot];
	u64 keep = r->keep;
	u8 rights = e->rights;
	u64 left = rcap_host_walk(rcap->host, e->node, e->node_generation, &rights)
			   ? e->count : 0;

	ASSERT(e->type != TYPE_NONE && e->generation == r->generation);
	finish(rcap, r, left > keep ? left - keep : 0);
	if (left <= keep)
		return;
	SOMETIMES(RECALL_TAKEN);
	e->told = true;
	if (!keep) {
		rcap_host_revoke(rcap->host, e->node, true);
		return;
	}
	SOMETIMES(RECALL_PART_TAKEN);
	rcap_host_shorten(rcap->host, e->node, keep);
	e->told = false;
}

// An entry is about to go, by whatever way.
void
recall_gone(struct rcap *rcap, u32 index)
{
	u32 record = record_of(rcap, index);

	if (SOMETIMES_IF(RECALL_GIVEN, record != RCAP_NONE &&
				       rcap->recall[record].state == RECALL_ASK))
		finish(rcap, &rcap->recall[record], 0);
}

// ---- what the owner's side loses

static void
tell(struct rcap *rcap, u32 index, u64 keep)
{
	struct rcap_export *e = &rcap->exports[index];
	u32 record = record_of(rcap, index);

	if (e->told || links_incarnation(rcap->links, e->peer) != e->incarnation)
		return;
	// What it was asked for, and what is gone besides, it learns at once.
	if (record == RCAP_NONE)
		record = record_find(rcap, false);
	else if (rcap->recall[record].state == RECALL_TELL)
		record_free(rcap, &rcap->recall[record]);
	else
		record = RCAP_NONE;
	if (record == RCAP_NONE)
		rcap->counters.untold++;
	else
		record_fill(rcap, record, index, RECALL_TELL, keep);
}

void
rcap_shortened(struct rcap *rcap, u32 entry, u64 count)
{
	struct rcap_export *e = &rcap->exports[entry];
	u32 record;

	ASSERT(entry < rcap->exports_fresh && e->type != TYPE_NONE);
	ASSERT(count > 0 && count < e->count);
	record = record_of(rcap, entry);
	if (record != RCAP_NONE && rcap->recall[record].state == RECALL_ASK &&
	    count <= rcap->recall[record].keep)
		finish(rcap, &rcap->recall[record], 0);
	tell(rcap, entry, count);
	if (PLANTED(BUG_SHORT_ENTRY))
		return;
	e->count = count;
	rcap->uses[entry].count = count;
}

void
rcap_taken(struct rcap *rcap, u32 entry)
{
	ASSERT(entry < rcap->exports_fresh &&
	       rcap->exports[entry].type != TYPE_NONE);
	recall_gone(rcap, entry);
	tell(rcap, entry, 0);
	rcap->exports[entry].told = true;
}

// ---- asking

// One granter has at most three times as many open as it leaves to others.
static bool
room_to_ask(const struct rcap *rcap, u16 granter)
{
	u32 left = rcap->config.recalls_max, has = 0;

	for (u32 i = 0; i < rcap->config.recalls_max; i++) {
		const struct rcap_recall *r = &rcap->recall[i];

		if (r->state != RECALL_ASK)
			continue;
		left--;
		has += rcap->exports[r->slot].granter == granter;
	}
	return has < 3 * left;
}

enum wire_code
rcap_recall(struct rcap *rcap, u64 now, const struct rcap_ask *ask)
{
	const struct rcap_export *e = &rcap->exports[ask->entry];
	u32 record = record_of(rcap, ask->entry);

	ASSERT(ask->entry < rcap->exports_fresh && e->type != TYPE_NONE && ask->count);
	ASSERT(ask->deadline <= now + RCAP_ASK_MAX_NS);
	if (record != RCAP_NONE && rcap->recall[record].state == RECALL_ASK)
		return CODE_ASKED;
	if (!room_to_ask(rcap, e->granter))
		return CODE_TABLE;
	// What it was to be told it may not learn, if it gives back the rest.
	rcap->counters.untold += record != RCAP_NONE;
	if (record == RCAP_NONE)
		record = record_find(rcap, true);
	else
		record_free(rcap, &rcap->recall[record]);
	if (record == RCAP_NONE)
		return CODE_TABLE;
	record_fill(rcap, record, ask->entry, RECALL_ASK,
		    e->count - MIN(ask->count, e->count));
	rcap->recall[record].tag = ask->tag;
	rcap->recall[record].deadline = ask->deadline;
	rcap->counters.recalls++;
	record_send(rcap, now, record);
	return CODE_NONE;
}

// When a record wants to be looked at again.
static u64
record_due(const struct rcap *rcap, const struct rcap_recall *r)
{
	u64 due = r->state == RECALL_ASK ? r->deadline : NEVER;

	if (r->state == RECALL_FREE)
		return NEVER;
	if (!r->heard && !r->under_way && links_session(rcap->links, r->peer))
		due = MIN(due, r->retry_at);
	return due;
}

static void
record_work(struct rcap *rcap, u64 now, u32 index)
{
	struct rcap_recall *r = &rcap->recall[index];

	if (r->state == RECALL_ASK && now >= r->deadline &&
	    (r->heard || !PLANTED(BUG_RECALL_WAITS)))
		take(rcap, r);
	if (r->state == RECALL_TELL &&
	    (r->heard || links_incarnation(rcap->links, r->peer) != r->incarnation)) {
		rcap->counters.untold += !r->heard;
		record_free(rcap, r);
	}
	if (r->state != RECALL_FREE)
		record_send(rcap, now, index);
}

void
recalls_work(struct rcap *rcap, u64 now)
{
	u64 due = rcap->sweep < rcap->exports_fresh ? 0 : NEVER;

	rcap->chores_at = NEVER;
	for (u32 i = 0; i < rcap->config.recalls_max && rcap->recalls_used; i++)
		record_work(rcap, now, i);
	for (u32 i = 0; i < rcap->config.recalls_max && rcap->recalls_used; i++)
		due = MIN(due, record_due(rcap, &rcap->recall[i]));
	rcap->chores_at = MIN(rcap->chores_at, due);
}

// ---- operations

// At the holder's node. The newest clock of the sender's that has come is not before
// the one of this frame, so that one that was long on its way asks for as little time
// as there is.
void
run_recall(struct rcap *rcap, struct asked *asked)
{
	struct wire_recall recall;
	struct rcap_remote remote;
	enum wire_code code;
	u64 deadline = asked->now;
	i32 left;

	wire_recall_load(&recall, asked->payload);
	remote = (struct rcap_remote){
		.incarnation = links_incarnation(rcap->links, asked->peer),
		.slot = recall.slot,
		.generation = recall.generation,
		.peer = asked->peer,
	};
	left = (i32)(recall.deadline - links_clock(rcap->links, asked->peer));
	if (!recall.gone && left > 0)
		deadline += (u32)left * NS_PER_US;
	code = rcap_host_asked(rcap->host, &remote, &recall, deadline);
	if (code != CODE_NONE)
		owner_refuse(rcap, asked, code);
	else
		owner_ran(rcap, asked, asked->payload, 0);
}

// At the owner: the holder keeps its first units.
void
run_release(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct rcap_export *e = asked->entry;
	u64 keep = asked->request->offset;

	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	if (keep < e->count) {
		e->told = true;
		if (SOMETIMES_IF(RELEASE_PART, keep)) {
			rcap_host_shorten(rcap->host, e->node, keep);
			e->told = false;
		} else {
			rcap_host_revoke(rcap->host, e->node, true);
		}
	}
	owner_ran(rcap, asked, asked->payload, 0);
}
