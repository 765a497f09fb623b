// SPDX-License-Identifier: BSD-2-Clause
// Remote capabilities looked at from outside: counters, the walk over all
// invariants, the hash of the whole state. The invariants are named in rcap.h, serve.c,
// recall.c and lease.c.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/rcap/state.h"

#define PAIRS_MAX 256u		// exports up to which R1 is checked in pairs

const struct rcap_counters *
rcap_counters(const struct rcap *rcap)
{
	return &rcap->counters;
}

const struct fabric_export *
rcap_uses(const struct rcap *rcap)
{
	return rcap->uses;
}

static void
check_lanes(const struct rcap_lanes *lanes)
{
	for (u32 lane = 0; lane < LANES; lane++)
		ASSERT((lanes->tail[lane] != NIL16) == (lanes->busy >> lane & 1));
	ASSERT(!lanes->busy == !lanes->waiting);
}

static void
check_ops(const struct rcap *rcap)
{
	u32 waiting = 0, used = 0, grants = 0, listed = 0, ended = 0;

	for (u32 i = 0; i < rcap->op_count; i++) {
		const struct rcap_op *op = &rcap->op[i];

		waiting += op->state == OP_STATE_WAITING;
		ended += op->state == OP_STATE_ENDED;
		if (op->state != OP_STATE_FREE && op->own)
			grants += op->op != OP_READ;
		else if (op->state != OP_STATE_FREE)
			used++;
	}
	ASSERT(used == rcap->ops_used && used <= rcap->config.ops_max);
	ASSERT(grants == rcap->grants_used && grants <= rcap->config.grants_max);
	for (u32 i = 0; i < links_peers_max(rcap->links); i++) {
		check_lanes(&rcap->lanes[i]);
		listed += rcap->lanes[i].waiting;
	}
	ASSERT(waiting == listed);
	for (u16 i = rcap->ended_head; i != NIL16; i = rcap->op[i].next) {
		ASSERT(rcap->op[i].state == OP_STATE_ENDED);		// R4
		ended--;
	}
	ASSERT(ended == 0);
}

// Every open record is an open request of its link, and the other way round.
static void
check_open(const struct rcap *rcap)
{
	u32 number[WIRE_WINDOW], cookie[WIRE_WINDOW];
	u32 open = 0;

	for (u32 peer = 0; peer < links_peers_max(rcap->links); peer++) {
		struct link_info info;
		u32 count;

		if (!links_info(rcap->links, (u16)peer, &info))
			break;
		count = links_opened(rcap->links, (u16)peer, number, cookie);
		for (u32 i = 0; i < count; i++) {
			const struct rcap_op *op = &rcap->op[cookie[i]];

			ASSERT(op->state == OP_STATE_OPEN);
			ASSERT(op->peer == peer && op->number == number[i]);
			open++;
		}
	}
	for (u32 i = 0; i < rcap->op_count; i++)
		open -= rcap->op[i].state == OP_STATE_OPEN;
	ASSERT(open == 0);
}

static void
check_exports(const struct rcap *rcap)
{
	u32 used = 0, free = 0, weighted = 0, standing = 0, sharers = 0;

	ASSERT(rcap->exports_fresh <= rcap->config.exports_max);
	for (u32 i = 0; i < rcap->exports_fresh; i++) {
		const struct rcap_export *e = &rcap->exports[i];

		sharers += rcap->sharers[i];
		ASSERT(e->generation > 0);
		if (e->type == TYPE_NONE)
			continue;
		used++;
		weighted += e->weight != RCAP_WEIGHT;
		ASSERT(e->weight && e->share < rcap->exports_fresh);
		ASSERT(e->count > 0 && e->era <= rcap->era);
		for (u32 j = 0; j < i && rcap->exports_fresh <= PAIRS_MAX; j++)
			ASSERT(rcap->exports[j].type == TYPE_NONE ||
			       rcap->exports[j].node != e->node);	// R1
	}
	for (u32 i = rcap->exports_free; i != RCAP_NONE;
	     i = rcap->exports[i].next_free) {
		ASSERT(rcap->exports[i].type == TYPE_NONE);
		free++;
	}
	for (u32 i = 0; i < links_peers_max(rcap->links); i++)
		standing += rcap->lanes[i].exports;
	ASSERT(standing == used && rcap->exports_used == used && sharers == used);
	ASSERT(used + free <= rcap->exports_fresh && weighted == rcap->weighted);
}

