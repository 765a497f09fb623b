// SPDX-License-Identifier: BSD-2-Clause
// Open requests, at the requester: numbers, credit, landing places, and when to
// send one again. The owner has no timers, so every reason for sending again is
// here:
//
//	three that were sent later have come to the peer, this one not
//	three that were sent later are answered, this one is not
//	its timer ran out: srtt + 4 rttvar, from the second time in a row on doubled
//
// The first two only when it was sent more than half a round trip ago: frames may
// overtake each other a little. The second not of what a device answers, in an order
// of its own, once it is known to have come. While no frame is seen to be lost the timer
// has a floor of 16 ms, so that it costs nothing; while some are, of 2 ms for what a
// device answers or the peer has put off, and of a tenth of that for all else. Then what
// is missing of an answer is waited for half a round trip and no longer. But while three
// are open that were sent later the floor stays: they tell, without an interrupt.
// That a timer ran out is no sign of loss: a processor may have been away. Whether the
// answer is to the first copy says it.
//
// `open` and its like are bitmaps by number modulo WIRE_WINDOW; numbers in
// [done, next) span less than that, so a bit stands for one number.

#include "kernel/base/assert.h"
#include "net/link/state.h"

static struct link_asker *
asker_of(const struct links *links, const struct link_peer *peer)
{
	return peer->asker == LINK_NONE ? NULL : &links->asker[peer->asker];
}

static struct link_ask *
ask_find(const struct links *links, const struct link_peer *peer, u32 number)
{
	struct link_asker *asker = asker_of(links, peer);

	if (!asker || !(asker->open & number_bit(number)))
		return NULL;

	struct link_ask *ask = &asker->at[number % WIRE_WINDOW];

	return ask->number == number ? ask : NULL;
}

// Will answers to others tell of its loss? So many are open that were sent later, the
// last of them with a timer that is short.
static bool
others_tell(const struct link_peer *peer, const struct link_asker *asker,
	    const struct link_ask *ask)
{
	u64 later = asker->open & number_mask(ask->after, peer->next - ask->after);

	return __builtin_popcountll(later) >= (int)PASSED_MAX;
}

// A timer that runs out for nothing costs an interrupt, so while none is lost, or others
// tell, they are rare; one that was told to come again comes soon.
static u64
rto_floor_ns(const struct link_peer *peer, const struct link_asker *asker,
	     const struct link_ask *ask)
{
	if (ask->flags & ASK_POSTPONED)
		return LINK_RTO_MIN_NS;
	if (!peer->lossy || others_tell(peer, asker, ask))
		return LINK_RTO_CALM_NS;
	return ask->flags & ASK_DEVICE ? LINK_RTO_MIN_NS : LINK_RTO_LOSSY_NS;
}

static u64
rto_ns(const struct link_peer *peer, const struct link_asker *asker,
       const struct link_ask *ask)
{
	u64 floor = rto_floor_ns(peer, asker, ask);
	u64 rto = peer->rtt_us ? (u64)(peer->rtt_us +
				       MAX(4u * peer->rtt_var_us, peer->rtt_us / 2)) *
					 NS_PER_US
			       : RTO_START_NS;

	if (floor == LINK_RTO_LOSSY_NS && ask->flags & ASK_PARTIAL)
		return MAX((u64)peer->rtt_us * NS_PER_US / 2, RTO_PART_NS);
	rto = MAX(rto, floor);
	rto <<= MIN(ask->backoff > 1 ? ask->backoff - 1u : 0, 7u);
	return MIN(rto, LINK_RTO_MAX_NS);
}

// One light request may be open without a grant: it asks for one itself. Version 1.0
// drops it.
static bool
credit_allows(const struct link_peer *peer, const struct link_asker *asker,
	      const struct link_plan *plan)
{
	if (asker->frames + plan->frames <= peer->credit)
		return true;
	return !asker->frames && plan->frames == 1 &&
	       plan->asks <= LINK_LIGHT_BYTES && peer->minor >= 1;
}

// Answers that are long leave some places to those that are not.
static bool
landing_allows(const struct links *links, const struct link_plan *plan)
{
	u32 pool = links->config.landing_pool;
	u32 kept = plan_quick(plan) ? 0 : MIN(LANDING_QUICK, pool / 8);

	return links->landing + plan->landing + kept <= pool &&
	       !FAULT_POINT(LANDING_FULL);
}

// Nor does one peer, which may never answer, have more than three times what it leaves to
// others. (Of each lane both ways are counted, and the requests apart.)
static bool
landing_fair(const struct links *links, const struct link_asker *asker)
{
	u32 left = links->config.landing_pool - links->landing, has = 0;

	if (likely(links->landing < 3 * left))
		return true;
	for (u32 i = 0; i < LINK_LANES; i++)
		has += asker->lane_flight[i];
	return has < asker->frames + 3 * left;
}

