// SPDX-License-Identifier: BSD-2-Clause
// Frames on their way in. The order of the checks is the protocol's: length,
// version and kind (wire_parse), sender, incarnations, tag, sequence, lease;
// rcap goes on with capability and effect. Nothing of a session changes before
// its tag and its sequence were right (K1), and what is refused is counted by its
// reason and forgotten.

#include "kernel/base/assert.h"
#include "net/link/state.h"

STATIC_ASSERT(LINK_DROP_SHORT + 1 == (int)WIRE_SHORT);
STATIC_ASSERT(LINK_DROP_SHAPE + 1 == (int)WIRE_SHAPE_WRONG);

// ---- the replay window: bit i of 128 is frame rx_newest - i

static bool
sequence_fresh(const struct link_peer *peer, u64 sequence)
{
	u64 age = peer->rx_newest - sequence;

	if (PLANTED(BUG_REPLAY))
		return true;
	if (!sequence)
		return false;
	if (sequence > peer->rx_newest)
		return true;
	if (SOMETIMES_IF(FRAME_TOO_OLD, age >= REPLAY_WINDOW))
		return false;
	return !(peer->window[age / 64] >> age % 64 & 1);
}

static void
window_shift(u64 window[2], u64 by)
{
	if (by >= 64) {
		SOMETIMES_WHEN(WINDOW_JUMPED, by >= REPLAY_WINDOW);
		window[1] = by < 128 ? window[0] << (by - 64) : 0;
		window[0] = 0;
	} else {
		window[1] = window[1] << by | window[0] >> (64 - by);
		window[0] <<= by;
	}
}

// Returns whether the frame is newer than all before.
static bool
sequence_mark(struct link_peer *peer, u64 sequence)
{
	u64 age;

	if (sequence > peer->rx_newest) {
		window_shift(peer->window, PLANTED(BUG_WINDOW_CLEARED) &&
							   sequence - peer->rx_newest > 1
						   ? REPLAY_WINDOW
						   : sequence - peer->rx_newest);
		peer->rx_newest = sequence;
		peer->window[0] |= 1;
		return true;
	}
	SOMETIMES(FRAME_OVERTAKEN);
	age = peer->rx_newest - sequence;
	if (age < REPLAY_WINDOW)
		peer->window[age / 64] |= 1ull << age % 64;
	return false;
}

// ---- what the newest header tells

// Nothing is kept for the peer any more.
static void
answerer_leave(struct links *links, struct link_peer *peer)
{
	if (peer->answerer != LINK_NONE && !links->answerer[peer->answerer].used)
		answerer_put(links, peer);
}

// The peer has answers below `done`: what was kept of those is free. `more`: a request
// follows, which wants a place at once.
static void
hear_done(struct links *links, struct link_peer *peer, u32 done, bool first, bool more)
{
	struct link_answerer *answerer;
	i32 forward = number_diff(done, peer->their_done);

	if (first) {
		peer->their_done = done;
		peer->seen_newest = done - 1;
		return;
	}
	if (forward <= 0)
		return;
	if (peer->answerer != LINK_NONE) {
		answerer = &links->answerer[peer->answerer];
		answerer->used &= ~number_mask(peer->their_done, (u32)forward);
		if (!more)
			answerer_leave(links, peer);
	}
	peer->their_done = done;
}

// An echo is a reading of our clock, so it lies in the past, by less than half of the
// counter's range. 0 is none: when the counter has just wrapped, it would be one of now.
static void
hear_echo(struct link_peer *peer, u64 now, u32 echo)
{
	u64 us = now / NS_PER_US;
	i32 age = (i32)((u32)us - echo);

	if (unlikely(!echo))
		return;
	if ((age >= 0 && (u64)age <= us) || PLANTED(BUG_ECHO_AHEAD))
		peer->proven_at = MAX(peer->proven_at, (us - (u64)age) * NS_PER_US);
	else
		SOMETIMES(ECHO_REFUSED);
}

