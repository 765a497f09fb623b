// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The links' state, shared by the files of this folder and by nobody else.
//
//	peer		one a node that was heard of: identity, session, credits
//	handshake	one a session that is being set up
//	asker		one a peer that we have requests open at, or waiting
//	answerer	one a peer whose requests we keep answers of
//
// Askers, answerers and handshakes come from pools, so that an idle peer is its
// struct link_peer and its places in the hash table and the heap.
//
//	        HELLO with our fresh nonce, or a frame under the new key
//	DOWN ------------------------------------------------------> UP
//	  ^     session_confirm()                                     |
//	  |                                                           | lease over:
//	  |     LINK_LAPSE_NS after the last sign of life             | session_lapse()
//	  +---------------------------------------------- LAPSED <----+
//	        session_end()
//
// From UP and LAPSED a new session may be confirmed at once; then the old one
// has ended on both sides.

#include "net/link/crypto.h"
#include "net/link/link.h"
#include "net/wire/planted.h"
#include "net/wire/points.h"

#define KEY_LEN 16u
#define NONCE_LEN 16u
#define NEVER_NS (~0ull)
#define SEQUENCE_END (1ull << 48)
#define REPLAY_WINDOW 128u
#define SAY_SESSION (SAY_IDLE | SAY_PATH)
#define RTO_START_NS (20 * NS_PER_MS)
#define RTO_PART_NS (NS_PER_MS / 10)	// once a part of the answer is here
#define RTT_MOST_US 100000u	// to which it is raised when timers were hasty
#define LOSSY_ANSWERS 250u	// so many later none was lost any more
#define NONCE_NS (LINK_LEASE_NS / 2)	// how long a nonce counts as fresh
#define HELLO_NS (100 * NS_PER_MS)
#define HANDSHAKE_NS (3 * NS_PER_SECOND)	// without a word from the peer
#define PASSED_MAX 3u		// later ones that overtake a lost one
#define SILENCES 3u		// timers of one request in a row: there is no way through
#define PACE_UNIT 256u		// a frame, in windows
#define LANDING_QUICK 4u	// landing places that long answers leave alone
#define SLICES 32u		// pages that go in parts after a small request among them
#define PROBES_MAX 4u		// padded frames, until what was known is taken back
#define TIMEOUTS_NARROW 3u	// of one request in a row: do not trust the path with long frames

enum news {
	NEWS_DOWN = 1,		// to be told before the others
	NEWS_UP = 2,
	NEWS_RESEND = 4,
	NEWS_CROWDED = 8,
};

enum say {
	SAY_HELLO = 1,
	SAY_IDLE = 2,
	SAY_PATH = 4,		// an IDLE frame whatever else is sent: what the path carries
};

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
// No structure that links_hash() reads has padding.
struct link_peer {
	u8 uuid[16];
	u64 incarnation;
	u8 tx_key[KEY_LEN];
	u8 rx_key[KEY_LEN];
	u32 nonce, their_nonce;	// beginnings of the session's nonces
	u64 tx_sequence;	// of the last frame sent
	u64 rx_newest;
	u64 window[2];		// bit i: frame rx_newest - i has come
	u64 proven_at;		// our newest reading that the peer has echoed
	u64 heard_at;		// when its newest frame came
	u64 sent_at;
	u64 due;		// key in the heap: not later than the next deadline
	u64 seen;		// of its requests, as in the header
	u32 seen_newest;
	u32 their_done;
	u32 their_clock;	// to be echoed
	u32 next, done;		// our numbers: first unused, first open
	u32 rtt_us;		// 0: not measured
	u32 session;
	u16 their_index;
	u16 mtu;		// of both interfaces
	u16 carries_there;	// longest frame that the peer has told us of
	u16 carries_here;	// longest that came
	u16 asker, answerer, handshake;
	u16 hash_next;		// or next free
	u16 heap;		// place
	u16 news_next, say_next;
	u16 rtt_var_us;
	u16 base_us;		// shortest round trip, about; 0: not measured
	u16 quick_us;		// likewise, of what is small
	u8 mac[6];
	u8 state;		// enum link_state
	u8 news, say;		// bits; on the list while listed
	u8 news_listed : 4, say_listed : 4;	// bools
	u8 held;		// see links_hold()
	u8 probes : 4;
	u8 disorderly : 4;	// bool: in this session frames overtook others by far
	u8 timeouts;		// in a row
	u8 grant;		// what its header says
	u8 kept;		// the most that it may still act on
	u8 turn;
	u8 their_want;
	u8 credit;		// what it grants us
	u8 their_turn;		// the newest that came
	u8 turn_kept;		// the newest that we keep to
	u8 want;		// frames waiting
	u8 hungry : 2;		// bool: it wants more than there is
	u8 overdue : 2;		// bool: `kept` was above `grant` at the last beacon
	u8 stakes : 4;		// bits of enum link_stake
	u8 minor;		// that both sides of the session speak
	u8 lossy;		// counts down answers since one was lost
};

