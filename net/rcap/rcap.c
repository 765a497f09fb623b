// SPDX-License-Identifier: BSD-2-Clause
// The core's memory, and the way of frames and time through it: what the links
// make of them goes to the requester's side or the owner's. All of its tables lie in
// the one block that the host hands over, which holds for as long as the core lives.

#include "net/rcap/rcap.h"
#include "kernel/base/assert.h"
#include "net/rcap/state.h"

#define ALIGN 64u

static bool
config_fits(const struct rcap_config *c)
{
	return c->exports_max >= 1 && c->exports_max <= RCAP_EXPORTS_MAX &&
	       c->ops_max >= 1 && c->grants_max >= 1 &&
	       (u64)c->ops_max + c->grants_max + c->leases_max < NIL16 &&
	       c->staging_count <= TICKETS_MAX && c->buffers_max < RCAP_NONE &&
	       c->recalls_max < RCAP_NONE;
}

static u64
room(u64 count, u64 size)
{
	return ALIGN_UP(count * size, ALIGN);
}

u64
rcap_memory_needed(const struct rcap_config *c, const struct links_config *links)
{
	return room(1, sizeof(struct rcap)) +
	       room(c->ops_max + c->grants_max + c->leases_max, sizeof(struct rcap_op)) +
	       room(links->peers_max, sizeof(struct rcap_lanes)) +
	       room(c->exports_max, sizeof(struct rcap_export)) +
	       room(c->uses ? 0 : c->exports_max, sizeof(struct fabric_export)) +
	       room(c->staging_count, sizeof(struct rcap_ticket)) +
	       room(c->exports_max, sizeof(struct rcap_spent)) +
	       room(c->exports_max, sizeof(u32)) +
	       room(c->endpoints_max, sizeof(struct rcap_endpoint)) +
	       room(c->buffers_max, sizeof(struct rcap_buffer)) +
	       room(c->services_max, sizeof(struct rcap_service)) +
	       room(c->recalls_max, sizeof(struct rcap_recall)) +
	       room(c->leases_max, sizeof(struct rcap_lease));
}

static void *
carve(u8 **at, u64 count, u64 size)
{
	void *piece = *at;

	*at += room(count, size);
	return piece;
}

static void
tables_init(struct rcap *rcap, const struct links_config *links)
{
	const struct rcap_config *c = &rcap->config;

	for (u32 i = 0; i < rcap->op_count; i++)
		rcap->op[i].next = i + 1 < rcap->op_count ? (u16)(i + 1) : NIL16;
	for (u32 i = 0; i < links->peers_max; i++) {
		for (u32 lane = 0; lane < LANES; lane++)
			rcap->lanes[i].tail[lane] = NIL16;
	}
	for (u32 i = 0; i < c->buffers_max; i++)
		rcap->buffer[i].next = i + 1 < c->buffers_max ? i + 1 : RCAP_NONE;
	for (u32 i = 0; i < c->services_max; i++)
		rcap->service[i].endpoint = RCAP_NONE;
	rcap->buffers_free = c->buffers_max ? 0 : RCAP_NONE;
	rcap->exports_free = RCAP_NONE;
	rcap->crowded = LINK_NONE;
	rcap->ended_head = rcap->ended_tail = NIL16;
	rcap->landing_head = rcap->landing_tail = NIL16;
}

struct rcap *
rcap_init(void *memory, u64 size, const struct rcap_config *config,
	  const struct links_config *links_config, struct links *links, void *host)
{
	struct rcap *rcap = memory;
	u8 *at = memory;

	if (!config_fits(config) || (uintptr_t)memory % ALIGN ||
	    size < rcap_memory_needed(config, links_config))
		return NULL;
	carve(&at, 1, sizeof(*rcap));
	rcap->config = *config;
	rcap->links = links;
	rcap->host = host;
	rcap->era = 1;
	rcap->chores_at = NEVER;
	rcap->op_count = config->ops_max + config->grants_max + config->leases_max;
	rcap->op = carve(&at, rcap->op_count, sizeof(*rcap->op));
	rcap->lanes = carve(&at, links_config->peers_max, sizeof(*rcap->lanes));
	rcap->exports = carve(&at, config->exports_max, sizeof(*rcap->exports));
	rcap->uses = config->uses ? config->uses
				  : carve(&at, config->exports_max,
					  sizeof(*rcap->uses));
	rcap->trace = links_trace(links);
	links_secret(links, rcap->secret);
	rcap->ticket = carve(&at, config->staging_count, sizeof(*rcap->ticket));
	rcap->spent = carve(&at, config->exports_max, sizeof(*rcap->spent));
	rcap->sharers = carve(&at, config->exports_max, sizeof(*rcap->sharers));
	rcap->endpoint =
		carve(&at, config->endpoints_max, sizeof(*rcap->endpoint));
	rcap->buffer = carve(&at, config->buffers_max, sizeof(*rcap->buffer));
	rcap->service = carve(&at, config->services_max, sizeof(*rcap->service));
	rcap->recall = carve(&at, config->recalls_max, sizeof(*rcap->recall));
	rcap->lease = carve(&at, config->leases_max, sizeof(*rcap->lease));
	tables_init(rcap, links_config);
	serve_init(rcap);
	return rcap;
}