enum link_open
links_open(struct links *links, u64 now, u16 peer_index,
	   const struct link_plan *plan, u32 *number)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_asker *asker;
	struct link_ask *ask;

	ASSERT(plan->frames >= 1 && plan->frames <= WIRE_PARTS_MAX);
	ASSERT(plan->landing >= 1 && plan->landing <= WIRE_PARTS_MAX);
	ASSERT(plan->lane < LINK_LANES);
	if (!session_live(links, now, peer))
		return LINK_NO_SESSION;
	if (peer->news & NEWS_DOWN)
		return LINK_WAIT;	// what was open before is to be closed first
	asker = asker_get(links, peer);
	if (!asker)
		return LINK_NO_WINDOW;
	if (SOMETIMES_IF(NUMBERS_OUT, peer->next - peer->done >=
				      (FAULT_POINT(NUMBERS_FEW) ? 4 : WIRE_WINDOW)) ||
	    !credit_allows(peer, asker, plan) ||
	    !pace_allows(links, asker, peer->credit, plan))
		return LINK_WAIT;
	if (SOMETIMES_IF(LANDING_WAITS, !landing_allows(links, plan)))
		return LINK_WAIT_LANDING;
	if (!landing_fair(links, asker))
		return LINK_WAIT;
	*number = peer->next++;
	ask = &asker->at[*number % WIRE_WINDOW];
	*ask = (struct link_ask){
		.sent_at = now,
		.number = *number,
		.cookie = plan->cookie,
		.after = peer->next,
		.frames = plan->frames,
		.landing = plan->landing,
	};
	pace_opened(asker, ask, plan);
	asker->open |= number_bit(*number);
	asker->unseen |= number_bit(*number);
	asker->frames += plan->frames;
	links->landing += plan->landing;
	if (path_probing(peer))
		say_add(links, peer, SAY_PATH);		// a busy link is never idle
	return LINK_OPENED;
}

void
links_want(struct links *links, u16 peer_index, u32 frames)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_asker *asker;
	u8 before = peer->want;

	if (peer->state == LINK_STATE_FREE)
		return;
	asker = asker_of(links, peer);
	peer->want = peer->state == LINK_STATE_UP ? (u8)MIN(frames, 255u) : 0;
	if (peer->want && !before && (!asker || !asker->frames))
		say_add(links, peer, SAY_IDLE);
	if (asker && !asker->open && !peer->want)
		asker_put(links, peer);
}

void
links_sent(struct links *links, u64 now, u16 peer_index, u32 number)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_ask *ask = ask_find(links, peer, number);

	ASSERT(ask);

	struct link_asker *asker = &links->asker[peer->asker];

	ask->sent_at = now;
	ask->after = peer->next;
	ask->passed = 0;
	ask->flags &= (u8)~ASK_PARTIAL;
	if (ask->copies < 255)
		ask->copies++;
	if (ask->copies > 1) {
		links->counters.resends++;
		counts_of(links, peer)->resends++;
	}
	asker->resend &= ~number_bit(number);
	peer_due_by(links, peer, now + rto_ns(peer, asker, ask));
}

void
links_postpone(struct links *links, u64 now, u16 peer_index, u32 number)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_ask *ask = ask_find(links, peer, number);

	if (!ask)
		return;
	ask->flags |= ASK_POSTPONED;
	ask->sent_at = now;
	ask->passed = 0;
}

void
links_worked(struct links *links, u16 peer_index, u32 number)
{
	struct link_ask *ask = ask_find(links, &links->peer[peer_index], number);

	ASSERT(ask);
	ask->flags |= ASK_DEVICE;
}

// Was it sent so long ago that later ones are there before it because it was lost, not
// because they overtook it? As in RFC 8985 the path is taken to keep the order of frames
// until the session has seen that it does not.
static bool
overtaken_by_far(const struct link_peer *peer, const struct link_ask *ask, u64 now)
{
	u64 rtt = (u64)peer->rtt_us * NS_PER_US;
	u64 tolerance = peer->disorderly ? rtt + rtt / 4 : rtt / 2;

	if (ask->flags & ASK_PARTIAL)
		tolerance /= 4;
	return now - ask->sent_at >= tolerance;
}

static void
ask_again(struct links *links, struct link_peer *peer, u32 number)
{
	links->asker[peer->asker].resend |= number_bit(number);
	news_add(links, peer, NEWS_RESEND);
}

// Later ones are there before it: it was lost.
static void
ask_lost(struct links *links, struct link_peer *peer, struct link_ask *ask)
{
	peer->lossy = LOSSY_ANSWERS;
	ask->missed = true;
	ask_again(links, peer, ask->number);
}

