// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The coherence core: a region of pages, sequentially consistent, among the members
// of a group. Sans-IO: the host brings time, messages, completions and who is there;
// it takes actions with coh_next() and does them in that order.
//
// Every member has a frame for every page, lends them all, and keeps one binding:
//
//	           join, or B answered           claim, or B answered
//	   I ------------------------------> S ----------------------> M
//	   ^                                 |                         |
//	   |        revoked, evicted         |    revoked to read      |
//	   +---------------------------------+ <-----------------------+
//	   |                 revoked, evicted: written back first      |
//	   +-----------------------------------------------------------+
//
// A page's home, first by rendezvous hashing, has the directory word (dsm/core/word.h).
// Its kernel does what requesters ask. Holders are asked by message (COH_SAY_REVOKE),
// since nobody can take a mapping from another node's program.
//
// Entering an epoch goes in rounds: dsm/core/group.c.
//
// Invariants, of a group in round 4:
//   C1  at most one member is bound M to a page, and then nobody is bound S
//   C2  a word's sharers in S, and owner in M, include all who are bound
//   C3  in U and S the home's frame is the page's content, and so is every frame of
//       who is bound S
//   C4  a member bound M loses that only when the home's frame has all it wrote
//   C5  from B a word goes on only after all its holders have answered for that version
//   C6  a word is changed by members of its epoch alone
//   C7  who is not bound has promised the page to a member that may have something
//       newer; with that member gone, only the bound or the home's word speak for it
//   C8  an epoch opens only if nobody in it has missed one that was open, but for those
//       who come new and have nothing; no member serves a life that it has fenced
//   C9  a revocation waits while the holder's own operation on the word is open, and
//       for the minimum hold; neither waits for another member's program

#include "dsm/core/word.h"
#include "kernel/base/prng.h"

#define COH_PAGES_MAX 4096u
#define COH_TX_MAX 8u
#define COH_SERVE_MAX 16u
#define COH_TABLE_ENTRIES 64u	// of struct coh_holding, in one read
#define COH_DEAD 0xffu

#define COH_NOTE_LOST (1ull << 63)	// the page was lost, and has not been reset

enum coh_bind {
	COH_BIND_NONE,
	COH_BIND_READ,
	COH_BIND_WRITE,
};

// What a member has of a page: read by new homes, so it lies in lent memory.
struct coh_holding {
	u64 shadow;		// by who writes through: epoch << 32 | version of the frame,
				// and COH_NOTE_LOST
	u32 version;		// of the frame's content, when valid
	u32 promised;		// a version that may exist elsewhere
	u32 home_version;	// a frozen word of this member's, when was_home...
	u32 home_epoch;		// ...and of which epoch
	u8 bind;		// enum coh_bind
	u8 promised_to;		// a member, or COH_DEAD
	u8 home_state;		// enum coh_state
	u8 home_owner;		// in M; the owner before in B from M
	u8 valid : 1;
	u8 has_promise : 1;
	u8 was_home : 1;
	u8 home_from_owner : 1;
	u8 home_lost : 1;
	u8 spoiled : 1;		// it was valid, and is no more
	u8 reserved[3];
};

STATIC_ASSERT(sizeof(struct coh_holding) * COH_TABLE_ENTRIES <= 4096);

struct coh_epoch {
	u32 id;			// counter << 6 | who made it; 0: none
	u32 gone;		// members of the one that it comes from, not of this
	u64 members;
	u32 life[COH_MEMBERS_MAX];
	u32 since[COH_MEMBERS_MAX];	// id of the epoch that this life joined with
};

enum coh_say {
	COH_SAY_STATUS = 1,	// life, epoch, round, opened, cleared
	COH_SAY_EPOCH,		// an epoch follows
	COH_SAY_REVOKE,		// page, version, to_read
	COH_SAY_GONE,		// page, version: nothing older is bound here
	COH_SAY_ARRIVED,	// phase
	COH_SAY_RELEASED,	// phase
};

struct coh_message {
	u8 say;			// enum coh_say
	u8 to_read;
	u8 round;
	u8 reserved;
	u32 life;		// of the sender
	u32 epoch;
	u32 page;
	u32 version;
	u32 opened, cleared;	// newest epochs that the sender saw open, or cleared for
	u32 reserved2;
	u64 phase;
};

struct coh_letter {
	struct coh_message message;
	struct coh_epoch epoch;		// of COH_SAY_EPOCH only
};