static void
handle(struct rcap *rcap, u64 now, const struct link_event *event)
{
	switch (event->kind) {
	case LINK_UP:
		trace_put(rcap->trace, now, TRACE_SESSION, event->peer,
			  links_session(rcap->links, event->peer), 1);
		rcap->sweep = 0;
		rcap->chores_at = 0;
		peer_dispatch(rcap, now, event->peer);
		break;
	case LINK_DOWN:
		trace_put(rcap->trace, now, TRACE_SESSION, event->peer, 0, 0);
		peer_down(rcap, now, event->peer);
		tickets_sweep(rcap);
		break;
	case LINK_REQUEST:
		owner_request(rcap, now, event);
		break;
	case LINK_RESPONSE:
		op_answer(rcap, now, event);
		break;
	case LINK_RESEND:
		ASSERT(event->cookie < rcap->op_count);
		trace_put(rcap->trace, now, TRACE_RESEND, event->peer, event->number,
			  event->cookie);
		if (!op_overdue(rcap, now, &rcap->op[event->cookie]))
			op_send(rcap, now, &rcap->op[event->cookie]);
		break;
	case LINK_CROWDED:
		rcap->crowded = event->peer;
		rcap->sweep = 0;
		rcap->chores_at = 0;
		break;
	case LINK_NOTHING:
		break;
	}
}

static void
drain(struct rcap *rcap, u64 now, struct link_event *event)
{
	while (links_event(rcap->links, now, event))
		handle(rcap, now, event);
}

void
rcap_input(struct rcap *rcap, u64 now, const void *frame, u32 len)
{
	filled_ struct link_event event;
	bool more_comes;
	u16 peer;

	links_input(rcap->links, now, frame, len, &event);
	peer = event.peer;
	handle(rcap, now, &event);
	while (unlikely(event.more)) {
		links_further(rcap->links, now, &event);
		handle(rcap, now, &event);
	}
	// A part of an answer made no room for others yet.
	more_comes = event.kind == LINK_RESPONSE &&
		     rcap->op[event.cookie].state == OP_STATE_OPEN;
	// What time has brought waits for rcap_tick().
	if (unlikely(links_news(rcap->links)))
		drain(rcap, now, &event);
	if (peer != LINK_NONE && rcap->lanes[peer].waiting && !more_comes)
		peer_dispatch(rcap, now, peer);
	if (unlikely(rcap->landing_head != NIL16))
		landing_serve(rcap, now);
}

void
rcap_tick(struct rcap *rcap, u64 now)
{
	filled_ struct link_event event;

	drain(rcap, now, &event);
	landing_serve(rcap, now);
	if (unlikely(rcap->serve.count))
		serve_some(rcap, now);
	if (now < rcap->chores_at)
		return;
	exports_sweep(rcap);
	recalls_work(rcap, now);
	leases_work(rcap, now);
}

u64
rcap_deadline(const struct rcap *rcap)
{
	if (rcap->together.count || (rcap->serve.count && !rcap->serve.blocked))
		return 0;
	return min_u64(rcap->chores_at, links_deadline(rcap->links));
}

u64
rcap_wants(const struct rcap *rcap)
{
	return rcap->ended_head == NIL16 ? rcap_deadline(rcap) : 0;
}

u32
rcap_output(struct rcap *rcap, u64 now, u8 *buffer)
{
	u32 len = rcap->together.count ? together_seal(rcap, now, buffer) : 0;

	return len ? len : links_output(rcap->links, now, buffer);
}

void
rcap_hold(struct rcap *rcap, u16 peer)
{
	ASSERT(peer < links_peers_max(rcap->links) && rcap->lanes[peer].held < NIL16);
	if (!rcap->lanes[peer].held++)
		links_stake(rcap->links, peer, LINK_HELD, true);
}

void
rcap_let(struct rcap *rcap, u16 peer)
{
	ASSERT(peer < links_peers_max(rcap->links) && rcap->lanes[peer].held);
	if (!--rcap->lanes[peer].held)
		links_stake(rcap->links, peer, LINK_HELD, false);
}