// Is the answer one to an earlier copy, for which we did not wait long enough? It comes
// sooner than can be (an answer that is kept comes again a little sooner than the first),
// or from a peer that has not heard of the second copy yet.
static bool
too_hasty(const struct link_peer *peer, const struct link_ask *ask, u32 rtt_us)
{
	u32 least_us = ask->flags & ASK_PACED ? peer->base_us * 3u / 4
		       : ask->flags & ASK_QUICK ? peer->quick_us / 2u : 0;

	return rtt_us < least_us ||
	       (ask->copies == 2 && peer->proven_at + NS_PER_US <= ask->sent_at);
}

// What was sent again is answered: the way loses frames, or the timer was too short, or,
// when it was not the timer, frames overtake each other.
static void
learn_from_copies(struct link_peer *peer, const struct link_ask *ask, u32 rtt_us)
{
	if (!SOMETIMES_IF(TIMER_HASTY, too_hasty(peer, ask, rtt_us))) {
		peer->lossy = LOSSY_ANSWERS;
		return;
	}
	if (ask->missed && !peer->disorderly)
		peer->disorderly = true;
	else if (peer->rtt_us < RTT_MOST_US)
		peer->rtt_us += peer->rtt_us / 4 + 1;
}

// Smoothed as in RFC 6298; only what was sent once and answered at once counts.
static void
measure(struct links *links, struct link_peer *peer, const struct link_ask *ask,
	u64 now)
{
	i64 rtt, error;

	if (ask->flags & (ASK_POSTPONED | ASK_PARTIAL))
		return;
	rtt = (i64)MIN((now - ask->sent_at) / NS_PER_US + 1, 1000000u);
	error = rtt - peer->rtt_us;
	if (ask->copies != 1) {
		learn_from_copies(peer, ask, (u32)rtt);
		return;
	}
	peer->timeouts = 0;
	if (!(ask->flags & ASK_DEVICE))
		pace_measured(links, peer, ask, (u32)rtt);
	if (!peer->rtt_us) {
		peer->rtt_us = (u32)rtt;
		peer->rtt_var_us = (u16)MIN(rtt / 2, 0xffff);
		return;
	}
	peer->rtt_us = (u32)MAX((i64)peer->rtt_us + error / 8, 1);
	error = (error < 0 ? -error : error) - (i64)peer->rtt_var_us;
	peer->rtt_var_us = (u16)MIN((i64)peer->rtt_var_us + error / 4, 0xffff);
}

void
links_progress(struct links *links, u64 now, u16 peer_index, u32 number)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_ask *ask = ask_find(links, peer, number);

	ASSERT(ask);
	measure(links, peer, ask, now);
	ask->backoff = 0;
	ask->flags |= ASK_PARTIAL;
	if (!peer->lossy)
		return;
	ask->sent_at = now;
	peer_due_by(links, peer,
		    now + rto_ns(peer, &links->asker[peer->asker], ask));
}

// Is its answer's place among the others no sign of anything? A device answers in an
// order of its own: of what the peer is known to have, until a part of the answer comes,
// the timer alone judges.
static bool
orderless(const struct link_asker *asker, const struct link_ask *ask)
{
	return ask->flags & ASK_POSTPONED ||
	       ((ask->flags & (ASK_DEVICE | ASK_PARTIAL)) == ASK_DEVICE &&
		!(asker->unseen & number_bit(ask->number)));
}

// Those that were sent before `number`, and are open while it is answered: the
// path works, so they wait no longer than they must.
static void
overtake(struct links *links, u64 now, struct link_peer *peer, u32 number)
{
	struct link_asker *asker = &links->asker[peer->asker];
	u64 older = asker->open & number_mask(peer->done, number - peer->done);

	for (; older; older &= older - 1) {
		struct link_ask *ask = &asker->at[__builtin_ctzll(older)];

		ask->backoff = 0;
		if (orderless(asker, ask) || number_diff(number, ask->after) < 0)
			continue;
		if (ask->passed < PASSED_MAX)
			ask->passed++;
		if (SOMETIMES_IF(AGAIN_ANSWERED,
				 ask->passed == PASSED_MAX &&
					 overtaken_by_far(peer, ask, now)))
			ask_lost(links, peer, ask);
	}
}

