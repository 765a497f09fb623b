// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The agreed register, after CASPaxos (Rystsov, 2018), as a sans-IO core: it holds
// one value, the cluster's record. Any node proposes; the voters that stand in the
// value decide, each of which has made its answer durable before it gives it.
//
// A round: ask voters to promise a ballot, and for the newest value that they
// accepted; go on to the voters of a newer value until a majority of those that it
// names has promised; change it; have it accepted by majorities of the voters before
// and after. A value that was accepted so is *chosen*, and is told to everybody.
//
// Invariants (docs/register.md has why they are enough):
//	1 what was promised or accepted is on disk before anybody is told
//	2 a ballot is used once: its second half is the proposer's incarnation
//	3 a change is made on a value whose voters are those of a chosen one; any other
//	  value that is found is first written again, unchanged
//	4 one change adds or removes at most one voter
//	5 a voter that has accepted nothing does not vote, unless it is new; it comes
//	  back by the answers of so many others that no majority is without them
//	6 a change is made once: its id stands in the record for a while; whoever
//	  looked too late does not know, and says so
//
// By itself the core finishes what it finds half done: a voter that has accepted a newer
// value than it knows to be chosen, for a second, runs a round; so does one that lost
// what it voted. After a cluster has started anew as a whole, that is how its record is
// known again.
//
// The host moves messages (of up to AGREE_MESSAGE_MAX bytes, whole), writes slots,
// and calls agree_output() after every other call until it gives nothing.

#include "cluster/record/record.h"
#include "kernel/base/prng.h"

#define AGREE_UUID RECORD_UUID
#define AGREE_HEADER 64u
#define AGREE_MESSAGE_MAX (AGREE_HEADER + RECORD_MAX)
#define AGREE_SLOT 8192u	// of a disk: two of them are written in turn
#define AGREE_SLOTS 2u
#define AGREE_REQUESTS 8u
#define AGREE_REPLIES 32u
#define AGREE_PEERS 128u	// voters of two values
#define AGREE_RESEND_NS (200 * NS_PER_MS)
#define AGREE_ATTEMPT_NS (3 * NS_PER_SECOND)
#define AGREE_GIVE_UP_NS (8 * NS_PER_SECOND)
#define AGREE_ATTEMPTS 64u
#define AGREE_SETTLE_NS NS_PER_SECOND
#define AGREE_LINGER_NS (2 * NS_PER_SECOND)
#define AGREE_SEEN_NS (3 * NS_PER_SECOND)	// before a first record is made

// Zero: none. Compared by counter, then by life.
struct agree_ballot {
	u64 counter;
	u64 life;
};

struct agree_value {
	u32 len;		// 0: none
	u8 bytes[RECORD_MAX];
};

// A voter. `generation` counts what had to be made durable.
struct agree_acceptor {
	bool votes;		// there is a disk
	bool failed;		// it did not take a slot: never answer again
	struct agree_ballot promised, accepted;
	u64 generation, writing, written;
	struct record_head head;	// of the value
	struct agree_value value;
};

struct agree_reply {
	u8 kind, why;
	u8 to[AGREE_UUID];
	struct agree_ballot ballot;
	u64 generation;		// that must be on disk first
};

// A voter as the proposer sees it in one attempt.
struct agree_peer {
	u8 uuid[AGREE_UUID];
	bool in_start, in_read, in_new;
	bool promised, accepted, answered;
	bool has_value;		// it had accepted something
	u64 send_at;
};

// Makes a record another one, or says why not. It may be called more than once, on
// different records, and looks at nothing but its arguments.
typedef enum record_error (*agree_change)(void *argument, struct record *record);

enum agree_kind { AGREE_CHANGE = 1, AGREE_READ, AGREE_FOUND, AGREE_RECOVER };

struct agree_request {
	u8 kind;		// enum agree_kind
	agree_change change;
	void *argument;
	u64 tag;
	u64 id;			// of the change
	u64 give_up_at;
	bool proposed;		// somebody may have accepted it
	bool made;		// it stands in a record that is chosen
	bool own;		// the core's, not the host's
	u64 checked;		// it stands in no version up to this one
};

enum agree_result {
#define X(name, sentence) AGREE_##name,
#include "cluster/agree/results.def"
#undef X
	AGREE_RESULT_COUNT
};

// How a request ended.
struct agree_outcome {
	u64 tag;
	u8 result;		// enum agree_result
	u8 error;		// enum record_error, with AGREE_REFUSED
	u8 voters, silent;	// of the last attempt: how many did not answer
	u64 version;		// of the record then
	u64 id;			// of the change: among `recent` of the record, if it was made
};

enum agree_phase {
	AGREE_IDLE,
	AGREE_PREPARING,
	AGREE_ACCEPTING,
	AGREE_LINGERING,	// chosen; the rest of the voters are still told
	AGREE_WAITING,		// before the next attempt
};

