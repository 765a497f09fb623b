// SPDX-License-Identifier: BSD-2-Clause
// What time and earlier frames have brought, one event at a time, and the
// frames of the links' own. Peers with news or something to say stand on lists,
// the deadlines of all in a heap. Its keys may be early, so that a frame which
// moves a deadline away costs nothing; they are late at most by what a new
// measurement of the round trip took off a timer that was running.

#include "kernel/base/assert.h"
#include "net/link/state.h"

// Takes one event off a peer's news. DOWN comes before anything else, since what
// was open belongs to the session that has ended.
static bool
news_take(struct links *links, struct link_peer *peer, struct link_event *event)
{
	event->peer = index_of(links, peer);
	if (peer->news & NEWS_DOWN) {
		peer->news &= (u8)~NEWS_DOWN;
		event->kind = LINK_DOWN;
		return true;
	}
	if (peer->news & NEWS_UP) {
		peer->news &= (u8)~NEWS_UP;
		event->kind = LINK_UP;
		if (peer->state == LINK_STATE_UP)
			return true;
	}
	if (peer->asker != LINK_NONE && peer->state == LINK_STATE_UP &&
	    links->asker[peer->asker].resend) {
		struct link_asker *asker = &links->asker[peer->asker];
		u32 at = (u32)__builtin_ctzll(asker->resend);

		asker->resend &= asker->resend - 1;
		event->kind = LINK_RESEND;
		event->number = asker->at[at].number;
		event->cookie = asker->at[at].cookie;
		return true;
	}
	if (SOMETIMES_IF(PEERS_CROWDED, peer->news & NEWS_CROWDED)) {
		peer->news &= (u8)~NEWS_CROWDED;
		event->kind = LINK_CROWDED;
		return true;
	}
	peer->news = 0;
	return false;
}

static bool
news_next(struct links *links, struct link_event *event)
{
	while (links->news_head != LINK_NONE) {
		struct link_peer *peer = &links->peer[links->news_head];

		ASSERT(peer->news_listed);
		if (news_take(links, peer, event))
			return true;
		links->news_head = peer->news_next;
		if (links->news_head == LINK_NONE)
			links->news_tail = LINK_NONE;
		peer->news_next = LINK_NONE;
		peer->news_listed = false;
	}
	return false;
}

bool
links_event(struct links *links, u64 now, struct link_event *event)
{
	event->kind = LINK_NOTHING;
	event->slot = NULL;
	for (;;) {
		if (news_next(links, event))
			return true;
		if (!links->heap_count ||
		    links->peer[links->heap[0]].due > now)
			return false;

		struct link_peer *peer = &links->peer[links->heap[0]];

		session_timer(links, now, peer);
		ASSERT(peer->due > now);
	}
}

bool
links_news(const struct links *links)
{
	return links->news_head != LINK_NONE;
}

u64
links_deadline(const struct links *links)
{
	u64 due = links->beacon_at;

	if (links->news_head != LINK_NONE || links->say_head != LINK_NONE)
		return 0;
	return links->heap_count ? MIN(due, links->peer[links->heap[0]].due) : due;
}

// What the peer is to be told, or 0 when that was said by another frame.
static u32
say_next(struct links *links, u64 now, struct link_peer *peer, u8 *buffer)
{
	if (peer->say & SAY_HELLO) {
		peer->say &= (u8)~SAY_HELLO;
		if (peer->handshake != LINK_NONE) {
			links->counters.sent++;
			return say_hello(links, now, peer, buffer);
		}
	}
	if (peer->say & SAY_SESSION && session_live(links, now, peer)) {
		peer->say &= (u8)~SAY_SESSION;
		return say_idle(links, now, peer, buffer);
	}
	peer->say = 0;
	return 0;
}

u32
links_output(struct links *links, u64 now, u8 *buffer)
{
	if (now >= links->beacon_at) {
		links->beacon_at = now + LINK_BEACON_NS;
		rekey_some(links, now);
		grants_overdue(links);
		return say_beacon(links, now, buffer);
	}
	while (links->say_head != LINK_NONE) {
		struct link_peer *peer = &links->peer[links->say_head];
		u32 len = say_next(links, now, peer, buffer);

		ASSERT(peer->say_listed);
		if (!peer->say) {
			links->say_head = peer->say_next;
			if (links->say_head == LINK_NONE)
				links->say_tail = LINK_NONE;
			peer->say_next = LINK_NONE;
			peer->say_listed = false;
		}
		if (len)
			return len;
	}
	return 0;
}
