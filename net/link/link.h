// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The links of one node: an authenticated, leased session with each peer,
// numbers that make a request run at most once, and credits that keep receivers
// from being overrun. A sans-IO core: time, randomness and memory are passed
// in. net/rcap is what stands on it; a host drives both through rcap.h and
// looks at links through the last part of this header.
//
// Invariants, walked by links_check() (docs/protocol/README.md has them in
// words): K1 nothing changes before tag and sequence are right; K2 grants stay
// within the grant pool; K3 answers asked for stay within the landing pool; K4 a
// number runs at most once, and only within the lease; K5 a session that has
// ended sends nothing and accepts nothing; K6 an open request ends; K7 an idle
// peer has at most 256 bytes, and one that is talked to both ways at most 4096
// (without what is counted of it); K8 each frame that came is accepted, or dropped
// and counted by its reason.
//
// Times are nanoseconds on one monotonic clock, which all calls are given as `now` and
// which never goes back. A peer is named by its index in the table, which stays as long
// as anything stands on it (links_stake()); where a function takes `peer`, it is one that
// an event or links_find() has named, unless it says otherwise. Numbers of requests count modulo
// 2^32. Buffers are the caller's and are not kept; what is kept longer says so.
//
// Where it comes from: leases, from Gray and Cheriton (SOSP 1989); the replay window,
// from IPsec (RFC 4303, 3.4.3); round trips and timers, from RFC 6298; the window that
// delay steers, from Swift (SIGCOMM 2020); numbers and kept answers, so that a call runs at most
// once, from Birrell and Nelson (TOCS 1984). What differs: docs/decisions, 9, 19 and 21.

#include "kernel/abi/observe.h"
#include "kernel/abi/trace.h"
#include "net/wire/wire.h"

#define LINK_NONE 0xffffu	// no peer
#define LINK_LEASE_NS NS_PER_SECOND	// L: from our clock as the peer last echoed it
#define LINK_LAPSE_NS (LINK_LEASE_NS / 8 * 9)	// after the last sign of life
#define LINK_IDLE_NS (LINK_LEASE_NS / 4)	// without a frame: then an IDLE is sent
#define LINK_DANGER_NS (LINK_LEASE_NS / 8 * 5)	// without an echo; in quiet it is 1/2
#define LINK_URGENT_NS (LINK_LEASE_NS / 32)	// between IDLE frames then
#define LINK_BEACON_NS NS_PER_SECOND	// between beacons
#define LINK_FORGET_NS (60 * NS_PER_SECOND)	// of silence, until a place can be taken
#define LINK_RTO_CALM_NS (16 * NS_PER_MS)	// a request's timer, while none is lost
#define LINK_RTO_MIN_NS (2 * NS_PER_MS)	// else, of what takes time at the peer
#define LINK_RTO_LOSSY_NS (NS_PER_MS / 5)	// else
#define LINK_RTO_MAX_NS (LINK_LEASE_NS / 4)
#define LINK_PEER_BYTES 224u	// that an idle peer takes here, of 256 in all (K7)
#define LINK_LIGHT_BYTES 256u	// of payload in a request that may go without a grant
#define LINK_QUICK_BYTES 256u	// of payload, either way, for which the pace is no matter
#define LINK_LANES 8u		// of users, each of which may choose a window of its own

struct links;

// What becomes of the frames of a session.
enum link_cover {
	LINK_TAGGED,		// they are authenticated
	LINK_HIDDEN,		// and their payload is encrypted
	LINK_BARE,		// for measuring: neither
	LINK_COVERS
};

struct links_config {
	u8 uuid[16];
	u64 incarnation;	// not 0
	u8 mac[6];
	u16 mtu;		// of the interface, WIRE_MTU_MIN..WIRE_MTU_MAX
	u8 cluster_key[32];
	u8 secret_key[32];	// X25519: random, fresh at each boot
	u8 entropy[32];		// random: nonces come from it
	u16 peers_max;		// 1..65000
	u16 windows_max;	// peers that are talked to at a time, each direction
	u16 handshakes_max;	// at a time
	u16 key_agreements_max;	// X25519 computations in a second
	u16 grant_pool;		// frames of requests that can be received
	u16 landing_pool;	// frames of answers that can be received
	u8 rekey_bits;		// keys change every 2^this frames, 8..40; 0: WIRE_REKEY_BITS
	u8 behind;		// for tests: speaks so many minor versions less
	u64 forget_ns;		// for tests: 0: LINK_FORGET_NS
	u8 cover;		// enum link_cover: nodes of two kinds never hear each other
	// What is counted of each peer (peers_max entries), and where events go: in
	// memory of the host's, zeroed and lent for good, so that others can look
	// on. NULL: in the table's own.
	struct fabric_counts *counts;
	struct trace_ring *trace;
};