// How many frames the peer would like to have open: most often no more than it may, and
// nobody wants more than there is.
static void
hear_wanted(struct links *links, struct link_peer *peer, u8 want)
{
	bool lowered = FAULT_POINT(CREDIT_LOWERED);

	if (likely(!links->hungry && want <= peer->grant && !lowered))
		peer->their_want = want;
	else
		grant_wanted(links, peer, want, lowered);
}

static void
hear_newest(struct links *links, u64 now, struct link_peer *peer,
	    const struct wire_header *header, bool first)
{
	hear_echo(peer, now, header->echo);
	peer->heard_at = now;
	peer->their_clock = header->clock;
	hear_done(links, peer, header->done, first, header->kind == WIRE_REQUEST);
	// Most frames say of these what those before them said.
	if (unlikely(peer->kept != peer->grant))
		grant_acknowledged(links, peer, header->turn_seen);
	hear_wanted(links, peer, header->want);
	if (unlikely(header->grant != peer->credit || header->turn != peer->their_turn ||
		     header->turn != peer->turn_kept))
		credit_heard(links, peer, header->grant, header->turn);
	if (peer->asker != LINK_NONE)
		ask_seen(links, now, peer, header->seen_newest, header->seen);
}

// ---- frames of a session

// A peer whose timers ran out has forgotten what the path carries, and says so:
// then both directions are found out anew. Not for the word alone: a long frame of its own
// has come since the last time.
static void
hear_carries(struct links *links, struct link_peer *peer, u16 carries)
{
	if (carries < WIRE_WHOLE_MTU && peer->carries_there >= WIRE_WHOLE_MTU) {
		SOMETIMES(PATH_DOUBTED_THERE);
		if (peer->carries_here >= WIRE_WHOLE_MTU)
			peer->probes = 0;
		peer->carries_here = 0;
		say_add(links, peer, SAY_PATH);
	}
	peer->carries_there = carries;
}

static void
hear_rest(struct links *links, struct link_peer *peer,
	  const struct wire_frame *frame, bool newest)
{
	bool idle = frame->header.kind == WIRE_IDLE;

	// One that was overtaken may tell of more; only the newest takes back.
	if (idle && (newest || frame->idle.carries > peer->carries_there))
		hear_carries(links, peer, frame->idle.carries);
	// A probe is answered each time, by a long frame where one is needed: the last
	// answer may be lost.
	if (idle && frame->header.length == WIRE_WHOLE_MTU) {
		peer->probes = MIN(peer->probes, PROBES_MAX - 1);
		say_add(links, peer, SAY_PATH);
	}
	peer->carries_here = MAX(peer->carries_here, frame->header.length);
	if (idle && frame->idle.answer)
		say_add(links, peer, SAY_IDLE);
}

static inline enum link_drop
hear_request(struct links *links, struct link_peer *peer,
	     const struct wire_frame *frame, struct link_event *event)
{
	u32 number = frame->request.number;
	struct link_answerer *answerer;
	struct link_slot *slot;

	if (SOMETIMES_IF(NUMBER_OLD, number - peer->their_done >= WIRE_WINDOW) &&
	    !PLANTED(BUG_LATE_REQUEST)) {
		answerer_leave(links, peer);
		return LINK_DROP_NUMBER;
	}
	answerer = answerer_get(links, peer);
	if (!answerer)
		return LINK_DROP_CREDIT;
	slot = &answerer->at[number % WIRE_WINDOW];
	if (!(answerer->used & number_bit(number))) {
		// Without a grant: one light one at a time.
		if (!peer->kept &&
		    (answerer->used || frame->payload_len > LINK_LIGHT_BYTES)) {
			if (!answerer->used)
				answerer_put(links, peer);
			return LINK_DROP_CREDIT;
		}
		SOMETIMES_WHEN(LIGHT_TAKEN, !peer->kept);
		answerer->used |= number_bit(number);
		*slot = (struct link_slot){
			.number = number,
			.state = LINK_SLOT_FRESH,
		};
	}
	ASSERT(slot->number == number);
	event->kind = LINK_REQUEST;
	event->number = number;
	event->slot = slot;
	return LINK_DROP_COUNT;
}