enum coh_what {
	COH_DO_MAP,		// page, bind: before the next action is taken
	COH_DO_SWAP,		// member's word of page, clause; chain: then its frame
	COH_DO_READ,		// member's frame of page -> own frame
	COH_DO_WRITE,		// own frame, offset, length -> member's frame
	COH_DO_NOTE,		// member's holding of page: shadow = note
	COH_DO_TABLE,		// member's holdings from page on, count -> scratch
	COH_DO_SEND,		// letter, length -> member
	COH_DO_FENCE,		// take back what was lent to member's life `count`, until
				// the member is named again; 0: it may have it
};

struct coh_action {
	u8 what;		// enum coh_what
	u8 member;
	u8 bind;
	bool chain;
	u32 tag;		// for coh_done(); of SWAP to TABLE
	u32 page;
	u32 offset;
	u32 length;
	u32 count;
	u64 note;
	struct coh_clause clause;
	const struct coh_letter *letter;	// until the next coh_next()
};

enum coh_outcome {
	COH_DONE,
	COH_NOT_DONE,
	COH_UNKNOWN,		// it may have run; it cannot run later
};

struct coh_result {
	u8 outcome;		// enum coh_outcome
	bool matched;
	struct coh_word old;
};

enum coh_get {
	COH_WAITS,
	COH_HERE,
	COH_LOST,
	COH_ALONE,		// publish: there is no other member
};

enum coh_phase {
	COH_OUT,		// in no epoch yet
	COH_STOPPING,		// round 0: operations of the last epoch are open
	COH_STOPPED,		// 1
	COH_REBUILT,		// 2
	COH_CLEARED,		// 3
	COH_OPEN,		// 4
	COH_FENCED,		// the others went on without this life: start again
};

#define COH_PUBLISHED 1u	// of config.flags: dsm/map/dsm.h, DSM_PUBLISHED

struct coh_config {
	u32 pages;
	u32 page_size;
	u32 self;		// this member's index
	u32 life;		// random, not 0
	u32 flags;
	u32 first_version;
	u64 hold_ns;		// minimum hold
	u64 retry_ns;		// first pause before a retry
	u64 tick_ns;		// messages are said again
	u64 settle_ns;		// a change of who is alive must have lasted as long
	u64 form_ns;		// the first epoch waits for others as long
	u64 seed;
};

struct coh_page {
	u64 hold_until;
	u32 lost_version;
	u32 shadow_epoch;	// whole content written through in this epoch...
	u32 shadow_version;	// ...and as this version
	u8 mapped;		// enum coh_bind
	u8 tx;			// index + 1
	u8 serve;		// index + 1
	u8 publish;		// enum publish_state
	bool lost;
};

// What a home gathers of a page.
struct coh_gather {
	struct coh_word word;	// decided
	u64 bound;
	u32 best_version, top_version, shadow_version, home_version, home_epoch;
	u32 spoiled_version;
	u8 best, owner, shadow, spoiled, home, home_state, home_owner;
	u8 has_best : 1;
	u8 has_owner : 1;
	u8 has_shadow : 1;
	u8 has_home : 1;
	u8 has_top : 1;
	u8 home_from_owner : 1;
	u8 home_lost : 1;
	u8 dead_promise : 1;
	u8 has_spoiled : 1;
	u8 shadow_lost : 1;
	u8 fetch;		// member whose frame is to be read, or COH_DEAD
};

// The host's memory: `words` and `holdings` are lent to the others.
struct coh_memory {
	struct coh_word *words;
	struct coh_holding *holdings;
	struct coh_page *pages;
	struct coh_gather *gathers;
	const struct coh_holding *scratch;	// COH_TABLE_ENTRIES, for TABLE
};

struct coh_tx {
	u8 kind, stage, tries, target;
	bool open, known, unsure, had_copy, copied, whole;
	u8 bind;		// to be granted
	u32 page;
	u32 version;		// granted, or of the B
	u32 offset, length;
	u64 due, began;
	u64 send, wait;		// members to ask, members that have not answered
	struct coh_word seen, next;
};

struct coh_serve {
	u8 stage, from;
	bool to_read, open;
	u32 page, version;
	u64 due;
};

struct coh_peer {
	u32 life;		// by its last status
	u32 epoch;
	u32 opened, cleared;
	u8 round;
	bool heard;
};