// Bytes of memory for links_init(), for a configuration within its ranges.
u64
links_memory_needed(const struct links_config *config);

// Builds the table in the caller's memory (zeroed, 64-aligned, lent for good). The
// configuration is copied. NULL when it is outside its ranges, or memory is too small or
// not aligned.
struct links *
links_init(void *memory, u64 size, const struct links_config *config, u64 now);

enum link_event_kind {
	LINK_NOTHING,		// `peer` was heard, or is LINK_NONE
	LINK_UP,		// a session begins
	LINK_DOWN,		// it is over: close every open request of the peer
	LINK_REQUEST,		// `frame` is one that may run; `slot` is its number's
	LINK_RESPONSE,		// `frame` answers the open request `number`
	LINK_RESEND,		// send the open request `number` again
	LINK_CROWDED,		// a node is refused a place, and this one, which is silent
				// for long, has one only for what it holds here
};

// What stands on a peer's place, so that no other node gets it.
enum link_stake {
	LINK_HOLDS = 1,		// it holds something here: LINK_CROWDED may ask for that
	LINK_HELD = 2,		// something of its is held here
};

// What the owner keeps of a number until the requester has the answer.
enum link_slot_state {
	LINK_SLOT_FREE,
	LINK_SLOT_FRESH,	// shown to rcap, not taken yet
	LINK_SLOT_PARTS,	// some of its parts were taken
	LINK_SLOT_RUNNING,	// whole, and at work elsewhere
	LINK_SLOT_ANSWERED,	// below is what to say
};

struct link_slot {
	u32 number;
	u8 state;		// enum link_slot_state
	u8 held;		// bit of each part that was taken
	u8 status, code, clause;
	u8 op;			// what the first frame of it said
	u8 reserved[2];
	u32 length;		// likewise
	union {
		u64 old[2];	// once it is answered
		u32 ticket;	// before: rcap's, for what is at work elsewhere
	};
};

struct link_event {
	enum link_event_kind kind;
	u16 peer;		// LINK_NONE: nobody that is known
	u32 number;		// REQUEST, RESPONSE, RESEND
	u32 cookie;		// RESPONSE, RESEND: of links_open()
	struct link_slot *slot;	// REQUEST: the links' own
	u32 more;		// requests that follow in the frame, for links_further()
	struct wire_frame frame;	// REQUEST, RESPONSE: parsed, points into the bytes
};

// Takes one received frame, from its Ethernet header on, of any length and content; it
// must stay until the event was dealt with. What is no good is counted (drops.def) and
// gives LINK_NOTHING. Then links_event() is to be asked.
void
links_input(struct links *links, u64 now, const void *bytes, u32 len,
	    struct link_event *event);

// The next request of the frame, while the event says that there are more: as links_input()
// has it, a LINK_REQUEST or, when it is no good, LINK_NOTHING.
void
links_further(struct links *links, u64 now, struct link_event *event);

// The next thing that frames or time have brought. False: nothing. To be asked
// until then after each links_input(), while links_news(), and when links_deadline() has
// passed.
bool
links_news(const struct links *links);
must_check bool
links_event(struct links *links, u64 now, struct link_event *event);

// When links_event() or links_output() will have something without a frame
// coming in; 0: now. Never more than LINK_BEACON_NS ahead.
u64
links_deadline(const struct links *links);

// Makes the next frame of the links' own (BEACON, HELLO, IDLE) in a buffer of
// WIRE_FRAME_MAX bytes, whole from its Ethernet header on. Returns its length, or 0 when
// there is none. To be asked until then.
must_check u32
links_output(struct links *links, u64 now, u8 *buffer);

// ---- for rcap, as requester