static void
check_buffers(const struct rcap *rcap)
{
	u32 count = 0;

	for (u32 i = rcap->buffers_free; i != RCAP_NONE; i = rcap->buffer[i].next)
		count++;
	for (u32 i = 0; i < rcap->config.endpoints_max; i++) {
		const struct rcap_endpoint *e = &rcap->endpoint[i];

		for (u32 b = e->open ? e->head : RCAP_NONE; b != RCAP_NONE;
		     b = rcap->buffer[b].next)
			count++;
	}
	ASSERT(count == rcap->config.buffers_max);
}

// A1 and A3: what is asked for is there, what is told of is not.
static void
check_recalls(const struct rcap *rcap)
{
	u32 used = 0;

	for (u32 i = 0; i < rcap->config.recalls_max; i++) {
		const struct rcap_recall *r = &rcap->recall[i];
		const struct rcap_export *e = &rcap->exports[r->slot];

		if (r->state == RECALL_FREE)
			continue;
		used++;
		if (r->state == RECALL_ASK)
			ASSERT(e->type != TYPE_NONE && e->generation == r->generation &&
			       r->keep < e->count && e->count <= r->had);
		else if (e->generation == r->generation)
			ASSERT(e->told || e->count <= r->keep);
		for (u32 j = 0; j < i; j++)
			ASSERT(rcap->recall[j].state == RECALL_FREE ||
			       rcap->recall[j].slot != r->slot ||
			       rcap->recall[j].generation != r->generation);
	}
	ASSERT(used == rcap->recalls_used);
}

void
rcap_check(const struct rcap *rcap)
{
	links_check(rcap->links);
	check_ops(rcap);
	check_open(rcap);
	check_exports(rcap);
	check_buffers(rcap);
	serve_check(rcap);
	check_recalls(rcap);
	leases_check(rcap);
}

struct summary {
	u64 links, ops, exports, tickets, buffers, recalls, leases, together, era;
	u32 executions, sweep;
	u32 waiters, pass;
	struct rcap_counters counters;
};

STATIC_ASSERT(sizeof(struct rcap_op) % 8 == 0);
STATIC_ASSERT(sizeof(struct rcap_export) % 8 == 0);
STATIC_ASSERT(sizeof(struct rcap_ticket) % 8 == 0);
STATIC_ASSERT(sizeof(struct wire_request) % 8 == 0);
STATIC_ASSERT(sizeof(struct rcap_buffer) % 8 == 0);
STATIC_ASSERT(sizeof(struct rcap_recall) % 8 == 0);
STATIC_ASSERT(sizeof(struct rcap_lease) % 8 == 0);

static u64
hash_of(const void *bytes, u64 len)
{
	static const u8 key[SIPHASH_KEY_LEN] = "rcap";

	return siphash64(key, bytes, len);
}

u64
rcap_hash(const struct rcap *rcap)
{
	const struct rcap_config *c = &rcap->config;
	struct summary summary = {
		.links = links_hash(rcap->links),
		.ops = hash_of(rcap->op, rcap->op_count * sizeof(*rcap->op)),
		.exports = hash_of(rcap->exports, rcap->exports_fresh *
							  sizeof(*rcap->exports)),
		.tickets = hash_of(rcap->ticket,
				   c->staging_count * sizeof(*rcap->ticket)),
		.buffers = hash_of(rcap->buffer,
				   c->buffers_max * sizeof(*rcap->buffer)),
		.recalls = hash_of(rcap->recall,
				   c->recalls_max * sizeof(*rcap->recall)),
		.leases = hash_of(rcap->lease, c->leases_max * sizeof(*rcap->lease)),
		.together = hash_of(rcap->together.at, rcap->together.count *
							       sizeof(*rcap->together.at)),
		.era = rcap->era,
		.executions = rcap->executions,
		.sweep = rcap->sweep,
		.waiters = rcap->serve.count,
		.pass = rcap->serve.pass,
		.counters = rcap->counters,
	};

	return hash_of(&summary, sizeof(summary));
}
