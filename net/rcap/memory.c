// SPDX-License-Identifier: BSD-2-Clause
// Operations on the owner's memory. The check comes first and touches nothing;
// then the operation cannot fail, but for MCAS on words that others never leave
// alone: that is BUSY, and its number stays fresh.
//
// MCAS, FETCH_ADD and the word of PUTV are atomic with what the owner's own processors
// do; the pieces of PUTV and a chained WRITE are with other operations of the fabric
// only. A WRITE of several frames is placed part by part: each part once, each checked.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

static u8 *
place(const struct rcap *rcap, const struct rcap_export *entry, u64 offset)
{
	return rcap->config.memory + (entry->base << UNIT_BITS) + offset;
}

static void
changed(struct rcap *rcap, const u8 *at, u32 len)
{
	rcap_host_changed(rcap->host, (u64)(at - rcap->config.memory), len);
}

void
run_read(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);

	if (code != CODE_NONE)
		owner_refuse(rcap, asked, code);
	else
		owner_ran(rcap, asked,
			  place(rcap, asked->entry, asked->request->offset),
			  asked->request->length);
}

// The first part that comes says what the number is; a part that says otherwise
// is no part of it.
static bool
part_joins(struct link_slot *slot, const struct wire_request *request)
{
	if (slot->state == LINK_SLOT_FRESH) {
		slot->op = request->op;
		slot->length = request->length;
		return true;
	}
	return slot->length == request->length;
}

// Places those of the request's parts that were not placed before: when the path
// turns out to carry long frames, a write may come in parts first and then whole.
static void
parts_place(struct rcap *rcap, const struct asked *asked, u32 parts)
{
	const struct wire_request *request = asked->request;
	u8 *to = place(rcap, asked->entry, request->offset);

	for (; parts; parts &= parts - 1) {
		u32 part = (u32)__builtin_ctz(parts);
		u64 from = wire_part_at(part - request->part);
		u32 len = wire_part_len(request->length, false, part);

		ASSERT(from + len <= asked->payload_len);
		__builtin_memcpy(to + wire_part_at(part), asked->payload + from, len);
		changed(rcap, to + wire_part_at(part), len);
	}
}

void
run_write(struct rcap *rcap, struct asked *asked)
{
	const struct wire_request *request = asked->request;
	struct link_slot *slot = asked->slot;
	u32 all = (1u << wire_parts(request->length, false)) - 1;
	u32 fresh = request->flags & WIRE_FLAG_WHOLE ? all : 1u << request->part;
	enum wire_code code;

	if (!part_joins(slot, request)) {
		drop_count(rcap, asked->now, RCAP_DROP_LENGTH, asked->peer,
			   slot->number);
		return;
	}
	if (!PLANTED(BUG_PLACED_AGAIN))
		fresh &= ~(u32)slot->held;
	if (SOMETIMES_IF(PART_AGAIN, !fresh)) {
		owner_say(rcap, asked, STATUS_PENDING, CODE_NONE);
		return;
	}
	code = owner_check(rcap, asked);
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	parts_place(rcap, asked, fresh);
	slot->state = LINK_SLOT_PARTS;
	slot->held |= (u8)fresh;
	if (slot->held == all ||
	    (PLANTED(BUG_LAST_PART) && all >> (request->part + 1) == 0))
		owner_ran(rcap, asked, asked->payload, 0);
}

// ---- MCAS

static void
clause_at(const struct asked *asked, u32 index, struct wire_clause *clause)
{
	wire_clause_load(clause, asked->payload + (u64)index * WIRE_LENGTH(clause));
}

static u32
clause_count(const struct asked *asked)
{
	return wire_pieces(asked->request, asked->payload_len);
}

