// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of this folder share: messages, and who calls whom.
//
//	agree.c		the host's side: what comes in, what goes out
//	message.c	messages as bytes
//	slot.c		a voter's state as a slot of the disk
//	acceptor.c	the voter
//	proposer.c	rounds
//	request.c	what the host wants, and how it ends

#include "cluster/agree/agree.h"

enum agree_message_kind {
	MESSAGE_PREPARE = 1,	// ballot
	MESSAGE_PROMISE,	// ballot; second, value: what was accepted
	MESSAGE_ACCEPT,		// ballot, value
	MESSAGE_ACCEPTED,	// ballot
	MESSAGE_REFUSE,		// ballot; why; second: what was promised
	MESSAGE_NEWS,		// value: it is chosen
	MESSAGE_ASK,		// version: of the value that the sender knows
	MESSAGE_HINT,		// value: the sender's voter has it; perhaps it is chosen
	MESSAGE_KINDS,
};

enum agree_why {
	WHY_NONE,
	WHY_BALLOT,		// a higher one was promised
	WHY_STRANGER,		// of another cluster
	WHY_NO_DISK,
	WHY_LOST,		// a voter that has accepted nothing
	WHY_COUNT,
};

// The receiver of an ACCEPT was no voter before this value.
#define FLAG_JOINS 1u

struct agree_message {
	u8 kind, why, flags;
	u8 cluster[AGREE_UUID];	// of the sender's value; zero: it has none
	struct agree_ballot ballot, second;
	u64 version;
	u32 len;		// of the value
	const u8 *value;
	struct record_head head;	// of the value
};

static inline bool
ballot_less(struct agree_ballot a, struct agree_ballot b)
{
	return a.counter != b.counter ? a.counter < b.counter : a.life < b.life;
}

static inline bool
ballot_same(struct agree_ballot a, struct agree_ballot b)
{
	return a.counter == b.counter && a.life == b.life;
}

static inline bool
ballot_none(struct agree_ballot a)
{
	return !a.counter && !a.life;
}

// ---- message.c

u32
agree_message_store(const struct agree_message *message, u8 *bytes);

// False: it is none. `scratch` is for checking the value.
must_check bool
agree_message_load(struct agree_message *message, const u8 *bytes, u32 len,
		   struct record *scratch);

// ---- slot.c

void
agree_slot_store(const struct agree_acceptor *acceptor, u8 slot[AGREE_SLOT]);

// ---- acceptor.c

// PREPARE and ACCEPT. The answer waits in the replies.
void
acceptor_input(struct agree *a, u64 now, const u8 from[AGREE_UUID],
	       const struct agree_message *message);

void
agree_reply_add(struct agree *a, const struct agree_reply *reply);

// True when it has accepted nothing.
bool
acceptor_is_blank(const struct agree_acceptor *acceptor);

// ---- proposer.c

// Begins the next attempt of the first request, or ends it.
void
proposer_begin(struct agree *a, u64 now);

// PROMISE, ACCEPTED, REFUSE.
void
proposer_input(struct agree *a, u64 now, const u8 from[AGREE_UUID],
	       const struct agree_message *message);

void
proposer_timer(struct agree *a, u64 now);

u64
proposer_deadline(const struct agree *a);

// What is next to be sent, and to whom. False: nothing.
must_check bool
proposer_message(struct agree *a, u64 now, struct agree_message *message,
		 u8 to[AGREE_UUID]);

// ---- request.c

// Makes the value to propose from p->read, in p->next. False: the request has ended.
must_check bool
request_make_value(struct agree *a, u64 now);

// The value in p->next is chosen.
void
request_chosen(struct agree *a, u64 now);

// Looks for the open changes in a record that is chosen.
void
request_look(struct agree *a, const struct record_head *head);

void
request_end(struct agree *a, u64 now, enum agree_result result, enum record_error error);

// The core's own request, when this voter has lost what it voted, or has accepted what
// nobody told it was chosen.
void
request_settle(struct agree *a, u64 now);

// When that is to be, or never.
u64
request_settle_at(const struct agree *a);

// ---- agree.c

// A value that is chosen.
void
agree_learn(struct agree *a, const u8 *bytes, u32 len, const struct record_head *head);

bool
head_names(const struct record_head *head, const u8 uuid[AGREE_UUID]);
