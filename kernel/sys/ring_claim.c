// SPDX-License-Identifier: BSD-2-Clause
// What rings receive and may send: the claims of the node (kernel/filter/claim.h),
// and the calls ring_filter, ring_unfilter and ring_narrow that change them.
//
// A claim is let in when a ring is bound or given another filter, and ends with its
// ring, with the claim that it narrows, or with the capability that was shown for
// that. A ring that may forge has no claim to send: nothing that others claim binds it,
// and it claims nothing from them.

#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/main/entropy.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/ring_state.h"

struct claims claims;

void
ring_claims_init(void)
{
	u64 key;

	// Without a source chains of the hash can be chosen; they are bounded still.
	if (!entropy_fill(&key, sizeof(key)))
		key = 0;
	claims_init(&claims, key);
}

// Rings that lost claims: who lost the one to send sends no more.
static void
lost(u32 which)
{
	for (; which; which &= which - 1) {
		u32 index = (u32)__builtin_ctz(which);
		struct ring *ring = &rings[index];

		ASSERT(ring->bound);
		ring->sends &= ring->egress.forges || claims_has(&claims, index, CLAIM_SEND);
		ring->info->filter_count = (u16)claims_filters(&claims, index);
		env_hint(ring->owner);
	}
}

void
ring_claims_end(u32 index)
{
	lost(claims_end_ring(&claims, index));
}

void
ring_guard_gone(u32 cap_node, u64 from)
{
	(void)from;
	lost(claims_end_guarded(&claims, cap_node));
}

// Finds the ring that a wish narrows; for sending it takes WRITE, to receive READ.
static i64
find_narrowed(const struct env *env, u32 slot, struct claim_wish *w)
{
	const struct cap *cap;
	u32 needed = w->sends ? CAP_WRITE : CAP_READ;
	i64 error;

	w->over = RING_NONE;
	if (slot == SLOT_NONE)
		return 0;
	error = cap_lookup(&caps, env->index, slot, CAP_RING, 0, &cap);
	if (error)
		return error;
	if (cap->rights & needed && cap->base != w->ring) {
		w->over = (u32)cap->base;
		w->guard = cap_node(&caps, cap);
	}
	return 0;
}

i64
ring_claim_check(const struct env *env, u32 narrows, const struct ring_atom *atoms,
		 u32 count, struct ring_claim *c)
{
	i64 error;

	c->wish.filter = (struct filter){ 0 };
	if (count > RING_ATOMS_MAX || !filter_add(&c->wish.filter, atoms, count))
		return -E_ARGUMENT;
	error = find_narrowed(env, narrows, &c->wish);
	return error ? error : claims_may(&claims, &c->wish, &c->under);
}

void
ring_claim_let_in(const struct ring_claim *c, u32 index)
{
	claims_let_in(&claims, &c->wish, index, c->under);
	rings[c->wish.ring].info->filter_count =
		(u16)claims_filters(&claims, c->wish.ring);
}

struct filter_checked {
	struct ring_claim claim;
	u32 index;
};

i64
check_own_ring(const struct call *call)
{
	const struct ring *ring = &rings[call->cap->base];

	if (ring->owner != call->env->index || !ring->receives)
		return -E_RIGHTS;
	return ring->running ? 0 : -E_STATE;
}

i64
check_ring_filter(struct call *call)
{
	struct filter_checked *c = CHECKED(call, struct filter_checked);
	struct ring_filter filter;
	i64 error = check_own_ring(call);

	if (error)
		return error;
	error = user_read(call->env, call->a[1], &filter, sizeof(filter));
	if (error)
		return error;
	c->claim.wish = (struct claim_wish){
		.ring = (u32)call->cap->base,
		.mac = rings[call->cap->base].egress.mac,
	};
	error = ring_claim_check(call->env, filter.narrows, filter.atom, filter.count,
				 &c->claim);
	if (error)
		return error;
	c->index = claims_room(&claims, c->claim.wish.ring);
	return SCARCE(c->index == CLAIM_NONE) ? -E_TABLE : 0;
}

i64
do_ring_filter(struct call *call)
{
	const struct filter_checked *c = CHECKED(call, struct filter_checked);

	ASSERT(c->index < RING_FILTERS_MAX);
	ring_claim_let_in(&c->claim, c->index);
	return c->index;
}

i64
check_ring_unfilter(struct call *call)
{
	i64 error = check_own_ring(call);

	if (error)
		return error;
	return call->a[1] < RING_FILTERS_MAX &&
	       claims_has(&claims, (u32)call->cap->base, (u32)call->a[1])
		       ? 0 : -E_ARGUMENT;
}

i64
do_ring_unfilter(struct call *call)
{
	lost(claims_end(&claims, (u32)call->cap->base, (u32)call->a[1]));
	return 0;
}

i64
check_ring_narrow(struct call *call)
{
	struct filter *narrowed = CHECKED(call, struct filter);
	struct ring_atom atoms[RING_ATOMS_MAX];
	u64 count = call->a[2];
	i64 error;

	if (count > RING_ATOMS_MAX)
		return -E_ARGUMENT;
	error = user_read(call->env, call->a[1], atoms, count * sizeof(atoms[0]));
	if (error)
		return error;
	*narrowed = rings[call->cap->base].egress.narrowed;
	return filter_add(narrowed, atoms, (u32)count) ? 0 : -E_ARGUMENT;
}

i64
do_ring_narrow(struct call *call)
{
	const struct filter *narrowed = CHECKED(call, struct filter);
	struct ring *ring = &rings[call->cap->base];

	ASSERT(ring->bound && filter_within(narrowed, &ring->egress.narrowed));
	egress_narrow(&ring->egress, narrowed);
	claims_narrow(&claims, (u32)call->cap->base, narrowed);
	return 0;
}
