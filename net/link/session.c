// SPDX-License-Identifier: BSD-2-Clause
// A session from its confirmation to its end, and the lease that it lives on.
//
// With p the newest reading of our clock that the peer has echoed and r the time
// when its newest frame came:
//
//	owner		runs requests only while now < p + L
//	requester	stops sending at p + L; from then on the peer's p stands
//			still, at a reading that came here by r, so by r + L the
//			peer has stopped too; at r + 9/8 L open requests end
//
// Both are the one test in session_live(), and LAPSED is for good.

#include "kernel/base/assert.h"
#include "net/link/state.h"

static bool
anything_open(const struct links *links, const struct link_peer *peer)
{
	return peer->asker != LINK_NONE && links->asker[peer->asker].open;
}

// Nothing of the peer's is answered any more, nothing granted.
static void
owner_end(struct links *links, struct link_peer *peer)
{
	if (!PLANTED(BUG_OLD_SLOTS))
		answerer_put(links, peer);
	grant_end(links, peer);
	peer->credit = 0;
	peer->want = 0;
	if (peer->asker != LINK_NONE && !links->asker[peer->asker].open)
		asker_put(links, peer);
	peer->say &= (u8)~(SAY_IDLE | SAY_PATH);
	__builtin_memset(peer->tx_key, 0, KEY_LEN);
	__builtin_memset(peer->rx_key, 0, KEY_LEN);
}

// Open requests, if any, are to be closed now: they can run no more. How long they were
// open says nothing about the next session's path.
static void
session_end(struct links *links, struct link_peer *peer)
{
	if (anything_open(links, peer)) {
		struct link_asker *asker = &links->asker[peer->asker];

		for (u64 open = asker->open; open; open &= open - 1)
			asker->at[__builtin_ctzll(open)].flags |= ASK_POSTPONED;
	}
	peer->state = LINK_STATE_DOWN;
	news_add(links, peer, NEWS_DOWN);
}

static void
session_lapse(struct links *links, struct link_peer *peer)
{
	ASSERT(peer->state == LINK_STATE_UP);
	links->counters.lapses++;
	counts_of(links, peer)->lapses++;
	owner_end(links, peer);
	if (peer->asker != LINK_NONE)
		links->asker[peer->asker].resend = 0;
	peer->news &= (u8)~NEWS_RESEND;
	if (SOMETIMES_IF(LAPSED_OPEN, anything_open(links, peer)) &&
	    !PLANTED(BUG_WAIT_SHORT))
		peer->state = LINK_STATE_LAPSED;
	else
		session_end(links, peer);
}

void
session_over(struct links *links, struct link_peer *peer)
{
	if (peer->state != LINK_STATE_UP)
		return;
	session_lapse(links, peer);
	peer_due_by(links, peer, session_due(links, peer));
}

void
links_leave(struct links *links, u16 peer)
{
	ASSERT(peer < links->peers_fresh);
	session_over(links, &links->peer[peer]);
}

bool
links_live(struct links *links, u64 now, u16 peer)
{
	return peer < links->peers_fresh &&
	       session_live(links, now, &links->peer[peer]);
}

// The handshake is complete: its keys are the session's from here on. What was
// before has ended on both sides (handshake.c).
void
session_confirm(struct links *links, u64 now, struct link_peer *peer)
{
	const struct link_handshake *h = handshake_of(links, peer);

	ASSERT(h && h->complete);
	SOMETIMES_WHEN(CONFIRMED_OVER_LAPSED, peer->state == LINK_STATE_LAPSED);
	if (peer->state == LINK_STATE_UP)
		owner_end(links, peer);
	if (peer->state != LINK_STATE_DOWN)
		session_end(links, peer);
	peer->state = LINK_STATE_UP;
	peer->incarnation = h->incarnation;
	peer->their_index = h->their_index;
	peer->mtu = h->mtu;
	peer->minor = h->minor;
	__builtin_memcpy(peer->mac, h->mac, 6);
	__builtin_memcpy(peer->tx_key, h->tx_key, KEY_LEN);
	__builtin_memcpy(peer->rx_key, h->rx_key, KEY_LEN);
	peer->nonce = le32_load(h->nonce);
	peer->their_nonce = le32_load(h->their_nonce);
	peer->tx_sequence = peer->rx_newest = 0;
	peer->window[0] = peer->window[1] = 0;
	peer->proven_at = h->nonce_at;
	peer->heard_at = peer->sent_at = now;
	peer->seen = 0;
	peer->seen_newest = peer->their_done = 0;
	peer->their_clock = 0;
	peer->rtt_us = peer->rtt_var_us = 0;
	peer->base_us = peer->quick_us = 0;
	peer->lossy = 0;
	peer->disorderly = false;
	peer->carries_here = peer->carries_there = 0;
	peer->probes = 0;
	peer->timeouts = 0;
	peer->turn = peer->their_turn = peer->turn_kept = 0;
	peer->session = ++links->sessions;
	links->counters.sessions++;
	counts_of(links, peer)->sessions++;
	handshake_end(links, peer);
	news_add(links, peer, NEWS_UP);
	say_add(links, peer, SAY_PATH);
	peer_due_changed(links, peer, session_due(links, peer));
}

// When an IDLE frame is due at the latest. Earlier when we ask for credit and have
// no request open whose header would ask; and, so that loss does not end a session,
// when most of the lease has gone by without an echo.
u64
session_idle_due(const struct links *links, const struct link_peer *peer)
{
	bool asks = peer->want && (peer->asker == LINK_NONE ||
				   !links->asker[peer->asker].frames);
	u64 due = peer->sent_at + (asks ? RTO_START_NS : LINK_IDLE_NS);
	u64 urgent = MAX(peer->sent_at + LINK_URGENT_NS,
			 peer->proven_at + LINK_DANGER_NS);

	return MIN(due, urgent);
}

u64
session_due(const struct links *links, const struct link_peer *peer)
{
	u64 lapse = lease_end(peer);
	u64 due = NEVER_NS;

	if (peer->state == LINK_STATE_LAPSED)
		due = peer->heard_at + LINK_LAPSE_NS;
	if (peer->state == LINK_STATE_UP) {
		due = min_u64(lapse, ask_due(links, peer));
		if (!(peer->say & SAY_IDLE))
			due = min_u64(due, session_idle_due(links, peer));
	}
	return min_u64(due, handshake_due(handshake_of(links, peer)));
}

// What time has brought to this peer.
void
session_timer(struct links *links, u64 now, struct link_peer *peer)
{
	bool was_up = peer->state == LINK_STATE_UP;

	if (session_live(links, now, peer)) {
		ask_timer(links, now, peer);
		if (now >= peer->sent_at + LINK_IDLE_NS || FAULT_POINT(CREDIT_IDLE))
			grant_idle(links, peer);
		if (now >= session_idle_due(links, peer) || FAULT_POINT(EARLY_IDLE))
			say_add(links, peer, SAY_IDLE);
	}
	// Who stood still finds it lapsed and over in one.
	if (peer->state == LINK_STATE_LAPSED &&
	    now >= peer->heard_at + LINK_LAPSE_NS &&
	    !(was_up && PLANTED(BUG_LAPSE_LATE))) {
		SOMETIMES_WHEN(LAPSED_AND_OVER, was_up);
		session_end(links, peer);
	}
	handshake_timer(links, now, peer);
	peer_due_changed(links, peer, session_due(links, peer));
}