struct link_handshake {
	u8 public_key[CRYPTO_KEY];
	u8 pair_key[CRYPTO_KEY];
	u8 nonce[NONCE_LEN];
	u8 their_nonce[NONCE_LEN];
	u8 proof_key[KEY_LEN];
	u8 tx_key[KEY_LEN], rx_key[KEY_LEN];	// once their nonce has come
	u64 incarnation;
	u64 begun_at;
	u64 nonce_at;
	u64 next_at;		// when to say HELLO again
	u64 give_up_at;
	u16 peer;		// LINK_NONE: free
	u16 next_free;
	u16 their_index;
	u16 mtu;
	u8 mac[6];
	u8 complete;		// their nonce has come
	u8 minor;		// that both sides speak
};

enum ask_flag {
	ASK_LANE = LINK_LANES - 1,
	ASK_POSTPONED = 8,	// the peer has said that it takes time
	ASK_PARTIAL = 16,	// of this copy's answer some parts have come, at sent_at
	ASK_DEVICE = 32,	// its time is not the path's alone
	ASK_PACED = 64,		// counts in `flight`
	ASK_QUICK = 128,
};

struct link_ask {
	u64 sent_at;
	u32 number;
	u32 after;		// numbers from here on were sent later
	u16 cookie;
	u8 frames, landing;
	u8 copies;		// sent so far
	u8 backoff;		// timers that ran out since a word of its answer came
	u8 passed : 4;		// later ones that were answered since
	u8 missed : 4;		// bool: not its timer had it sent again, others did
	u8 flags;		// enum ask_flag, and its lane
};

struct link_asker {
	u64 open;		// bit number % WIRE_WINDOW
	u64 unseen;		// of these, not known to have come
	u64 resend;
	u32 frames;		// of all that are open
	u16 peer;		// LINK_NONE: free
	u16 next_free;
	u32 window;		// pace.c
	u32 round_us;		// shortest round trip since the round began
	u32 round_end;		// number that ends it
	u16 flight;		// frames of paced requests, and of their answers
	u8 narrow : 4;		// in this round something waited for the window
	u8 held : 4;		// it shrank in the round before
	u8 lanes;		// bits of those that opened something in this round
	u16 round_quick_us;	// as round_us, of what is small
	u16 longs;		// open requests that are not small
	u8 slices;		// so many pages more go in parts
	u8 lanes_before;	// in the round before
	u16 reserved;
	u16 lane_flight[LINK_LANES];	// the same of all, by lane
	struct link_ask at[WIRE_WINDOW];
};

struct link_answerer {
	u64 used;
	u16 peer;
	u16 next_free;
	u32 reserved;
	struct link_slot at[WIRE_WINDOW];
};
#pragma GCC diagnostic pop

struct links {
	struct links_config config;
	u8 public_key[CRYPTO_KEY];
	u8 cluster_tag_key[KEY_LEN];
	u8 nonce_key[KEY_LEN];
	u64 nonces;		// made so far
	u64 beacon_at;
	u64 budget_at;		// when the budget below was last filled
	u32 budget;		// key agreements that may be computed
	u32 sessions;		// numbers given out
	u32 grants_kept;	// sum of `kept`
	u32 granted;		// peers with `kept` > 0
	u32 hungry;		// peers that want more
	u32 starving;		// of these, those that have nothing
	u32 landing;		// frames of answers asked for
	u32 answerers_used;
	u32 rekey_turn;		// whose keys are next
	u64 turn_mask;		// of a sequence number: its place in its turn
	u16 handshakes_free, askers_free, answerers_free;
	u16 peers_fresh;	// from here on, never used
	u16 heap_count;
	u16 news_head, news_tail;
	u16 say_head, say_tail;
	u32 hash_mask;
	struct link_peer *peer;
	struct link_handshake *handshake;
	struct link_asker *asker;
	struct link_answerer *answerer;
	u16 *hash;		// heads of chains by uuid
	u16 *heap;		// peers by `due`
	struct links_counters counters;
	struct fabric_counts *counts;	// by peer
	struct trace_ring *trace;
	u8 *plain;		// LINK_HIDDEN: the payload of the frame at hand, shown
};

