// SPDX-License-Identifier: BSD-2-Clause
// Credits. As owner we grant request frames out of a pool of receive buffers; as
// requester we keep to what we are granted.
//
// A grant is raised at once and lowered in two steps: the header's `turn` counts
// on with the lower grant, and until the peer's `turn_seen` says that it keeps to
// it, the grant counts in the pool as it was (`kept`). One lowering at a time.
//
// Who wants nothing and was idle for LINK_IDLE_NS is granted nothing; while
// somebody wants more than there is, nobody keeps more than a fair share. Nor does one
// that does not say so: by the second beacon after the lowering it counts as if it had,
// but for what is at work for it here. So no peer can keep the others' credit from them.

#include "kernel/base/assert.h"
#include "net/link/state.h"

#define GRANT_START 8u		// where there is room, so that a burst need not ask twice
#define GRANT_MAX 192u		// WIRE_WINDOW requests of WIRE_PARTS_MAX frames

// Wants something, and has nothing.
static u32
starves(const struct link_peer *peer)
{
	return peer->hungry && !peer->kept;
}

static void
kept_set(struct links *links, struct link_peer *peer, u8 kept)
{
	links->starving -= starves(peer);
	links->grants_kept += (u32)kept - peer->kept;
	links->granted += (u32)(kept > 0) - (peer->kept > 0);
	peer->kept = kept;
	links->starving += starves(peer);
	ASSERT(links->grants_kept <= links->config.grant_pool ||
	       PLANTED(BUG_CREDIT_EXCESS) || PLANTED(BUG_GRANT_HASTE));
}

static void
hungry_set(struct links *links, struct link_peer *peer, bool hungry)
{
	links->starving -= starves(peer);
	links->hungry += (u32)hungry - peer->hungry;
	peer->hungry = hungry & 1;
	links->starving += starves(peer);
}

// What each of those who have or want something may keep; never less than the
// frames of one request, or it could not be sent at all.
static u32
fair_share(const struct links *links)
{
	u32 sharers = links->granted + links->starving;

	return MAX(links->config.grant_pool / MAX(sharers, 1u), WIRE_PARTS_MAX);
}

void
grant_set(struct links *links, struct link_peer *peer, u32 grant)
{
	ASSERT(grant <= GRANT_MAX);
	if (grant < peer->grant) {
		if (SOMETIMES_IF(GRANT_LOWERING, peer->kept > peer->grant))
			return;		// the last lowering is not acknowledged yet
		peer->grant = (u8)grant;
		peer->turn++;
		peer->overdue = false;
		if (PLANTED(BUG_GRANT_HASTE))
			kept_set(links, peer, peer->grant);
	} else {
		peer->grant = (u8)grant;
		kept_set(links, peer, MAX(peer->kept, peer->grant));
	}
	say_add(links, peer, SAY_IDLE);
}

void
grant_end(struct links *links, struct link_peer *peer)
{
	hungry_set(links, peer, false);
	kept_set(links, peer, 0);
	peer->grant = peer->their_want = 0;
}

// The peer says how many frames it would like to have open. `lowered`: a fault point.
void
grant_wanted(struct links *links, struct link_peer *peer, u8 want, bool lowered)
{
	u32 wanted = MIN(want, GRANT_MAX);
	u32 room = links->config.grant_pool - links->grants_kept;
	u32 share, grant;

	peer->their_want = want;
	share = links->hungry ? fair_share(links) : links->config.grant_pool;
	SOMETIMES_WHEN(GRANT_SHARED, peer->grant > share);
	if (lowered)
		share = MIN(share, WIRE_PARTS_MAX);
	if (peer->grant > share)
		grant_set(links, peer, share);
	if (wanted <= peer->grant) {
		hungry_set(links, peer, false);
		return;
	}
	grant = MIN(MIN(MAX(wanted, GRANT_START), share), peer->kept + room);
	if (PLANTED(BUG_CREDIT_EXCESS))
		grant = wanted;
	if (FAULT_POINT(CREDIT_WITHHELD))
		grant = MIN(grant, peer->grant);
	hungry_set(links, peer, grant < wanted);
	SOMETIMES_WHEN(GRANT_STARVES, starves(peer));
	if (grant > peer->grant)
		grant_set(links, peer, grant);
}

void
grant_acknowledged(struct links *links, struct link_peer *peer, u8 turn)
{
	if (turn == peer->turn && peer->kept != peer->grant)
		kept_set(links, peer, peer->grant);
}

static u32
at_work(const struct links *links, const struct link_peer *peer)
{
	const struct link_answerer *answerer;
	u32 count = 0;

	if (peer->answerer == LINK_NONE)
		return 0;
	answerer = &links->answerer[peer->answerer];
	for (u64 used = answerer->used; used; used &= used - 1)
		count += answerer->at[__builtin_ctzll(used)].state == LINK_SLOT_RUNNING;
	return count;
}

// Once for each beacon, as a walk over all peers, while somebody wants more.
void
grants_overdue(struct links *links)
{
	for (u32 i = 0; i < links->peers_fresh && links->hungry; i++) {
		struct link_peer *peer = &links->peer[i];
		bool lowered = peer->kept > peer->grant;

		if (lowered && peer->overdue)
			kept_set(links, peer, (u8)MIN(peer->kept, MAX(peer->grant,
								      at_work(links, peer))));
		peer->overdue = lowered & 1;
	}
}

// Nothing was sent to the peer for a while.
void
grant_idle(struct links *links, struct link_peer *peer)
{
	u32 share = fair_share(links);

	if (SOMETIMES_IF(GRANT_IDLE, !peer->their_want && peer->grant))
		grant_set(links, peer, 0);
	else if (links->hungry && peer->grant > share)
		grant_set(links, peer, share);
}

// The peer says what it grants us.
void
credit_heard(struct links *links, struct link_peer *peer, u8 grant, u8 turn)
{
	const struct link_asker *asker =
		peer->asker == LINK_NONE ? NULL : &links->asker[peer->asker];

	peer->credit = grant;
	peer->their_turn = turn;
	if (peer->turn_kept != turn && (!asker || asker->frames <= grant)) {
		peer->turn_kept = turn;
		say_add(links, peer, SAY_IDLE);
	} else {
		SOMETIMES_WHEN(GRANT_KEPT_LATE, peer->turn_kept != turn);
	}
}