struct agree_proposer {
	u8 phase;		// enum agree_phase
	u8 kind;		// of the request
	bool rewriting;		// the value that was read, unchanged
	bool overtaken;		// the last attempt, by a higher ballot
	bool start_chosen;	// what it starts from is known to be chosen
	bool start_none;	// there is no record yet, as far as is known
	u8 attempts;
	u64 highest;		// counter of any ballot that was seen
	struct agree_ballot ballot, read_ballot;
	u64 phase_end, began;
	struct record_head start_head, read_head, new_head;
	struct agree_value read, next;
	u32 peers;
	struct agree_peer peer[AGREE_PEERS];
	u8 found_voters;
	u8 found_voter[RECORD_NODES][AGREE_UUID];
	u8 found_cluster[AGREE_UUID];
};

struct agree_counters {
	u64 sent, received, malformed, foreign, dropped;
	u64 rounds, chosen, refused, writes, broken;
};

struct agree {
	u8 uuid[AGREE_UUID];
	u64 incarnation;
	struct prng prng;
	struct agree_acceptor acceptor;
	struct agree_proposer proposer;
	struct agree_value known;	// the newest value known to be chosen
	struct record_head known_head;
	struct agree_value hint;	// what another voter has, for one that lost its own
	struct record_head hint_head;
	struct agree_request request[AGREE_REQUESTS + 1];	// and one of its own
	u32 request_count;
	struct agree_reply reply[AGREE_REPLIES];
	u32 reply_count;
	struct agree_outcome outcome[AGREE_REQUESTS];
	u32 outcome_count;
	bool tell, news;	// the known value is new: for all, for the host
	bool settling;		// a request of the core's own is open
	u8 ask[AGREE_UUID];
	bool asks;
	u64 ask_after, settle_at;
	u64 changes;		// ids given
	bool foreign;
	u8 foreign_from[AGREE_UUID], foreign_cluster[AGREE_UUID];
	struct agree_counters count;
	struct record scratch;
};

// `votes`: this node has a disk of the cluster. `seed` is random.
void
agree_init(struct agree *a, u64 now, const u8 uuid[AGREE_UUID], u64 incarnation,
	   u64 seed, bool votes);

enum agree_loaded {
	AGREE_BLANK,		// both slots are empty
	AGREE_LOADED,
	AGREE_DAMAGED,		// there was something, and none of it is whole
};

// What was on the disk, once, after agree_init(). A damaged register votes as an
// empty one: not before it has come back (invariant 5).
enum agree_loaded
agree_load(struct agree *a, const u8 slot[AGREE_SLOTS][AGREE_SLOT]);

// This node has a disk from now on, with empty slots.
void
agree_votes(struct agree *a);

// A whole message.
void
agree_input(struct agree *a, u64 now, const u8 from[AGREE_UUID], const void *bytes,
	    u32 len);

// The slot that AGREE_WRITE gave is durable, or could not be written.
void
agree_written(struct agree *a, u64 now, bool fine);

void
agree_timer(struct agree *a, u64 now);
u64
agree_deadline(const struct agree *a);

// A member says that it knows this version of the record: asks for it when it is news.
void
agree_heard(struct agree *a, u64 now, const u8 from[AGREE_UUID], u64 version);

// Changes the record. False: AGREE_REQUESTS are open already. Ends with AGREE_ENDED;
// `argument` stays until then.
must_check bool
agree_submit(struct agree *a, u64 now, agree_change change, void *argument, u64 tag);

// Makes sure that the known value is the newest one at this moment.
must_check bool
agree_read(struct agree *a, u64 now, u64 tag);

// Makes the first record. The host asks for it when this node has the lowest UUID of
// those members with a disk that it has seen without a break for AGREE_SEEN_NS, and
// none of them knows a record. All of them have to answer. A record that is found on
// the way is taken instead.
must_check bool
agree_found(struct agree *a, u64 now, const u8 cluster[AGREE_UUID],
	    const u8 (*voter)[AGREE_UUID], u32 voters, u64 tag);

enum agree_output_kind {
	AGREE_NOTHING,
	AGREE_SEND,		// `bytes` to `to`
	AGREE_TELL,		// `bytes` to every member that lives, but this one
	AGREE_WRITE,		// `bytes` to slot `slot`, durably; then agree_written()
	AGREE_NEWS,		// agree_known() is another one
	AGREE_ENDED,		// `outcome`
	AGREE_STRANGER,		// `to` is of another cluster, whose id is in `cluster`
};

struct agree_output {
	u8 kind;		// enum agree_output_kind
	u8 slot;
	u32 len;
	u8 to[AGREE_UUID];
	u8 cluster[AGREE_UUID];
	struct agree_outcome outcome;
	u8 bytes[AGREE_SLOT];
};

// The next thing to do. False: nothing.
must_check bool
agree_output(struct agree *a, u64 now, struct agree_output *output);

// The newest value that this node knows to be chosen, decoded. False: none yet.
must_check bool
agree_known(const struct agree *a, struct record *record);

static inline u64
agree_version(const struct agree *a)
{
	return a->known.len ? a->known_head.version : 0;
}

// True while this node is a voter that has lost what it voted.
bool
agree_is_lost(const struct agree *a);

const char *
agree_sentence(enum agree_result result);

void
agree_check(const struct agree *a);