STATIC_ASSERT(sizeof(struct link_peer) + 3 * sizeof(u16) <= LINK_PEER_BYTES);
STATIC_ASSERT(256 + sizeof(struct link_asker) + sizeof(struct link_answerer) <= 4096);

static inline u16
index_of(const struct links *links, const struct link_peer *peer)
{
	return (u16)(peer - links->peer);
}

static inline struct fabric_counts *
counts_of(const struct links *links, const struct link_peer *peer)
{
	return &links->counts[index_of(links, peer)];
}

static inline u64
number_bit(u32 number)
{
	return 1ull << (number % WIRE_WINDOW);
}

// Bits of the `count` numbers from `first` on, by number % WIRE_WINDOW.
static inline u64
number_mask(u32 first, u32 count)
{
	u32 turn = first % WIRE_WINDOW;
	u64 ones = count >= WIRE_WINDOW ? ~0ull : (1ull << count) - 1;

	return turn ? ones << turn | ones >> (WIRE_WINDOW - turn) : ones;
}

// Numbers compare modulo 2^32: a - b for those less than 2^31 apart.
static inline i32
number_diff(u32 a, u32 b)
{
	return (i32)(a - b);
}

static inline u32
clock_us(u64 now)
{
	return (u32)(now / NS_PER_US);
}

// table.c: peers and pools. NULL: there is none, or no room for one.
struct link_peer *
peer_find(const struct links *links, const u8 uuid[16]);
// Of a uuid that is not there. May take the place of a peer on which nothing stands.
struct link_peer *
peer_add(struct links *links, u64 now, const u8 uuid[16]);
// Its key in the heap, a time: not later than it wants to be looked at.
void
peer_due_changed(struct links *links, struct link_peer *peer, u64 due);
static inline void
peer_due_by(struct links *links, struct link_peer *peer, u64 due)
{
	if (due < peer->due)
		peer_due_changed(links, peer, due);
}
// Bits of enum news and enum say: on a list until links_event() or links_output() takes
// them.
void
news_add(struct links *links, struct link_peer *peer, u8 news);
void
say_add(struct links *links, struct link_peer *peer, u8 say);
// The peer's own, taken from the pool where it has none; given back when nothing is open
// or kept.
struct link_asker *
asker_get(struct links *links, struct link_peer *peer);
void
asker_put(struct links *links, struct link_peer *peer);
struct link_answerer *
answerer_get(struct links *links, struct link_peer *peer);
void
answerer_put(struct links *links, struct link_peer *peer);

// handshake.c: from a beacon to keys. hear_*() return why a frame came to nothing, or
// LINK_DROP_COUNT; say_*() here and in seal.c the length of the frame that they made in
// WIRE_FRAME_MAX bytes; *_due() a time, NEVER_NS for none.
struct link_handshake *
handshake_of(const struct links *links, const struct link_peer *peer);
void
handshake_end(struct links *links, struct link_peer *peer);
void
handshake_timer(struct links *links, u64 now, struct link_peer *peer);
enum link_drop
hear_beacon(struct links *links, u64 now, const struct wire_beacon *beacon);
enum link_drop
hear_hello(struct links *links, u64 now, const struct wire_frame *frame);
u32
say_hello(struct links *links, u64 now, struct link_peer *peer, u8 *buffer);
u64
handshake_due(const struct link_handshake *h);

// session.c: its beginning, its lease, its end
// The handshake is complete: a session begins, and an earlier one has ended.
void
session_confirm(struct links *links, u64 now, struct link_peer *peer);
// The lease has run out, or the sequence numbers have: UP becomes LAPSED, or DOWN when
// nothing is open.
void
session_over(struct links *links, struct link_peer *peer);
// What time has brought to this peer; sets its key in the heap.
void
session_timer(struct links *links, u64 now, struct link_peer *peer);
u64
session_idle_due(const struct links *links, const struct link_peer *peer);
u64
session_due(const struct links *links, const struct link_peer *peer);

static inline u64
lease_end(const struct link_peer *peer)
{
	if (PLANTED(BUG_LEASE) && peer->asker == LINK_NONE)
		return NEVER_NS;
	return peer->proven_at + LINK_LEASE_NS;
}