enum link_open {
	LINK_OPENED,
	LINK_WAIT,		// no credit or number, or too much under way: later
	LINK_WAIT_LANDING,	// no place for its answer now, whoever the peer
	LINK_NO_SESSION,
	LINK_NO_WINDOW,		// windows_max peers are being talked to
};

// What a request needs, and whose it is.
struct link_plan {
	u8 frames;		// of it, 1..WIRE_PARTS_MAX
	u8 landing;		// of its longest answer, likewise
	u8 lane;		// whose it is, below LINK_LANES
	u8 window;		// frames that its lane wants under way; 0: the link paces it
	u8 lanes_waiting;	// bit of each lane that has something to open
	bool device;		// a device of the owner's takes part: its time says nothing
				// about the path
	u16 cookie;		// comes back with every event of it
	u32 asks, answers;	// bytes of payload
};

// Opens a request and gives it a number (*number, with LINK_OPENED only). Nothing is
// sent; links_request() does that. It stays open until links_close(), or LINK_DOWN. What
// waits for landing places is to be asked for in turns of all peers.
must_check enum link_open
links_open(struct links *links, u64 now, u16 peer, const struct link_plan *plan,
	   u32 *number);

// Says how many frames wait for links_open() to succeed, so that the peer is
// asked for credit (more than 255 count as so many); 0 takes that back.
void
links_want(struct links *links, u16 peer, u32 frames);

// The open request is answered, or abandoned with its session: its number, credit and
// landing places are free, and its round trip is measured.
void
links_close(struct links *links, u64 now, u16 peer, u32 number);

// The peer works on it, or is busy: ask again later, and not because later
// answers came first. A number that is not open is ignored.
void
links_postpone(struct links *links, u64 now, u16 peer, u32 number);

// Its answer took the owner time, at a device or until its turn came: how long it took
// says nothing about the path.
void
links_worked(struct links *links, u16 peer, u32 number);

// A part of its answer has come, not all: the path is no reason to wait longer with
// each copy, and what is missing was sent together with it.
void
links_progress(struct links *links, u64 now, u16 peer, u32 number);

// Sends it again when the timer runs out at the latest; called with each copy.
void
links_sent(struct links *links, u64 now, u16 peer, u32 number);

// Ends the session as if its lease were over: nothing is sent in it any more, and what is
// open ends with LINK_DOWN when the peer has stopped as well.
void
links_leave(struct links *links, u16 peer);

// The peer's open requests: their numbers and cookies. Returns how many.
u32
links_opened(const struct links *links, u16 peer, u32 number[WIRE_WINDOW],
	     u32 cookie[WIRE_WINDOW]);

// Seals a frame into a buffer of WIRE_FRAME_MAX bytes; the payload is copied and
// tagged in one pass, each word read once, so that it may change meanwhile. `len` bytes
// with the body are at most a frame's. Returns the frame's length, 0 without a live
// session.
must_check u32
links_request(struct links *links, u64 now, u16 peer, u8 *buffer,
	      const struct wire_request *body, const void *payload, u32 len);

// The same for several requests in one frame, at most WIRE_TOGETHER_MAX, that only read and
// have nothing behind them; for a peer whose version has WIRE_FLAG_MORE.
must_check u32
links_requests(struct links *links, u64 now, u16 peer, u8 *buffer,
	       const struct wire_request *bodies, u32 count);

// ---- for rcap, as owner

// The same for an answer. A code that the peer's version lacks goes as CODE_SHAPE.
must_check u32
links_response(struct links *links, u64 now, u16 peer, u8 *buffer,
	       const struct wire_response *body, const void *payload, u32 len);

// The request has come whole and is taken: the peer is told in every header.
void
links_taken(struct links *links, u16 peer, u32 number);

// Nothing needs to be kept of the number: should it come again, it may run again. A
// hint, which is taken where places for answers are scarce.
void
links_forget(struct links *links, u16 peer, u32 number);

// The slot of a number that is in the window, or NULL.
struct link_slot *
links_slot(struct links *links, u16 peer, u32 number);

// While something of the peer's session is at work elsewhere and could still
// have an effect, no new session begins with that peer: its HELLOs go
// unanswered. Holds count, up to 255 a peer; each is released once.
void
links_hold(struct links *links, u16 peer);
void
links_release(struct links *links, u16 peer);

void
links_stake(struct links *links, u16 peer, enum link_stake what, bool stands);

// ---- for everybody

