// SPDX-License-Identifier: BSD-2-Clause
// The links looked at from outside, and left as they are: what hosts show of them, how
// much of its window a peer has (pace.c decides on it), the walk over all
// invariants (K1 to K8 in docs/protocol/README.md), and the hash of the whole
// state for the simulator.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/state.h"

static const char *const drop_text[LINK_DROP_COUNT] = {
#define X(name, sentence) [name] = (sentence),
#include "net/link/drops.def"
#undef X
};

const char *
link_drop_text(enum link_drop drop)
{
	return drop < LINK_DROP_COUNT ? drop_text[drop] : "?";
}

static const struct link_peer *
peer_at(const struct links *links, u16 peer)
{
	return peer < links->peers_fresh ? &links->peer[peer] : NULL;
}

bool
links_info(const struct links *links, u16 index, struct link_info *info)
{
	const struct link_peer *peer = peer_at(links, index);

	if (!peer)
		return false;
	*info = (struct link_info){
		.incarnation = peer->incarnation,
		.state = peer->state,
		.grant = peer->grant,
		.credit = peer->credit,
		.minor = peer->minor,
		.carries = MIN(peer->carries_here, peer->carries_there),
		.session = peer->session,
		.rtt_us = peer->rtt_us,
		.base_us = peer->base_us,
		.heard_at = peer->heard_at,
	};
	if (peer->asker != LINK_NONE) {
		const struct link_asker *asker = &links->asker[peer->asker];

		info->open = (u8)__builtin_popcountll(asker->open);
		info->open_frames = (u8)asker->frames;
		info->window = asker->window / PACE_UNIT;
	}
	__builtin_memcpy(info->uuid, peer->uuid, 16);
	__builtin_memcpy(info->mac, peer->mac, 6);
	return true;
}

const struct wire_version *
links_version(const struct links *links, u16 index)
{
	return &wire_version[links->peer[index].minor];
}

u16
links_find(const struct links *links, const u8 uuid[16])
{
	const struct link_peer *peer = peer_find(links, uuid);

	return peer ? index_of(links, peer) : LINK_NONE;
}

u32
links_peers_max(const struct links *links)
{
	return links->config.peers_max;
}

u32
links_session(const struct links *links, u16 index)
{
	const struct link_peer *peer = peer_at(links, index);

	return peer && peer->state == LINK_STATE_UP ? peer->session : 0;
}

u64
links_incarnation(const struct links *links, u16 index)
{
	const struct link_peer *peer = peer_at(links, index);

	return peer ? peer->incarnation : 0;
}

u32
links_clock(const struct links *links, u16 index)
{
	const struct link_peer *peer = peer_at(links, index);

	return peer ? peer->their_clock : 0;
}

bool
links_whole(const struct links *links, u16 index)
{
	const struct link_peer *peer = peer_at(links, index);

	return peer && path_whole(peer);
}

bool
links_whole_now(const struct links *links, u16 index)
{
	const struct link_peer *peer = peer_at(links, index);

	return peer && path_whole(peer) &&
	       (peer->asker == LINK_NONE || !links->asker[peer->asker].slices);
}

u64
links_self(const struct links *links, u8 uuid[16])
{
	__builtin_memcpy(uuid, links->config.uuid, 16);
	return links->config.incarnation;
}

const struct links_counters *
links_counters(const struct links *links)
{
	return &links->counters;
}

struct fabric_counts *
links_counts(struct links *links, u16 peer)
{
	ASSERT(peer < links->peers_fresh);
	return &links->counts[peer];
}

struct trace_ring *
links_trace(const struct links *links)
{
	return links->trace;
}

// ---- invariants

static void
check_asker(const struct links *links, const struct link_peer *peer)
{
	const struct link_asker *asker = &links->asker[peer->asker];
	u32 span = peer->next - peer->done, frames = 0, flight = 0, all = 0, longs = 0;

	ASSERT(asker->peer == index_of(links, peer));
	ASSERT(span <= WIRE_WINDOW);
	ASSERT(!(asker->open & ~number_mask(peer->done, span)));
	ASSERT(!(asker->resend & ~asker->open) && !(asker->unseen & ~asker->open));
	for (u64 open = asker->open; open; open &= open - 1) {
		const struct link_ask *ask = &asker->at[__builtin_ctzll(open)];

		ASSERT(ask->number - peer->done < span);
		frames += ask->frames;
		flight += ask->flags & ASK_PACED ? ask->frames + ask->landing : 0u;
		all += ask->frames + (u32)ask->landing;
		longs += !(ask->flags & ASK_QUICK);
	}
	ASSERT(flight == asker->flight && longs == asker->longs);
	ASSERT(asker->slices <= SLICES);
	for (u32 i = 0; i < LINK_LANES; i++)
		all -= asker->lane_flight[i];
	ASSERT(!all);
	ASSERT(frames == asker->frames || PLANTED(BUG_CREDIT_LEAK));
	ASSERT(!asker->open || peer->state != LINK_STATE_DOWN ||
	       peer->news & NEWS_DOWN);				// K6
}

static void
check_answerer(const struct links *links, const struct link_peer *peer)
{
	const struct link_answerer *answerer = &links->answerer[peer->answerer];

	ASSERT(answerer->peer == index_of(links, peer));
	ASSERT(peer->state == LINK_STATE_UP);				// K5
	for (u64 used = answerer->used; used; used &= used - 1) {
		const struct link_slot *slot =
			&answerer->at[__builtin_ctzll(used)];

		ASSERT(slot->number - peer->their_done < WIRE_WINDOW);
		ASSERT(slot->state != LINK_SLOT_FREE);
	}
}