// What stands behind the request is the next one.
static void
several_begin(struct link_event *event)
{
	event->more = event->frame.payload_len / WIRE_LENGTH(request);
	event->frame.payload_len = 0;
}

static enum link_drop
hear_response(struct links *links, struct link_peer *peer,
	      const struct wire_frame *frame, struct link_event *event)
{
	u32 number = frame->response.number;
	const struct link_asker *asker;

	if (peer->asker == LINK_NONE)
		return LINK_DROP_STRANGER;
	asker = &links->asker[peer->asker];
	if (SOMETIMES_IF(ANSWER_OLD,
			 !(asker->open & number_bit(number)) ||
			 asker->at[number % WIRE_WINDOW].number != number))
		return LINK_DROP_STRANGER;
	event->kind = LINK_RESPONSE;
	event->number = number;
	event->cookie = asker->at[number % WIRE_WINDOW].cookie;
	return LINK_DROP_COUNT;
}

// Under the key of the frame's turn, which is kept when it is the next one.
static bool
tag_right(const struct links *links, struct link_peer *peer,
	  const struct wire_frame *frame)
{
	u64 sequence = frame->header.sequence;
	u64 ahead = (sequence ^ peer->rx_newest) & ~links->turn_mask;
	u8 key[KEY_LEN];

	if (unlikely(ahead))
		ahead = rekey_ahead(links, peer, sequence);
	if (likely(!ahead))
		return session_tag(links, peer->rx_key, frame->tagged,
				   frame->tagged_len) == frame->tag ||
		       PLANTED(BUG_TAG);
	if (SOMETIMES_IF(KEY_FAR, ahead != 1))
		return false;
	__builtin_memcpy(key, peer->rx_key, KEY_LEN);
	rekey_next(key);
	if (session_tag(links, key, frame->tagged, frame->tagged_len) != frame->tag)
		return false;
	if (!PLANTED(BUG_KEY_STUCK))
		__builtin_memcpy(peer->rx_key, key, KEY_LEN);
	SOMETIMES(KEY_NEXT);
	return true;
}

// The tag is right under the session's key, or under that of a session which the
// peer has confirmed and we have not: then that one begins here too.
static enum link_drop
session_opens(struct links *links, u64 now, struct link_peer *peer,
	      const struct wire_frame *frame)
{
	const struct link_handshake *h = handshake_of(links, peer);
	u32 from = frame->header.from;
	bool ours = peer->state == LINK_STATE_UP && from == (u32)peer->incarnation;
	bool next = h && h->complete && from == (u32)h->incarnation;

	if (!ours && !next)
		return peer->state == LINK_STATE_UP || (h && h->complete)
			       ? LINK_DROP_INCARNATION : LINK_DROP_STATE;
	if (ours && tag_right(links, peer, frame))
		return SOMETIMES_IF(LEASE_REFUSED, !session_live(links, now, peer))
			       ? LINK_DROP_LEASE : LINK_DROP_COUNT;
	if (!next || session_tag(links, h->rx_key, frame->tagged,
				 frame->tagged_len) != frame->tag)
		return LINK_DROP_TAG;
	SOMETIMES(CONFIRMED_BY_FRAME);
	session_confirm(links, now, peer);
	return session_live(links, now, peer) ? LINK_DROP_COUNT : LINK_DROP_LEASE;
}

