// SPDX-License-Identifier: BSD-2-Clause
// The rules of claims. The contract is in claim.h.
//
// Which ring has authority over which is not kept: it follows from what lies within
// what and what is newer (M1), so that the end of a ring leaves nothing to repair.

#include "kernel/filter/claim.h"
#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"

void
claims_init(struct claims *c, u64 key)
{
	c->next_number = 0;
	for (u32 i = 0; i < CLAIMS_MAX; i++)
		c->claim[i] = (struct claim){ 0 };
	trie_init(&c->trie, key);
}

static u32
ring_of(u32 claim)
{
	return claim / CLAIMS_A_RING;
}

static bool
sends(u32 claim)
{
	return claim % CLAIMS_A_RING == CLAIM_SEND;
}

static u32
entry_of(u32 claim)
{
	ASSERT(!sends(claim));
	return ring_of(claim) * RING_FILTERS_MAX + claim % CLAIMS_A_RING;
}

// Is it in use, of that direction and address?
static bool
alike(const struct claims *c, u32 claim, bool sending, u64 mac)
{
	return c->claim[claim].used && sends(claim) == sending &&
	       c->claim[claim].mac == mac;
}

// The narrowest claim that a wish lies within, of the ring that it shows authority
// over or of its own; of equal ones the newest. CLAIM_NONE: there is none.
static u32
find_under(const struct claims *c, const struct claim_wish *w)
{
	u32 found = CLAIM_NONE;

	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		const struct claim *x = &c->claim[i];

		if (!alike(c, i, w->sends, w->mac) ||
		    (ring_of(i) != w->over && ring_of(i) != w->ring) ||
		    !filter_within(&w->filter, &x->filter))
			continue;
		if (found == CLAIM_NONE ||
		    x->number > c->claim[found].number)
			found = i;
	}
	return found;
}

i64
claims_may(const struct claims *c, const struct claim_wish *w, u32 *under)
{
	const struct claim *base;

	*under = find_under(c, w);
	base = *under == CLAIM_NONE ? NULL : &c->claim[*under];
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		const struct claim *x = &c->claim[i];

		if (!alike(c, i, w->sends, w->mac) || ring_of(i) == w->ring ||
		    !filter_overlap(&w->filter, &x->filter))
			continue;
		if (!filter_within(&w->filter, &x->filter))
			return -E_TAKEN;
		// What is newer than the base was let in past it. What is older let
		// the base in: both meet what is asked for (M1).
		if (ring_of(i) != w->over &&
		    (!base || x->number > base->number))
			return -E_TAKEN;
	}
	return 0;
}

u32
claims_room(const struct claims *c, u32 ring)
{
	for (u32 i = 0; i < RING_FILTERS_MAX; i++) {
		if (!c->claim[ring * CLAIMS_A_RING + i].used)
			return i;
	}
	return CLAIM_NONE;
}

void
claims_let_in(struct claims *c, const struct claim_wish *w, u32 index, u32 under)
{
	u32 claim = w->ring * CLAIMS_A_RING + index;
	u32 guard = under == CLAIM_NONE ? CLAIM_UNGUARDED : w->guard;

	ASSERT(w->ring < RINGS_MAX && index < CLAIMS_A_RING);
	ASSERT(!c->claim[claim].used && sends(claim) == w->sends);
	if (under != CLAIM_NONE && ring_of(under) == w->ring) {
		guard = c->claim[under].guard;
		under = c->claim[under].under;
	}
	c->claim[claim] = (struct claim){
		.used = true,
		.under = under,
		.guard = guard,
		.mac = w->mac,
		.number = c->next_number++,
		.filter = w->filter,
	};
	if (!w->sends)
		trie_put(&c->trie, entry_of(claim), w->mac, &w->filter);
}

void
claims_narrow(struct claims *c, u32 ring, const struct filter *narrowed)
{
	struct claim *x = &c->claim[ring * CLAIMS_A_RING + CLAIM_SEND];

	if (!x->used)
		return;
	ASSERT(filter_within(narrowed, &x->filter));
	x->filter = *narrowed;
}

// Ends the claims from `first` on, or those of them that were let in under a guard, with
// all that stand on them; returns the rings that lost one, as bits. Each round but the
// last marks one at least.
static u32
end_claims(struct claims *c, u32 first, u32 count, u32 guard)
{
	bool marked[CLAIMS_MAX] = { false };
	bool more = false;
	u32 rings = 0;

	for (u32 i = first; i < first + count; i++) {
		marked[i] = c->claim[i].used && (guard == CLAIM_UNGUARDED ||
						 c->claim[i].guard == guard);
		more |= marked[i];
	}
	for (u32 round = 0; more; round++) {
		ASSERT(round <= CLAIMS_MAX);
		more = false;
		for (u32 i = 0; i < CLAIMS_MAX; i++) {
			const struct claim *x = &c->claim[i];

			if (x->used && !marked[i] && x->under != CLAIM_NONE &&
			    marked[x->under])
				marked[i] = more = true;
		}
	}
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		if (!marked[i])
			continue;
		c->claim[i].used = false;
		rings |= 1u << ring_of(i);
		if (!sends(i))
			trie_take(&c->trie, entry_of(i));
	}
	return rings;
}

u32
claims_end(struct claims *c, u32 ring, u32 index)
{
	ASSERT(c->claim[ring * CLAIMS_A_RING + index].used);
	return end_claims(c, ring * CLAIMS_A_RING + index, 1, CLAIM_UNGUARDED);
}

u32
claims_end_ring(struct claims *c, u32 ring)
{
	ASSERT(ring < RINGS_MAX);
	return end_claims(c, ring * CLAIMS_A_RING, CLAIMS_A_RING, CLAIM_UNGUARDED);
}

u32
claims_end_guarded(struct claims *c, u32 guard)
{
	ASSERT(guard != CLAIM_UNGUARDED);
	return end_claims(c, 0, CLAIMS_MAX, guard);
}

bool
claims_has(const struct claims *c, u32 ring, u32 index)
{
	ASSERT(ring < RINGS_MAX && index < CLAIMS_A_RING);
	return c->claim[ring * CLAIMS_A_RING + index].used;
}

u32
claims_filters(const struct claims *c, u32 ring)
{
	u32 count = 0;

	for (u32 i = 0; i < RING_FILTERS_MAX; i++)
		count += claims_has(c, ring, i);
	return count;
}
