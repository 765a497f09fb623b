// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who lives: SWIM (Das, Gupta, Motivala, 2002) with the rules of Lifeguard (Dadgar,
// Phillips, Currey, 2018), as a sans-IO core. The host passes time, messages and
// hints in, and takes messages and changes out; messages may be lost, doubled and
// late. Their sender's UUID and incarnation come from the fabric's session, not from
// the message.
//
// A member is one life of a node, (UUID, incarnation). Incarnations are random, so
// what is said of a node is ordered by its `turn`: only the node itself counts it on,
// to refute what others say of it, or to take the place of its former life. For one
// turn, dead beats suspect beats alive.
//
// Slots of the table stay where they are while their node is known; slot 0 is this
// node. The dead are kept, until their slot is needed, so that old rumours do not
// wake them.
//
// Invariants, walked by members_check():
//	1 slot 0 is this node, alive
//	2 each UUID has one slot
//	3 at most one probe is open, to a member that is not dead
//	4 a suspect has a timer and at least one accuser
//	5 this node declares nobody suspect or dead in a round that its own timer
//	  began more than two intervals late
//
// docs/membership.md has the rules and the messages in words.

#include "kernel/base/prng.h"
#include "kernel/base/types.h"

#define MEMBERS_MAX 64u
#define MEMBER_UUID 16u
#define MEMBER_NONE 0xffu
#define MEMBER_MESSAGE_MAX 1000u
#define MEMBER_INTERVAL_NS (200 * NS_PER_MS)
#define MEMBER_OUTPUTS 32u
#define MEMBER_RELAYS 16u
#define MEMBER_ASKED 3u		// helpers of an indirect probe
#define MEMBER_OLD_PROBES 8u	// whose late answers still tell something

struct member_id {
	u8 uuid[MEMBER_UUID];
	u64 incarnation;
};

// The same numbers as enum view_life.
enum member_life {
	MEMBER_ALIVE = 1,
	MEMBER_SUSPECT,		// counts as alive for everything but its accusers
	MEMBER_DEAD,
};

// Why a member is in its state. member_reason_sentence() says it to a person.
enum member_reason {
#define X(name, sentence) MEMBER_##name,
#include "cluster/member/reasons.def"
#undef X
	MEMBER_REASON_COUNT
};

struct member {
	struct member_id id;
	bool used;
	u8 life;		// enum member_life
	u8 reason;		// enum member_reason
	u8 accuser;		// slot of who said the last that is bad, or MEMBER_NONE
	u32 turn;
	u64 since;		// in this life
	u64 heard;		// the last message of its own; 0: none
	u64 note;		// the host's word of it, as it came with that
	u64 first_heard;	// since when it has been alive without a break; 0: never
	// the core's own
	u64 dead_at;		// of a suspect: when it is over, by its accusers
	u64 suspect_since;
	u64 accusers;		// bit of each slot
	u8 tell;		// how often its state is still to be told
	u8 told_life;		// what members_event() last gave
	u64 told_incarnation;
};

struct member_probe {
	bool open, asked, acked;
	u8 slot;
	u8 helpers, nacks;
	u32 sequence;
	u64 began;		// the ping left
	u64 incarnation;
};

// A ping on behalf of another member.
struct member_relay {
	bool used;
	u32 sequence, theirs;
	u64 nack_at;
	struct member_id requester, target;
};

// A message that is to be made when the host takes it.
struct member_intent {
	u8 kind, flags;
	u8 first;		// slot that a SYNC begins with
	u32 sequence;
	struct member_id to, subject;
};

struct member_counters {
	u64 sent, received, malformed, strange, bytes;
	u64 probes, failed_probes, indirect, refutations;
	u64 suspicions, deaths, pauses, dropped;
};

struct members {
	struct member member[MEMBERS_MAX];
	u64 note;
	u64 epoch;		// counts changes of who is alive
	u32 health;		// 0 is well, 7 is worst
	u64 rtt, rtt_spread;	// smoothed, as RFC 6298
	u64 slowest;		// the longest round trip lately
	u64 tick_at;		// the next round
	u64 ask_at, end_at;	// of the probe
	u64 gossip_at, sync_at, visit_at;
	u32 linked_count, linked_next;
	struct member_id linked[MEMBERS_MAX];	// the host's hints
	struct member_probe probe;
	struct member_probe old[MEMBER_OLD_PROBES];
	struct member_relay relay[MEMBER_RELAYS];
	struct member_intent output[MEMBER_OUTPUTS];
	u32 output_first, output_count;
	u8 order[MEMBERS_MAX];	// the round robin
	u32 order_count, order_next;
	u32 sequence;
	struct prng prng;
	struct member_counters count;
};

// Begins a life. `seed` is random.
void
members_init(struct members *m, u64 now, const struct member_id *self, u64 seed);

// The host's hint: there is a path to that life of a node now, or there is none any
// more. A new life is greeted; a lost one is probed next.
void
members_link(struct members *m, u64 now, const struct member_id *peer, bool up);

// A message. What is malformed is counted and dropped.
void
members_input(struct members *m, u64 now, const struct member_id *from,
	      const void *bytes, u32 len);

// To be called when members_deadline() has passed.
void
members_timer(struct members *m, u64 now);
u64
members_deadline(const struct members *m);

// The next message to send, until there is none: to be taken after each call above.
// Returns its length, at most MEMBER_MESSAGE_MAX, or 0.
must_check u32
members_output(struct members *m, u64 now, struct member_id *to,
	       u8 bytes[MEMBER_MESSAGE_MAX]);

// The next slot whose state is another one than this function last gave for it, or
// MEMBER_NONE.
must_check u8
members_event(struct members *m);

// A word of the host's that goes with every message (the version of its record).
static inline void
members_note(struct members *m, u64 note)
{
	m->note = note;
}

u8
members_find(const struct members *m, const u8 uuid[MEMBER_UUID]);

// All used slots in order of UUIDs. Returns how many.
u32
members_sorted(const struct members *m, u8 slots[MEMBERS_MAX]);

const char *
member_reason_sentence(enum member_reason reason);

void
members_check(const struct members *m);