enum link_state {
	LINK_STATE_FREE,
	LINK_STATE_DOWN,	// known, no session
	LINK_STATE_UP,
	LINK_STATE_LAPSED,	// over, but open requests may still run at the peer
};

enum link_drop {
#define X(name, sentence) name,
#include "net/link/drops.def"
#undef X
	LINK_DROP_COUNT
};

// Each frame that came was accepted or dropped for one reason, and so may be a request behind
// the first of one: received + further == accepted + the sum of dropped.
struct links_counters {
	u64 received;
	u64 further;		// of dropped: requests that came behind another
	u64 accepted;
	u64 sent;
	u64 dropped[LINK_DROP_COUNT];
	u64 sessions;		// begun
	u64 lapses;
	u64 resends;		// requests asked again
	u64 timeouts;		// of these, because the timer ran out
	u64 key_agreements;
	u64 rekeys;		// of frames that we send
	u64 slowed;		// windows made smaller, since answers took longer
};

struct link_info {
	u8 uuid[16];
	u64 incarnation;
	u8 mac[6];
	u8 state;		// enum link_state
	u8 open;		// our requests
	u8 open_frames;		// that they are
	u8 grant;		// what the peer may have open here
	u8 credit;		// what we may have open there
	u8 minor;		// version of the session
	u16 carries;		// longest frame that the path is known to take
	u32 session;		// 0: none; counts on, never repeats
	u32 rtt_us;		// smoothed; 0: not measured in this session
	u32 base_us;		// the shortest that was seen, about; likewise
	u32 window;		// frames that may be under way; 0: nobody is talked to
	u64 heard_at;		// when the newest frame of the session came
};

// Of any index. False, and nothing is written, when there is no such peer.
must_check bool
links_info(const struct links *links, u16 peer, struct link_info *info);

// The peer with this uuid, or LINK_NONE.
u16
links_find(const struct links *links, const u8 uuid[16]);

// The configuration's, above every peer's index.
u32
links_peers_max(const struct links *links);

// The session with the peer (any index), 0 when there is none that sends. Its lease may
// have run out since: links_live() looks.
u32
links_session(const struct links *links, u16 peer);

// Whether it is there, and its lease has not run out by now; one whose lease has lapses
// here, and LINK_DOWN follows.
bool
links_live(struct links *links, u64 now, u16 peer);

// The life of the peer that was heard of last; 0: no such peer.
u64
links_incarnation(const struct links *links, u16 peer);

// The newest clock of the peer's that has come in this session, in its microseconds.
u32
links_clock(const struct links *links, u16 peer);

// What may be sent in the session with the peer.
const struct wire_version *
links_version(const struct links *links, u16 peer);

// Whether a page fits one frame on the path to the peer, and from it.
bool
links_whole(const struct links *links, u16 peer);

// Whether a page that is asked for now is to be in one frame: not so while small
// requests come among pages.
bool
links_whole_now(const struct links *links, u16 peer);

// This node's life, and its uuid.
u64
links_self(const struct links *links, u8 uuid[16]);

// A secret of this boot's that nobody else knows: what others are derived from. BLAKE2b
// of a label under the configuration's secret key.
#define LINKS_SECRET 32u
void
links_secret(const struct links *links, u8 secret[LINKS_SECRET]);

// What hides 16 bytes of a frame from who hears it on the way: of the next frame to a
// peer that has a session, and of one that has just come from it. Each frame's is
// another, SipHash of its sequence number under the key that its tag is under.
#define LINKS_MASK 16u
void
links_mask_next(const struct links *links, u16 peer, u8 mask[LINKS_MASK]);
void
links_mask_heard(const struct links *links, u16 peer, u64 sequence,
		 u8 mask[LINKS_MASK]);

// All that was counted since links_init(); it goes on changing.
const struct links_counters *
links_counters(const struct links *links);

// What is counted of a peer that is in the table.
struct fabric_counts *
links_counts(struct links *links, u16 peer);

// Where events go.
struct trace_ring *
links_trace(const struct links *links);

// Its sentence in drops.def; "?" for no such reason.
const char *
link_drop_text(enum link_drop drop);

// Walks every invariant; asserts.
void
links_check(const struct links *links);

// A hash of the whole state: equal histories give equal hashes.
u64
links_hash(const struct links *links);
