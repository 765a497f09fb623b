// SPDX-License-Identifier: BSD-2-Clause
// How much may be under way at a peer: a window in frames, of requests and of the
// answers that they ask for. Credits keep receivers from being overrun; the window
// keeps queues short on the way, in switches and before the other's processor, so
// that what is small and late comes through.
//
// It is steered by delay, as in Swift (SIGCOMM 2020): round by round (the requests
// that were open when it began), the shortest round trip is compared with a target:
// for what is small a quarter more than without a queue, for all else TRIPS times as
// much. Where nothing small suffers a queue does no harm, and keeps processors that
// sleep between frames awake: a page's round trip is mostly their waking. A node's own
// port and ring it cannot fill, for its grants and landing places bound what comes.
// Above, the window shrinks by how far, at most to a half; below, it grows, when
// something had to wait for it. The shortest of a round is taken because a queue that
// stands delays all of them, and a processor that was away only some. Loss alone says
// nothing here: it is answered by sending again, and by shrinking only when a request
// has met silence several times.
//
// A lane that names a window of its own is not steered by delay. It keeps to what it
// said, and to its share: alone at the peer, that is what credits and landing places
// allow; among other lanes that have something to send, an equal part of the link's
// window. So who replaces the link's control can do without it, and not at the cost of
// others. Its round trips steer the link's window like all.
//
// Small requests do not wait for the window, but they do wait behind frames. So while
// they come among pages, these go in parts where the path would take them whole: what
// stands before a small one at each server on the way is then a third as long.

#include "kernel/base/assert.h"
#include "net/link/state.h"

#define TRIPS 8u
#define START (128 * PACE_UNIT)
#define LEAST (4 * PACE_UNIT)		// a request for a page, and its three frames
#define MORE (2 * PACE_UNIT)		// a round
#define MOST (WIRE_WINDOW * (WIRE_PARTS_MAX + 1) * PACE_UNIT)
#define SLACK_US 10u

void
pace_begin(struct link_asker *asker, u32 next)
{
	asker->window = START;
	asker->round_us = asker->round_quick_us = 0;
	asker->round_end = next;
	asker->narrow = asker->held = false;
	asker->slices = asker->lanes = asker->lanes_before = 0;
	ASSERT(!asker->flight && !asker->longs);
}

static u32
cost_of(const struct link_plan *plan)
{
	return (u32)plan->frames + plan->landing;
}

static u32
share_of(const struct links *links, const struct link_asker *asker, u32 credit,
	 const struct link_plan *plan)
{
	u32 lanes = asker->lanes | asker->lanes_before | plan->lanes_waiting |
		    1u << plan->lane;
	u32 all = credit + links->config.landing_pool, count;

	for (u32 i = 0; i < LINK_LANES; i++) {
		if (asker->lane_flight[i])
			lanes |= 1u << i;
	}
	count = (u32)__builtin_popcount(lanes);
	return (count > 1 ? MIN(all, asker->window / PACE_UNIT) : all) / count;
}

// As many as it wants, and as it may; one goes in any case.
static bool
own_allows(const struct links *links, struct link_asker *asker, u32 credit,
	   const struct link_plan *plan)
{
	u32 wanted = asker->lane_flight[plan->lane] + cost_of(plan);
	u32 share = share_of(links, asker, credit, plan);

	if (!asker->lane_flight[plan->lane] || wanted <= MIN((u32)plan->window, share))
		return true;
	if (wanted <= plan->window)
		asker->narrow = true;
	return false;
}

bool
pace_allows(const struct links *links, struct link_asker *asker, u32 credit,
	    const struct link_plan *plan)
{
	if (plan_quick(plan))
		return true;
	if (plan->window)
		return own_allows(links, asker, credit, plan);
	if (!asker->flight ||
	    ((asker->flight + cost_of(plan)) * PACE_UNIT <= asker->window &&
	     !FAULT_POINT(WINDOW_NARROW)))
		return true;
	SOMETIMES(PACE_WAITS);
	asker->narrow = true;
	return false;
}