static enum link_drop
hear_session(struct links *links, u64 now, struct link_event *event)
{
	const struct wire_frame *frame = &event->frame;
	const struct wire_header *header = &frame->header;
	enum link_drop drop;
	bool first, newest;

	if (header->sender >= links->peers_fresh)
		return LINK_DROP_SENDER;
	if (header->to != (u32)links->config.incarnation)
		return LINK_DROP_INCARNATION;

	struct link_peer *peer = &links->peer[header->sender];

	drop = session_opens(links, now, peer, frame);
	if (drop != LINK_DROP_COUNT)
		return drop;
	if (!sequence_fresh(peer, header->sequence))
		return LINK_DROP_SEQUENCE;
	event->peer = header->sender;
	links->counts[header->sender].received++;
	first = !peer->rx_newest;
	newest = sequence_mark(peer, header->sequence);
	if (newest)
		hear_newest(links, now, peer, header, first);
	hear_rest(links, peer, frame, newest);
	if (unlikely(links->config.cover == LINK_HIDDEN) &&
	    !payload_show(links, peer, &event->frame)) {
		answerer_leave(links, peer);
		return LINK_DROP_SHAPE;
	}
	if (header->kind == WIRE_REQUEST) {
		if (frame->request.flags & WIRE_FLAG_MORE)
			several_begin(event);
		return hear_request(links, peer, frame, event);
	}
	if (header->kind == WIRE_RESPONSE)
		return hear_response(links, peer, frame, event);
	return LINK_DROP_COUNT;
}

// ---- frames under the cluster key

static enum link_drop
hear_cluster(struct links *links, u64 now, const struct wire_frame *frame)
{
	const struct wire_header *header = &frame->header;
	bool hello = header->kind == WIRE_HELLO;
	u64 from = hello ? frame->hello.incarnation : frame->beacon.incarnation;

	if (header->sender != WIRE_NOBODY)
		return LINK_DROP_SENDER;
	if (header->from != (u32)from ||
	    header->to != (hello ? (u32)links->config.incarnation : 0))
		return LINK_DROP_INCARNATION;
	if (tag_of(links->cluster_tag_key, frame->tagged, frame->tagged_len) !=
	    frame->tag)
		return LINK_DROP_TAG;
	return hello ? hear_hello(links, now, frame)
		     : hear_beacon(links, now, &frame->beacon);
}

// What a frame is about, as far as it could be read.
static u64
frame_pack(const struct wire_frame *frame, u32 len, u32 y)
{
	const struct wire_header *header = &frame->header;

	switch (header->kind) {
	case WIRE_REQUEST:
		return TRACE_PACK(frame->request.slot, len,
				  TRACE_PART(WIRE_REQUEST, frame->request.part), y);
	case WIRE_RESPONSE:
		return TRACE_PACK(TRACE_NO_SLOT, len,
				  TRACE_PART(WIRE_RESPONSE, frame->response.part), y);
	default:
		return TRACE_PACK(TRACE_NO_SLOT, len, header->kind, y);
	}
}

static u32
frame_number(const struct wire_frame *frame)
{
	return frame->header.kind == WIRE_REQUEST ? frame->request.number
	       : frame->header.kind == WIRE_RESPONSE ? frame->response.number : 0;
}

static void
trace_accepted(const struct links *links, u64 now, const struct link_event *event)
{
	const struct wire_frame *frame = &event->frame;
	u32 y = frame->header.kind == WIRE_REQUEST ? frame->request.op
		: frame->header.kind == WIRE_RESPONSE ? frame->response.status : 0;

	trace_put(links->trace, now, TRACE_IN, event->peer, frame_number(frame),
		  frame_pack(frame, frame->payload_len, y));
}

// A peer has to answer for a frame whose tag was right, and that is no old one which
// somebody sent again.
static void
count_dropped(struct links *links, u64 now, enum link_drop drop,
	      const struct link_event *event, u32 len)
{
	bool shaped = drop > LINK_DROP_SHAPE;

	links->counters.dropped[drop]++;
	if (event->peer != LINK_NONE)
		links->counts[event->peer].dropped++;
	trace_put(links->trace, now, TRACE_DROP, event->peer,
		  shaped ? frame_number(&event->frame) : 0,
		  shaped ? frame_pack(&event->frame, len, drop)
			 : TRACE_PACK(TRACE_NO_SLOT, len, 0, drop));
}