// The first clause that matches, and what is to be stored then.
static u32
clause_find(const struct asked *asked, const u64 old[2], u64 next[2])
{
	struct wire_clause c;

	for (u32 i = 0; i < clause_count(asked); i++) {
		clause_at(asked, i, &c);
		if (((old[0] ^ c.compare_low) & c.compare_mask_low) ||
		    ((old[1] ^ c.compare_high) & c.compare_mask_high))
			continue;
		next[0] = (old[0] & ~c.swap_mask_low) |
			  (c.swap_low & c.swap_mask_low);
		next[1] = (old[1] & ~c.swap_mask_high) |
			  (c.swap_high & c.swap_mask_high);
		return i;
	}
	next[0] = old[0];
	next[1] = old[1];
	return WIRE_CLAUSE_NONE;
}

// The chained read of the clause that matched.
void
mcas_chain(const struct rcap *rcap, const struct asked *asked, const u8 **data,
	   u32 *length)
{
	struct wire_clause clause;

	*length = 0;
	if (asked->slot->clause >= clause_count(asked))
		return;
	clause_at(asked, asked->slot->clause, &clause);
	if (clause.chain != CHAIN_READ ||
	    clause.chain_offset + clause.chain_length > entry_bytes(asked->entry))
		return;
	*data = place(rcap, asked->entry, clause.chain_offset);
	*length = clause.chain_length;
}

// What the clause that matched changes besides the word. Once: its number is used.
static void
mcas_chain_effect(struct rcap *rcap, const struct asked *asked)
{
	struct wire_clause clause;
	u8 *at;

	if (asked->slot->clause >= clause_count(asked))
		return;
	clause_at(asked, asked->slot->clause, &clause);
	if (clause.chain == CHAIN_READ || !clause.chain_length)
		return;
	at = place(rcap, asked->entry, clause.chain_offset);
	if (clause.chain == CHAIN_WRITE)
		__builtin_memcpy(at, asked->payload + (u64)clause_count(asked) *
						      WIRE_LENGTH(clause),
				 clause.chain_length);
	else
		__atomic_fetch_add((u32 *)(void *)at, 1, __ATOMIC_SEQ_CST);
	changed(rcap, at, clause.chain_length);
}

static bool
chains_in_range(const struct asked *asked)
{
	struct wire_clause clause;

	for (u32 i = 0; i < clause_count(asked); i++) {
		clause_at(asked, i, &clause);
		if (clause.chain_length &&
		    clause.chain_offset + clause.chain_length >
			    entry_bytes(asked->entry))
			return false;
	}
	return true;
}