struct coh_counters {
	u64 reads, writes, revoked, retries, lost, published, epochs, stale, deferred;
};

struct coh {
	struct coh_config config;
	struct coh_memory memory;
	struct prng prng;
	u64 now;
	u8 phase;		// enum coh_phase
	struct coh_epoch epoch;
	struct coh_tx tx[COH_TX_MAX];
	struct coh_serve serve[COH_SERVE_MAX];
	// Who is there, by the host.
	u64 here, alive;
	u32 alive_life[COH_MEMBERS_MAX];
	u64 alive_since;
	u32 dark_ticks;		// while somebody in `here` was not heard of
	u64 met;		// members of the epoch that were seen alive in it
	u64 entered_at;
	bool may_change;
	u32 top_counter;	// of any epoch heard of
	struct coh_epoch base;	// the one that was cleared last: what follows comes from it
	struct coh_epoch prior;	// the one before: should that turn out not to open
	struct coh_epoch last;	// the one that was stopped last
	bool has_gathered;	// `gathers` hold what `words` are to be
	struct coh_peer peer[COH_MEMBERS_MAX];
	u64 tick_at, began;
	u64 fence;		// actions to come, by member...
	u32 fence_life[COH_MEMBERS_MAX];	// ...and which life
	u64 say_status, say_epoch;
	u32 opened, cleared;	// newest epochs of which this was seen
	// Rebuilding.
	u64 table_left;		// members whose table is still to be read
	u32 table_page;		// next entry of the lowest of them
	bool table_open, tables_done;
	u32 fetch_page;		// next to look at
	u32 fetch_open;		// reads under way
	u32 spread_page;
	bool spread_open, spread_noted;
	u64 gather_due;
	// Barrier.
	u64 arrived[COH_MEMBERS_MAX];
	u64 phase_mine, phase_released;
	u64 say_released;
	bool say_arrived;
	u32 open_count;
	struct coh_counters counters;
	struct coh_letter letter;
};

// Begins, in no epoch. Words and holdings must be zero.
void
coh_init(struct coh *coh, const struct coh_config *config,
	 const struct coh_memory *memory, u64 now);

// Who is alive as far as the host knows and can be reached, with the lives that they
// told (0 for none). `here`: those, and whom the host knows to run without having heard
// from them yet. `may_change`: this node may decide who is a member.
void
coh_alive(struct coh *coh, u64 now, u64 here, u64 alive,
	  const u32 life[COH_MEMBERS_MAX], bool may_change);

// A message. What makes no sense is dropped.
void
coh_message(struct coh *coh, u64 now, u32 from, const void *bytes, u32 len);

// How an action with a tag ended.
void
coh_done(struct coh *coh, u64 now, u32 tag, const struct coh_result *result);

// The next thing to do. False: nothing until something comes, or coh_due().
must_check bool
coh_next(struct coh *coh, u64 now, struct coh_action *action);
u64
coh_due(const struct coh *coh);

// Asks for a page. COH_HERE: bound and mapped, and it stays so until coh_next().
must_check enum coh_get
coh_want(struct coh *coh, u64 now, u32 page, bool write);

// Keeps a page that is here from being revoked until then.
void
coh_hold(struct coh *coh, u32 page, u64 until);

// Gives a page up.
void
coh_evict(struct coh *coh, u64 now, u32 page);

// Goes on with a lost page: call until it is not COH_WAITS. COH_HERE: it is not lost.
// COH_LOST: the members are not those of `epoch`, so it may be another loss (0: no matter).
must_check enum coh_get
coh_reset(struct coh *coh, u64 now, u32 page, u32 epoch);

// Writes a part of a page that is bound M through to another member: call until
// COH_HERE. COH_LOST: it is not bound M (any more): want it, begin again.
must_check enum coh_get
coh_publish(struct coh *coh, u64 now, u32 page, u32 offset, u32 length);

// The page has changed: what coh_publish() was asked for before is of no interest.
void
coh_publish_anew(struct coh *coh, u32 page);

// The barrier of this epoch: arrive, and whether all have.
void
coh_arrive(struct coh *coh, u64 now, u64 phase);
bool
coh_released(const struct coh *coh, u64 phase);

// The member that ranks first (0) or second (1) for a page; COH_DEAD: none.
u32
coh_home(const struct coh *coh, u32 page, u32 rank);

// Walks what holds at any time; asserts.
void
coh_check(const struct coh *coh);
