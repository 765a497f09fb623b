// SPDX-License-Identifier: BSD-2-Clause
// Copies under leases (net/rcap/lease.c proves them): which frames go when one is over.
//
// An environment that keeps what it has read binds the capability for the frames in which
// it does to the REMOTE capability that it has read by. When the lease is over, or the
// REMOTE capability goes or ends before the copy does, the frames' capability goes whole,
// as if it was revoked. That may stop queues and unmap pages, so it is done where
// requests for revocation are (revoke_work()), before the program runs on.
//
// The owner hears that a capability was dropped or shortened (remotes.c) only after the
// copies that it is about are gone: so a holder that has given back has none.
//
// Invariants: L1 a copy names a capability for frames that is there, and is forgotten
// with it; L2 it is OVER exactly when the core has ended its lease.

#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/env.h"
#include "kernel/sys/revoke.h"
#include "kernel/sys/sched.h"

STATIC_ASSERT(FABRIC_LEASE_NS == RCAP_LEASE_NS);
STATIC_ASSERT(CODE_LEASED < FABRIC_CODES_MAX);

enum copy_state { COPY_FREE, COPY_BOUND, COPY_OVER };

static struct copy {
	u8 state;		// enum copy_state
	u32 lease;		// BOUND: the core's name
	u32 pending;		// until it is proven; then NONE
	u32 node, generation;	// of the capability for the frames
	u32 remote;		// of the REMOTE one
	u64 last;		// unit of its range, as in the capability
} copies[LEASES_MAX];
static u32 used;

// A place, or NULL when there is none, or the environment has as many as it may.
static struct copy *
find_place(u32 env)
{
	struct copy *place = NULL;
	u32 own = 0;

	for (struct copy *c = copies; c < copies + LEASES_MAX; c++) {
		if (c->state == COPY_FREE)
			place = c;
		else
			own += caps.pool[c->node].list == env;
	}
	return own < FABRIC_LEASES_EACH ? place : NULL;
}

static bool
is_bound(u32 node)
{
	for (u32 i = 0; i < LEASES_MAX; i++) {
		if (copies[i].state != COPY_FREE && copies[i].node == node)
			return true;
	}
	return false;
}

static enum wire_code
check(const struct fabric_queue *queue, const struct fabric_submit *s,
      const struct cap **remote, const struct cap **local)
{
	i64 error;

	if (!s->length || s->lease.reserved)
		return CODE_SHAPE;
	error = cap_lookup(&caps, queue->owner, s->slot, CAP_REMOTE, CAP_READ, remote);
	if (!error)
		error = cap_lookup(&caps, queue->owner, s->lease.slot, CAP_FRAMES, 0,
				   local);
	if (error)
		return wire_code_of(error);
	if (s->offset >> PAGE_SHIFT >= (*remote)->count ||
	    (s->offset + s->length - 1) >> PAGE_SHIFT >= (*remote)->count)
		return CODE_RANGE;
	return is_bound(cap_node(&caps, *local)) ? CODE_LEASED : CODE_NONE;
}

// The last byte of the copy is what is read again and again: a capability that ends
// before it is not good for it.
enum wire_code
lease_bind(struct fabric_queue *queue, const struct fabric_submit *s)
{
	struct copy *c = find_place(queue->owner);
	struct rcap_submit r = { .op = OP_READ, .length = 1 };
	const struct cap *remote, *local;
	enum wire_code code = check(queue, s, &remote, &local);
	struct rcap_lease_terms terms;
	u32 record, lease;

	if (code == CODE_NONE) {
		r.offset = s->offset + s->length - 1;
		code = remote_check(queue, s, &r, &record);
	}
	if (code != CODE_NONE)
		return code;
	if (SCARCE(!c))
		return CODE_TABLE;
	terms = (struct rcap_lease_terms){
		.remote = r.remote, .offset = r.offset,
		.environment = r.holder, .tag = (u32)(c - copies),
	};
	lease = SCARCE(false) ? RCAP_NONE : rcap_lease(fabric.rcap, &terms);
	if (lease == RCAP_NONE)
		return CODE_TABLE;
	*c = (struct copy){
		.state = COPY_BOUND,
		.lease = lease,
		.pending = (u32)(pending_take(queue, PENDING_LEASE, s) - pendings),
		.node = cap_node(&caps, local),
		.generation = local->generation,
		.remote = cap_node(&caps, remote),
		.last = remote->base - REMOTE_UNIT(remote->base) +
			(r.offset >> PAGE_SHIFT),
	};
	caps.pool[c->node].bound = true;			// R2 of kernel/sys/removal.c
	used++;
	return CODE_NONE;
}

static void
forget(struct copy *c)
{
	ASSERT(c->state != COPY_FREE && used > 0);
	c->state = COPY_FREE;
	used--;
}

// Says how it began.
static void
tell(struct copy *c, enum fabric_outcome outcome, enum wire_code code)
{
	ASSERT(c->pending < PENDING_MAX && pendings[c->pending].kind == PENDING_LEASE);
	pending_end(&pendings[c->pending], &(struct fabric_complete){
		.outcome = (u8)outcome,
		.code = (u8)code,
	});
	c->pending = NONE;
}

void
rcap_host_leased(void *host, u32 tag)
{
	(void)host;
	ASSERT(tag < LEASES_MAX && copies[tag].state == COPY_BOUND);
	tell(&copies[tag], FABRIC_DONE, CODE_NONE);
}

// What was never proven is only what the environment calls it.
static void
over(struct copy *c, enum wire_code code)
{
	if (c->pending != NONE) {
		tell(c, FABRIC_NOT_DONE, code);
		forget(c);
		return;
	}
	c->state = COPY_OVER;
	revoke_due_ns = 0;
	sched_kick(0);
}

void
rcap_host_lapsed(void *host, u32 tag, enum wire_code code)
{
	(void)host;
	ASSERT(tag < LEASES_MAX && copies[tag].state == COPY_BOUND);	// L2
	over(&copies[tag], code);
}

static void
end(struct copy *c)
{
	if (c->state != COPY_BOUND)
		return;
	rcap_lease_end(fabric.rcap, c->lease);
	over(c, CODE_REVOKED);
}

void
leases_cap_gone(u32 node, u64 from)
{
	for (struct copy *c = copies; used && c < copies + LEASES_MAX; c++) {
		if (c->state == COPY_FREE)
			continue;
		if (c->remote == node && (!from || c->last >= from))
			end(c);
		if (c->node == node && !from) {
			end(c);
			if (c->state == COPY_OVER)
				forget(c);				// L1
		}
	}
}

static bool
is_behind(const struct copy *c, u32 record, u64 keep)
{
	return c->state != COPY_FREE && c->last >> REMOTE_UNIT_BITS == record &&
	       REMOTE_UNIT(c->last) >= keep;
}

void
leases_cut(u32 record, u64 keep)
{
	for (u32 i = 0; i < LEASES_MAX; i++) {
		if (is_behind(&copies[i], record, keep))
			end(&copies[i]);
	}
}

bool
leases_left(u32 record, u64 keep)
{
	bool left = false;

	for (u32 i = 0; used && i < LEASES_MAX; i++)
		left |= is_behind(&copies[i], record, keep);
	return left;
}

u32
fabric_lapsed(void)
{
	for (u32 i = 0; used && i < LEASES_MAX; i++) {
		const struct copy *c = &copies[i];

		if (c->state != COPY_OVER)
			continue;
		ASSERT(caps.pool[c->node].type == CAP_FRAMES &&
		       caps.pool[c->node].generation == c->generation);	// L1
		return c->node;
	}
	return CAP_NIL;
}