// The session stands and its lease runs. One whose lease is over lapses here.
static inline bool
session_live(struct links *links, u64 now, struct link_peer *peer)
{
	if (likely(peer->state == LINK_STATE_UP && now < lease_end(peer) &&
		   peer->tx_sequence < SEQUENCE_END - 1))
		return true;
	session_over(links, peer);
	return false;
}

// Whole pages go in one frame.
static inline bool
path_whole(const struct link_peer *peer)
{
	return MIN(peer->carries_here, peer->carries_there) >= WIRE_WHOLE_MTU;
}

// Does the next IDLE frame try with one that is as long?
static inline bool
path_probing(const struct link_peer *peer)
{
	return peer->mtu >= WIRE_WHOLE_MTU && !path_whole(peer) &&
	       peer->probes < PROBES_MAX;
}

// ask.c: open requests
// A header has told that `newest` and those of `seen` (bit number % WIRE_WINDOW) came.
void
ask_seen(struct links *links, u64 now, struct link_peer *peer, u32 newest, u64 seen);
void
ask_timer(struct links *links, u64 now, struct link_peer *peer);
u64
ask_due(const struct links *links, const struct link_peer *peer);

// pace.c: how much may be under way; windows in frames of PACE_UNIT
// `next`: the number of the request that is opened first.
void
pace_begin(struct link_asker *asker, u32 next);
// False: the window is full. What is quick is never stopped.
bool
pace_allows(const struct links *links, struct link_asker *asker, u32 credit,
	    const struct link_plan *plan);
void
pace_opened(struct link_asker *asker, struct link_ask *ask,
	    const struct link_plan *plan);
void
pace_closed(struct link_asker *asker, const struct link_ask *ask);
// A request that was sent once was answered after so many microseconds.
void
pace_measured(struct links *links, struct link_peer *peer, const struct link_ask *ask,
	      u32 rtt_us);
// A request has met SILENCES timers in a row: the window is the least.
void
pace_silent(struct links *links, struct link_asker *asker);

// Requests that are small both ways go at once: they are no queue.
static inline bool
plan_quick(const struct link_plan *plan)
{
	return plan->asks <= LINK_QUICK_BYTES && plan->answers <= LINK_QUICK_BYTES;
}

// rekey.c
// How many bits of a sequence number are its place in its turn.
u32
rekey_bits(const struct links_config *config);
// How many turns after the newest that came the frame's is; 0: the same, and what is older
// comes out as a large number.
u64
rekey_ahead(const struct links *links, const struct link_peer *peer, u64 sequence);
// Makes the next turn's key of this one's; there is no way back.
void
rekey_next(u8 key[KEY_LEN]);
// The frame that is being made has the first number of a turn: it is under the next key.
void
rekey_send(struct links *links, struct link_peer *peer);
// Once for each beacon: leaves the rest of their turn out for one peer in so many.
void
rekey_some(struct links *links, u64 now);

// grant.c: credits in frames, both ways. What we grant is said with the next header, and
// an IDLE frame is due.
void
grant_set(struct links *links, struct link_peer *peer, u32 grant);
void
grant_end(struct links *links, struct link_peer *peer);
void
grant_wanted(struct links *links, struct link_peer *peer, u8 want, bool lowered);
// The peer keeps to what that turn said: what was lowered is free.
void
grant_acknowledged(struct links *links, struct link_peer *peer, u8 turn);
void
grants_overdue(struct links *links);
// Nothing was sent to it for LINK_IDLE_NS.
void
grant_idle(struct links *links, struct link_peer *peer);
// What the peer's header grants us.
void
credit_heard(struct links *links, struct link_peer *peer, u8 grant, u8 turn);

// hide.c
void
payload_hide(const u8 key[KEY_LEN], u64 sequence, u8 *out, const u8 *in, u32 len);
bool
payload_show(struct links *links, const struct link_peer *peer,
	     struct wire_frame *frame);

// seal.c
// SipHash-2-4 of `len` bytes.
u64
tag_of(const u8 key[KEY_LEN], const void *tagged, u32 len);
// The same, where sessions are authenticated at all.
u64
session_tag(const struct links *links, const u8 key[KEY_LEN], const void *tagged,
	    u32 len);
void
ethernet_store(u8 *buffer, const u8 to[6], const u8 from[6]);
u32
say_idle(struct links *links, u64 now, struct link_peer *peer, u8 *buffer);
u32
say_beacon(struct links *links, u64 now, u8 *buffer);