void
links_close(struct links *links, u64 now, u16 peer_index, u32 number)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_ask *ask = ask_find(links, peer, number);

	ASSERT(ask);

	struct link_asker *asker = &links->asker[peer->asker];

	ASSERT(asker->frames >= ask->frames);
	measure(links, peer, ask, now);
	pace_closed(asker, ask);
	if (peer->lossy)
		peer->lossy--;
	asker->open &= ~number_bit(number);
	asker->unseen &= asker->open;
	asker->resend &= asker->open;
	if (!PLANTED(BUG_CREDIT_LEAK))
		asker->frames -= ask->frames;
	links->landing -= ask->landing;
	overtake(links, now, peer, number);
	while (peer->done != peer->next &&
	       (!(asker->open & number_bit(peer->done)) ||
		(PLANTED(BUG_DONE_EARLY) && peer->done != number + 1)))
		peer->done++;
	if (asker->frames <= peer->credit)
		peer->turn_kept = peer->their_turn;
	if (!asker->open && !peer->want && !PLANTED(BUG_CREDIT_LEAK))
		asker_put(links, peer);
}

u32
links_opened(const struct links *links, u16 peer, u32 number[WIRE_WINDOW],
	     u32 cookie[WIRE_WINDOW])
{
	const struct link_asker *asker = asker_of(links, &links->peer[peer]);
	u32 count = 0;

	if (!asker)
		return 0;
	for (u64 open = asker->open; open; open &= open - 1) {
		const struct link_ask *ask = &asker->at[__builtin_ctzll(open)];

		number[count] = ask->number;
		cookie[count++] = ask->cookie;
	}
	return count;
}

// A header told which of our requests have come.
void
ask_seen(struct links *links, u64 now, struct link_peer *peer, u32 newest,
	 u64 seen)
{
	struct link_asker *asker = asker_of(links, peer);
	u32 ahead = peer->next - 1 - newest;	// numbers it has not heard of
	u64 behind;

	if (!asker || ahead >= WIRE_WINDOW)
		return;
	behind = ~number_mask(newest + 1, ahead);
	asker->unseen &= ~(seen & behind);
	for (u64 gap = asker->unseen & behind; gap; gap &= gap - 1) {
		struct link_ask *ask = &asker->at[__builtin_ctzll(gap)];
		u32 later = newest + 1 - ask->after;

		if (ask->flags & ASK_POSTPONED ||
		    number_diff(newest + 1, ask->after) <= 0 ||
		    !overtaken_by_far(peer, ask, now))
			continue;
		seen &= behind;
		if (SOMETIMES_IF(AGAIN_SEEN,
				 __builtin_popcountll(seen & number_mask(ask->after,
									 later)) >=
				 (int)PASSED_MAX))
			ask_lost(links, peer, ask);
	}
}

static void
timers_run_out(struct links *links, u64 now, struct link_peer *peer,
	       struct link_asker *asker)
{
	for (u64 open = asker->open & ~asker->resend; open; open &= open - 1) {
		struct link_ask *ask = &asker->at[__builtin_ctzll(open)];

		if (PLANTED(BUG_POSTPONED) && ask->flags & ASK_POSTPONED)
			continue;
		if (now < ask->sent_at + rto_ns(peer, asker, ask) && !FAULT_POINT(EARLY_TIMER))
			continue;
		SOMETIMES_WHEN(TIMER_DOUBLED, ask->backoff > 1);
		SOMETIMES_WHEN(AGAIN_PART, peer->lossy && ask->flags & ASK_PARTIAL);
		links->counters.timeouts++;
		counts_of(links, peer)->timeouts++;
		ask->missed = false;
		if (ask->backoff < 255)
			ask->backoff++;
		if (!(ask->flags & ASK_POSTPONED))
			peer->timeouts = MAX(peer->timeouts, ask->backoff);
		if (ask->backoff >= SILENCES)
			pace_silent(links, asker);
		ask_again(links, peer, ask->number);
	}
}

void
ask_timer(struct links *links, u64 now, struct link_peer *peer)
{
	struct link_asker *asker = asker_of(links, peer);

	if (!asker)
		return;
	timers_run_out(links, now, peer, asker);
	if (SOMETIMES_IF(PATH_DOUBTED_HERE, peer->timeouts >= TIMEOUTS_NARROW) ||
	    FAULT_POINT(PATH_DOUBTED)) {
		peer->carries_here = peer->carries_there = 0;
		peer->probes = 0;
		peer->timeouts = 0;
		if (path_probing(peer))
			say_add(links, peer, SAY_PATH);
	}
}

u64
ask_due(const struct links *links, const struct link_peer *peer)
{
	const struct link_asker *asker = asker_of(links, peer);
	u64 due = NEVER_NS;

	if (!asker)
		return due;
	for (u64 open = asker->open & ~asker->resend; open; open &= open - 1) {
		const struct link_ask *ask = &asker->at[__builtin_ctzll(open)];

		if (!PLANTED(BUG_POSTPONED) || !(ask->flags & ASK_POSTPONED))
			due = min_u64(due, ask->sent_at + rto_ns(peer, asker, ask));
	}
	return due;
}
