// SPDX-License-Identifier: BSD-2-Clause
// Leases for what a holder keeps copies of. The owner cannot reach a copy, but it runs
// nothing by a capability that it has taken back: so a read that it did run proves that
// the capability was good when that read was submitted, or later. While a lease lasts,
// one byte is read by its capability each RENEW_NS, and the copy may be used until
// RCAP_LEASE_NS, less the margin, after the *submission* of the last such read that was
// done. Whatever has died or is cut off: when the owner's clock has gone on by
// RCAP_LEASE_NS since it took the capability back, there is no copy any more.
//
// The owner keeps nothing for this, its check has no step more, and owners of all
// versions can be proven by. Clocks need not agree, only run alike: the holder ends a
// lease RCAP_LEASE_MARGIN_NS early, for two clocks that differ and for the host to take
// the copy away.
//
// Invariants, walked by rcap_check(): B1 a lease has one read on its way at most, and a
// record of its own for it; B2 what is proven ends no later than RCAP_LEASE_NS, less the
// margin, after the newest read was submitted.

#include "kernel/base/assert.h"
#include "net/rcap/state.h"

#define RENEW_NS (RCAP_LEASE_NS / 4)
#define AGAIN_NS (RCAP_LEASE_NS / 16)	// when a read came to nothing
#define LASTS_NS (RCAP_LEASE_NS - RCAP_LEASE_MARGIN_NS)

// A free one, or RCAP_NONE. An owner that leaves reads unanswered which nobody waits for any
// more has, with those that are to be proven, at most three times what it leaves to others.
static u32
find_room(const struct rcap *rcap, u16 peer)
{
	u32 found = RCAP_NONE, left = 0, waits = 0, idle = 0;

	for (u32 i = 0; i < rcap->config.leases_max; i++) {
		const struct rcap_lease *l = &rcap->lease[i];

		if (l->state == LEASE_FREE && !l->under_way) {
			found = found == RCAP_NONE ? i : found;
			left++;
		} else if (l->peer == peer) {
			idle += l->state == LEASE_FREE;
			waits += l->state != LEASE_PROVEN;
		}
	}
	return !idle || waits < 3 * left ? found : RCAP_NONE;
}

u32
rcap_lease(struct rcap *rcap, const struct rcap_lease_terms *terms)
{
	const struct rcap_remote *remote = &terms->remote;
	struct rcap_lease *l = rcap->lease;
	u32 index = find_room(rcap, remote->peer);

	ASSERT(remote->peer < links_peers_max(rcap->links));
	if (index == RCAP_NONE)
		return RCAP_NONE;
	l[index] = (struct rcap_lease){
		.incarnation = remote->incarnation,
		.offset = terms->offset,
		.environment = terms->environment,
		.slot = remote->slot,
		.generation = remote->generation,
		.tag = terms->tag,
		.peer = remote->peer,
		.state = LEASE_ASKED,
	};
	rcap->leases_used++;
	rcap->chores_at = 0;
	return index;
}

void
rcap_lease_end(struct rcap *rcap, u32 lease)
{
	ASSERT(lease < rcap->config.leases_max && rcap->leases_used > 0 &&
	       rcap->lease[lease].state != LEASE_FREE);
	rcap->lease[lease].state = LEASE_FREE;
	rcap->leases_used--;
}

static void
lapse(struct rcap *rcap, u32 index, enum wire_code code)
{
	const struct rcap_lease *l = &rcap->lease[index];

	rcap->counters.lapsed += l->state == LEASE_PROVEN;
	rcap_lease_end(rcap, index);
	rcap_host_lapsed(rcap->host, l->tag, code);
}

// The read that was submitted at asked_at has run. One that took longer than a lease
// lasts proves nothing any more.
static void
prove(struct rcap *rcap, u64 now, u32 index)
{
	struct rcap_lease *l = &rcap->lease[index];

	l->until = l->asked_at + LASTS_NS;
	l->ask_at = l->asked_at + RENEW_NS;
	if (l->state == LEASE_PROVEN)
		return;
	if (now >= l->until) {
		l->ask_at = now;
		return;
	}
	l->state = LEASE_PROVEN;
	rcap->counters.leased++;
	rcap_host_leased(rcap->host, l->tag);
}

// It is the owner's last word, or there is no such owner any more.
static bool
is_final(const struct rcap_op *op)
{
	return op->outcome == RCAP_NOT_DONE &&
	       ((op->code >= CODE_SLOT && op->code <= CODE_RANGE) ||
		op->code == CODE_INCARNATION);
}

void
lease_told(struct rcap *rcap, u64 now, const struct rcap_op *op)
{
	struct rcap_lease *l = &rcap->lease[op->tag];

	ASSERT(op->tag < rcap->config.leases_max && l->under_way);
	l->under_way = false;
	rcap->chores_at = 0;
	if (l->state == LEASE_FREE)
		return;
	if (op->outcome == RCAP_DONE ||
	    (l->state == LEASE_PROVEN && PLANTED(BUG_LEASE_ANY)))
		prove(rcap, now, (u32)op->tag);
	else if (l->state == LEASE_ASKED || is_final(op))
		lapse(rcap, (u32)op->tag, (enum wire_code)op->code);
	else
		l->ask_at = now + AGAIN_NS;
}

static void
ask(struct rcap *rcap, u64 now, u32 index)
{
	struct rcap_lease *l = &rcap->lease[index];

	ASSERT(!l->under_way);
	l->under_way = true;
	l->asked_at = now;
	lease_submit(rcap, index);
	peer_dispatch(rcap, now, l->peer);
}

static u64
lease_due(const struct rcap_lease *l)
{
	u64 due = l->under_way ? NEVER : l->ask_at;

	return l->state == LEASE_PROVEN ? MIN(due, l->until) : due;
}

void
leases_work(struct rcap *rcap, u64 now)
{
	for (u32 i = 0; i < rcap->config.leases_max && rcap->leases_used; i++) {
		struct rcap_lease *l = &rcap->lease[i];

		if (l->state == LEASE_PROVEN && now >= l->until)
			lapse(rcap, i, CODE_NONE);
		else if (l->state != LEASE_FREE && !l->under_way && now >= l->ask_at)
			ask(rcap, now, i);
		if (l->state != LEASE_FREE)
			rcap->chores_at = MIN(rcap->chores_at, lease_due(l));
	}
}

void
leases_check(const struct rcap *rcap)
{
	u32 used = 0, under_way = 0;

	for (u32 i = 0; i < rcap->config.leases_max; i++) {
		const struct rcap_lease *l = &rcap->lease[i];

		under_way += l->under_way;
		used += l->state != LEASE_FREE;
		if (l->state == LEASE_PROVEN)
			ASSERT(l->until <= l->asked_at + LASTS_NS);		// B2
	}
	for (u32 i = 0; i < rcap->op_count; i++) {
		const struct rcap_op *op = &rcap->op[i];

		if (op->state == OP_STATE_FREE || !op->own || op->op != OP_READ)
			continue;
		ASSERT(rcap->lease[op->tag].under_way);				// B1
		under_way--;
	}
	ASSERT(under_way == 0 && used == rcap->leases_used);
}