void
pace_opened(struct link_asker *asker, struct link_ask *ask,
	    const struct link_plan *plan)
{
	u32 cost = cost_of(plan);

	ask->flags = plan->lane;
	if (plan->device)
		ask->flags |= ASK_DEVICE;
	if (plan_quick(plan)) {
		ask->flags |= ASK_QUICK;
		if (asker->longs)
			asker->slices = SLICES;
	} else {
		asker->longs++;
		if (asker->slices)
			asker->slices--;
		if (!plan->window) {
			ask->flags |= ASK_PACED;
			asker->flight = (u16)(asker->flight + cost);
		}
	}
	asker->lanes |= (u8)(1u << plan->lane);
	asker->lane_flight[plan->lane] = (u16)(asker->lane_flight[plan->lane] + cost);
}

void
pace_closed(struct link_asker *asker, const struct link_ask *ask)
{
	u32 cost = (u32)ask->frames + ask->landing;
	u16 *lane = &asker->lane_flight[ask->flags & ASK_LANE];

	ASSERT(*lane >= cost);
	*lane = (u16)(*lane - cost);
	if (ask->flags & ASK_QUICK)
		return;
	ASSERT(asker->longs);
	asker->longs--;
	if (!(ask->flags & ASK_PACED))
		return;
	ASSERT(asker->flight >= cost);
	asker->flight = (u16)(asker->flight - cost);
}

// By how much of the window, in 256ths, the round was too slow.
static u32
too_slow(u32 took_us, u32 target_us)
{
	return took_us > target_us ? (took_us - target_us) * 256 / took_us : 0;
}

static void
base_learn(u16 *base_us, u32 rtt_us)
{
	if (!*base_us)
		*base_us = (u16)MIN(rtt_us, 0xffffu);
	else if (rtt_us < *base_us)
		*base_us = (u16)(*base_us - (*base_us - rtt_us + 7) / 8);
}

// With next to nothing under way it is no queue of ours: the path has become longer.
static void
base_lengthen(u16 *base_us, u32 took_us)
{
	if (took_us > *base_us)
		*base_us = (u16)MIN(*base_us + (took_us - *base_us) / 64 + 1, 0xffffu);
}

static void
round_end(struct links *links, struct link_peer *peer, struct link_asker *asker)
{
	u32 over = MAX(too_slow(asker->round_us,
				peer->base_us * TRIPS),
		       too_slow(asker->round_quick_us,
				peer->quick_us + peer->quick_us / 4u + SLACK_US));

	if (asker->held) {
		asker->held = false;	// these were sent before it shrank
	} else if (over) {
		if (asker->window == LEAST) {
			base_lengthen(&peer->base_us, asker->round_us);
			base_lengthen(&peer->quick_us, asker->round_quick_us);
		}
		asker->window -= MIN(asker->window * over / 256, asker->window / 2);
		asker->window = MAX(asker->window, LEAST);
		asker->held = true;
		SOMETIMES(PACE_SHRINKS);
		links->counters.slowed++;
	} else if (SOMETIMES_IF(PACE_GROWS, asker->narrow)) {
		asker->window = MIN(asker->window + MORE, MOST);
	}
	asker->narrow = false;
	asker->lanes_before = asker->lanes;
	asker->lanes = 0;
	asker->round_us = asker->round_quick_us = 0;
	asker->round_end = peer->next;
}

// A request that was sent once was answered after `rtt_us`.
void
pace_measured(struct links *links, struct link_peer *peer, const struct link_ask *ask,
	      u32 rtt_us)
{
	struct link_asker *asker = &links->asker[peer->asker];

	ASSERT(peer->asker != LINK_NONE && rtt_us);
	if (ask->flags & ASK_QUICK) {
		base_learn(&peer->quick_us, rtt_us);
		if (!asker->round_quick_us || rtt_us < asker->round_quick_us)
			asker->round_quick_us = (u16)MIN(rtt_us, 0xffffu);
		return;
	}
	base_learn(&peer->base_us, rtt_us);
	if (!asker->round_us || rtt_us < asker->round_us)
		asker->round_us = rtt_us;
	if (number_diff(ask->number, asker->round_end) >= 0)
		round_end(links, peer, asker);
}

// A request has met silence again and again.
void
pace_silent(struct links *links, struct link_asker *asker)
{
	if (SOMETIMES_IF(PACE_SILENT, asker->window > LEAST))
		links->counters.slowed++;
	asker->window = LEAST;
	asker->narrow = false;
}
