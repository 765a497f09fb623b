// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of this folder share.
//
//	member.c	the host's side: what comes in, time, the detector of pauses
//	state.c		alive, suspect, dead: the one place that changes them
//	probe.c		pings, helpers, health
//	message.c	messages as bytes
//	send.c		what goes into the next message

#include "cluster/member/member.h"

#define MEMBER_HEADER 48u
#define MEMBER_RUMOUR 48u
#define MEMBER_RUMOURS ((MEMBER_MESSAGE_MAX - MEMBER_HEADER) / MEMBER_RUMOUR)
#define MEMBER_HEALTH_MAX 7u
#define MEMBER_NEVER (~0ull)

enum member_kind {
	MEMBER_PING = 1,	// subject: whom it is for
	MEMBER_ACK,		// subject: who lives; sequence of the ping
	MEMBER_ASK,		// ping the subject for me
	MEMBER_NACK,		// I did, and it has not answered yet
	MEMBER_SYNC,		// rumours of everybody
	MEMBER_TELL,		// rumours
	MEMBER_KINDS,
};

#define MEMBER_FLAG_ANSWER 1u	// of SYNC: send me yours

struct member_message {
	u8 kind, flags;
	u32 sequence, turn;
	u64 note;
	struct member_id subject;
	u32 rumours;
	const u8 *rumour;
};

struct member_rumour {
	struct member_id id;
	u32 turn;
	u8 life, reason;
	u8 accuser[MEMBER_UUID];	// of a suspect
};

static inline bool
id_same(const struct member_id *a, const struct member_id *b)
{
	return a->incarnation == b->incarnation &&
	       !__builtin_memcmp(a->uuid, b->uuid, MEMBER_UUID);
}

static inline u8
slot_of(const struct members *m, const struct member *member)
{
	return (u8)(member - m->member);
}

// ---- message.c

void
member_message_store(const struct member_message *message, u8 *bytes);

// Rumours are checked too.
must_check bool
member_message_load(struct member_message *message, const u8 *bytes, u32 len);

void
member_rumour_store(const struct member_rumour *rumour, u8 *bytes);
void
member_rumour_load(struct member_rumour *rumour, const u8 *bytes);

// ---- state.c

// What `rumour` says, as `from` brought it: a slot, or MEMBER_NONE for what a node says
// of itself. Returns true when this node knows better.
bool
state_rumour(struct members *m, u64 now, u8 from, const struct member_rumour *rumour);

// This node got no answer.
void
state_accuse(struct members *m, u64 now, u8 slot);

// Suspects whose time is over.
void
state_expire(struct members *m, u64 now);

// Gives suspects more time.
void
state_extend(struct members *m, u64 ns);
// A late answer: not before another shortest suspicion from now.
void
state_postpone(struct members *m, u64 now, struct member *member);

u64
state_deadline(const struct members *m);

// This node lives, whatever is said of a turn below.
void
state_refute(struct members *m, u64 now, u32 turn);

u32
members_alive(const struct members *m);

void
health_add(struct members *m, u32 by);

// ---- probe.c

void
probe_timer(struct members *m, u64 now);
u64
probe_deadline(const struct members *m);
void
probe_void(struct members *m);
void
probe_next(struct members *m, u8 slot);
void
probe_ack(struct members *m, u64 now, const struct member_id *from,
	  const struct member_message *message);
void
probe_nack(struct members *m, const struct member_message *message);
void
probe_ask(struct members *m, u64 now, const struct member_id *from,
	  const struct member_message *message);

// ---- send.c

void
send_add(struct members *m, const struct member_intent *intent);
void
send_simple(struct members *m, enum member_kind kind, const struct member_id *to);
void
send_sync(struct members *m, const struct member_id *to, bool answer);
// Gossip to a few members, at once and then while there is something to tell.
void
send_gossip(struct members *m, u64 now);
bool
send_has_rumours(const struct members *m);