static void
check_peer(const struct links *links, const struct link_peer *peer)
{
	u16 index = index_of(links, peer);

	ASSERT(peer->state > LINK_STATE_FREE && peer->state <= LINK_STATE_LAPSED);
	ASSERT(links->heap[peer->heap] == index);
	ASSERT(peer->heap == 0 ||
	       links->peer[links->heap[(peer->heap - 1) / 2]].due <= peer->due);
	ASSERT(peer_find(links, peer->uuid) == peer);
	ASSERT(peer->kept >= peer->grant);				// K2
	if (peer->state != LINK_STATE_UP)
		ASSERT(!peer->kept && !peer->credit && !peer->want);	// K5
	if (peer->asker != LINK_NONE)
		check_asker(links, peer);
	if (peer->answerer != LINK_NONE)
		check_answerer(links, peer);
	if (peer->handshake != LINK_NONE)
		ASSERT(links->handshake[peer->handshake].peer == index);
}

static void
check_pools(const struct links *links)
{
	u32 free = 0, used = 0;

	for (u16 i = links->askers_free; i != LINK_NONE;
	     i = links->asker[i].next_free) {
		ASSERT(links->asker[i].peer == LINK_NONE);
		ASSERT(++free <= links->config.windows_max);
	}
	for (u16 i = links->answerers_free; i != LINK_NONE;
	     i = links->answerer[i].next_free) {
		ASSERT(links->answerer[i].peer == LINK_NONE);
		ASSERT(++free <= 2u * links->config.windows_max);
	}
	for (u32 i = 0; i < links->peers_fresh; i++) {
		used += links->peer[i].asker != LINK_NONE;
		used += links->peer[i].answerer != LINK_NONE;
	}
	ASSERT(free + used == 2u * links->config.windows_max);
}

// No frame is lost without a reason (K8).
static void
check_counters(const struct links *links)
{
	u64 dropped = 0;

	for (u32 i = 0; i < LINK_DROP_COUNT; i++)
		dropped += links->counters.dropped[i];
	ASSERT(links->counters.received + links->counters.further ==
	       links->counters.accepted + dropped);
}

void
links_check(const struct links *links)
{
	u32 kept = 0, granted = 0, hungry = 0, starving = 0, landing = 0;

	ASSERT(links->heap_count == links->peers_fresh);
	for (u32 i = 0; i < links->peers_fresh; i++) {
		const struct link_peer *peer = &links->peer[i];

		check_peer(links, peer);
		kept += peer->kept;
		granted += peer->kept > 0;
		hungry += peer->hungry;
		starving += peer->hungry && !peer->kept;
		if (peer->asker == LINK_NONE)
			continue;

		const struct link_asker *asker = &links->asker[peer->asker];

		for (u64 open = asker->open; open; open &= open - 1)
			landing += asker->at[__builtin_ctzll(open)].landing;
	}
	ASSERT(kept == links->grants_kept && granted == links->granted);
	ASSERT(hungry == links->hungry && starving == links->starving);
	ASSERT(kept <= links->config.grant_pool);			// K2
	ASSERT(landing == links->landing);
	ASSERT(landing <= links->config.landing_pool);			// K3
	check_pools(links);
	check_counters(links);
}

// ---- the hash: everything but pointers; pool entries only while in use, so that
// what a free one held does not count

struct summary {
	u64 nonces, beacon_at, budget_at;
	u32 budget, sessions, grants_kept, landing;
	u32 answerers_used, rekey_turn;
	u64 peers, windows;
	struct links_counters counters;
};

STATIC_ASSERT(sizeof(struct link_peer) % 8 == 0);
STATIC_ASSERT(sizeof(struct link_handshake) % 8 == 0);
STATIC_ASSERT(sizeof(struct link_asker) % 8 == 0);
STATIC_ASSERT(sizeof(struct link_answerer) % 8 == 0);

u64
links_hash(const struct links *links)
{
	static const u8 key[SIPHASH_KEY_LEN] = "links";
	struct siphash peers, windows;
	u64 size = 0;
	struct summary summary = {
		.nonces = links->nonces,
		.beacon_at = links->beacon_at,
		.budget_at = links->budget_at,
		.budget = links->budget,
		.sessions = links->sessions,
		.grants_kept = links->grants_kept,
		.landing = links->landing,
		.answerers_used = links->answerers_used,
		.rekey_turn = links->rekey_turn,
		.counters = links->counters,
	};

	siphash_begin(&peers, key);
	siphash_begin(&windows, key);
	for (u32 i = 0; i < links->peers_fresh; i++) {
		const struct link_peer *peer = &links->peer[i];

		siphash_words(&peers, peer, sizeof(*peer));
		size += sizeof(*peer);
		if (peer->asker != LINK_NONE)
			siphash_words(&windows, &links->asker[peer->asker],
				      sizeof(struct link_asker));
		if (peer->answerer != LINK_NONE)
			siphash_words(&windows, &links->answerer[peer->answerer],
				      sizeof(struct link_answerer));
		if (peer->handshake != LINK_NONE)
			siphash_words(&windows, &links->handshake[peer->handshake],
				      sizeof(struct link_handshake));
	}
	summary.peers = siphash_end(&peers, NULL, size);
	summary.windows = siphash_end(&windows, NULL, 0);
	return siphash64(key, &summary, sizeof(summary));
}