static bool
swap8(u64 *at, u64 expected[2], const u64 next[2])
{
	return __atomic_compare_exchange_n(at, &expected[0], next[0], false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// What was there and which clause matched are left in the slot. A store of what
// was there already shows that 16 bytes were read in one piece.
static bool
compare_and_swap(struct rcap *rcap, struct asked *asked, u64 *at)
{
	bool wide = asked->request->length == 16;
	u64 old[2] = { __atomic_load_n(at, __ATOMIC_SEQ_CST),
		       wide ? __atomic_load_n(at + 1, __ATOMIC_SEQ_CST) : 0 };
	u64 next[2];

	if (FAULT_POINT(SWAP_LOST))
		return false;
	for (u32 tries = 0; tries < CAS_TRIES; tries++) {
		u32 clause = clause_find(asked, old, next);

		if (wide ? rcap_host_cas16(rcap->host, at, old, next)
			 : clause == WIRE_CLAUSE_NONE || swap8(at, old, next)) {
			asked->slot->clause = (u8)clause;
			asked->slot->old[0] = old[0];
			asked->slot->old[1] = old[1];
			return true;
		}
	}
	return false;
}

void
run_mcas(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	const u8 *data = asked->payload;
	u32 length;
	u8 *at;

	if (code == CODE_NONE && !chains_in_range(asked))
		code = CODE_RANGE;
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	at = place(rcap, asked->entry, asked->request->offset);
	if (!compare_and_swap(rcap, asked, (u64 *)(void *)at)) {
		owner_say(rcap, asked, STATUS_BUSY, CODE_NONE);
		return;
	}
	if (asked->slot->clause != WIRE_CLAUSE_NONE)
		changed(rcap, at, asked->request->length);
	mcas_chain_effect(rcap, asked);
	mcas_chain(rcap, asked, &data, &length);
	owner_ran(rcap, asked, data, length);
}

void
run_fetch_add(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct wire_addend addend;
	u8 *at;

	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	wire_addend_load(&addend, asked->payload);
	at = place(rcap, asked->entry, asked->request->offset);
	asked->slot->old[0] = __atomic_fetch_add((u64 *)(void *)at, addend.value,
						 __ATOMIC_SEQ_CST);
	changed(rcap, at, 8);
	owner_ran(rcap, asked, asked->payload, 0);
}

void
run_notify(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	u8 *at;

	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	at = place(rcap, asked->entry, asked->request->offset);
	__atomic_fetch_add((u32 *)(void *)at, 1, __ATOMIC_SEQ_CST);
	changed(rcap, at, 4);
	owner_ran(rcap, asked, asked->payload, 0);
}

// ---- several pieces

// Piece `index` of those that begin at `first` in the payload. False: out of range.
static bool
piece_at(const struct asked *asked, u32 first, u32 index, struct wire_piece *piece)
{
	u64 bytes = entry_bytes(asked->entry), base = asked->request->offset;

	wire_piece_load(piece, asked->payload + first +
			       (u64)index * WIRE_LENGTH(piece));
	return piece->offset <= bytes && base <= bytes - piece->offset &&
	       piece->length <= bytes - piece->offset - base;
}

static enum wire_code
pieces_check(const struct asked *asked, u32 first)
{
	struct wire_piece piece;

	for (u32 i = 0; i < asked->request->pieces; i++) {
		if (!piece_at(asked, first, i, &piece))
			return CODE_RANGE;
	}
	return CODE_NONE;
}

void
run_readv(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct wire_piece piece;
	u8 *to = rcap->scratch;

	if (code == CODE_NONE)
		code = pieces_check(asked, 0);
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	for (u32 i = 0; i < asked->request->pieces; i++) {
		bool inside = piece_at(asked, 0, i, &piece);

		ASSERT(inside);							// R2
		ASSERT(to + piece.length <= rcap->scratch + WIRE_DATA_MAX);
		__builtin_memcpy(to, place(rcap, asked->entry, asked->request->offset +
							      piece.offset),
				 piece.length);
		to += piece.length;
	}
	owner_ran(rcap, asked, rcap->scratch, asked->request->length);
}

// Places all pieces; their data stand behind them.
static void
pieces_place(struct rcap *rcap, const struct asked *asked, u32 first)
{
	const u8 *from = asked->payload + first +
			 (u64)asked->request->pieces * WIRE_LENGTH(piece);
	struct wire_piece piece;

	for (u32 i = 0; i < asked->request->pieces; i++) {
		bool inside = piece_at(asked, first, i, &piece);
		u8 *to = place(rcap, asked->entry,
			       asked->request->offset + piece.offset);

		ASSERT(inside);							// R2
		ASSERT(from + piece.length <= asked->payload + asked->payload_len);
		__builtin_memcpy(to, from, piece.length);
		changed(rcap, to, piece.length);
		from += piece.length;
	}
}

// The word counts on behind the pieces: who sees its new value sees them.
void
run_putv(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = owner_check(rcap, asked);
	struct wire_change change;
	u64 *word, old;

	if (code == CODE_NONE)
		code = pieces_check(asked, WIRE_LENGTH(change));
	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	wire_change_load(&change, asked->payload);
	word = (u64 *)(void *)place(rcap, asked->entry, asked->request->offset);
	old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	asked->slot->clause = WIRE_CLAUSE_NONE;
	SOMETIMES_WHEN(PUT_UNMATCHED, (old ^ change.compare) & change.compare_mask);
	if (!((old ^ change.compare) & change.compare_mask) || PLANTED(BUG_PUT_ANYWAY)) {
		asked->slot->clause = 0;
		pieces_place(rcap, asked, WIRE_LENGTH(change));
		old = __atomic_fetch_add(word, change.add, __ATOMIC_SEQ_CST);
		changed(rcap, (u8 *)word, sizeof(*word));
	}
	asked->slot->old[0] = old;
	owner_ran(rcap, asked, asked->payload, 0);
}