void
links_input(struct links *links, u64 now, const void *bytes, u32 len,
	    struct link_event *event)
{
	enum wire_flaw flaw = likely(links->config.cover != LINK_HIDDEN)
				      ? wire_parse(&event->frame, bytes, len)
				      : wire_parse_hidden(&event->frame, bytes, len);
	enum link_drop drop;

	event->kind = LINK_NOTHING;
	event->peer = LINK_NONE;
	event->slot = NULL;
	event->more = 0;
	links->counters.received++;
	if (flaw != WIRE_FINE)
		drop = (enum link_drop)(flaw - 1);
	else if (event->frame.header.kind == WIRE_BEACON ||
		 event->frame.header.kind == WIRE_HELLO)
		drop = hear_cluster(links, now, &event->frame);
	else
		drop = hear_session(links, now, event);
	if (unlikely(drop != LINK_DROP_COUNT)) {
		count_dropped(links, now, drop, event, len);
		return;
	}
	links->counters.accepted++;
	trace_accepted(links, now, event);
}

void
links_further(struct links *links, u64 now, struct link_event *event)
{
	struct link_peer *peer = &links->peer[event->peer];
	enum link_drop drop;

	ASSERT(event->more && session_live(links, now, peer));
	event->more--;
	event->kind = LINK_NOTHING;
	event->slot = NULL;
	wire_request_load(&event->frame.request, event->frame.payload);
	event->frame.payload += WIRE_LENGTH(request);
	drop = hear_request(links, peer, &event->frame, event);
	if (SOMETIMES_IF(FURTHER_DROPPED, drop != LINK_DROP_COUNT)) {
		links->counters.further++;
		count_dropped(links, now, drop, event, 0);
	} else {
		trace_accepted(links, now, event);
	}
}

// ---- for rcap

struct link_slot *
links_slot(struct links *links, u16 peer_index, u32 number)
{
	const struct link_peer *peer = &links->peer[peer_index];
	struct link_answerer *answerer;

	if (peer->answerer == LINK_NONE ||
	    number - peer->their_done >= WIRE_WINDOW)
		return NULL;
	answerer = &links->answerer[peer->answerer];
	if (!(answerer->used & number_bit(number)))
		return NULL;
	ASSERT(answerer->at[number % WIRE_WINDOW].number == number);
	return &answerer->at[number % WIRE_WINDOW];
}

void
links_taken(struct links *links, u16 peer_index, u32 number)
{
	struct link_peer *peer = &links->peer[peer_index];
	i32 forward = number_diff(number, peer->seen_newest);

	if (forward > 1)
		peer->seen &= ~number_mask(peer->seen_newest + 1, (u32)forward);
	if (forward > 0)
		peer->seen_newest = number;
	if (forward > -(i32)WIRE_WINDOW)
		peer->seen |= number_bit(number);
}

void
links_forget(struct links *links, u16 peer_index, u32 number)
{
	struct link_peer *peer = &links->peer[peer_index];
	struct link_answerer *answerer;

	// While there are enough, `done` brings the same for nothing.
	if (likely(links->answerers_used * 2 <= links->config.windows_max) ||
	    peer->answerer == LINK_NONE)
		return;
	SOMETIMES(FORGOTTEN_EARLY);
	answerer = &links->answerer[peer->answerer];
	answerer->used &= ~number_bit(number);
	if (!answerer->used)
		answerer_put(links, peer);
}

void
links_hold(struct links *links, u16 peer)
{
	ASSERT(links->peer[peer].held < 255);
	links->peer[peer].held++;
}

void
links_release(struct links *links, u16 peer)
{
	ASSERT(links->peer[peer].held > 0);
	links->peer[peer].held--;
}
