// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of the agent's ground (loop.c, task.c, operations.c, letters.c, contacts.c,
// post.c) share
// with one another and with nobody else.

#include "cluster/agent/message.h"
#include "kernel/abi/fabric.h"
#include "libos/io/fabric.h"
#include "libos/io/queue.h"

// Which part of the agent an operation of the fabric queue belongs to: the upper half
// of its tag. The lower half is the part's own.
enum operation_class {
	OPERATION_TASK = 1,
	OPERATION_POST,
	OPERATION_SEND,
	OPERATION_ACCEPT,
};

#define OPERATION_TAG(class, index) ((u64)(class) << 32 | (u32)(index))

// Of FABRIC_OPEN_MAX, what each class may have open.
#define POSTS_OPEN 14u
#define SENDS_OPEN 10u
#define ACCEPTS_OPEN 3u
#define TASKS_OPEN (FABRIC_OPEN_MAX - POSTS_OPEN - SENDS_OPEN - ACCEPTS_OPEN)

STATIC_ASSERT(TASKS_OPEN >= 16);

// Binds the queues over a region of `pages`, and posts places for capabilities.
// Returns 0 or an error.
must_check i64
operations_open(u32 pages);

// Puts an operation of another class. False: the ring is full until the next flush.
must_check bool
operation_put(const struct fabric_submit *submit);

// Hands over what was put since the last one.
void
operations_flush(void);

// The agent's queue and its capability for the fabric.
const struct fabric_queue *
operations_queue(void);

// Letters (letters.c). letters_post() puts a message into letters: all of it, or
// nothing (false). `head` says kind, id, direction and total.
#define LETTER_BYTES 1024u

must_check i64
letters_open(void);
bool
letters_post(u16 link, struct message_head *head, const u8 *bytes);
void
letter_sent(const struct fabric_complete *complete);
void
letters_run(u64 now);
void
letters_watch(struct wait_set *set);

// Contacts (contacts.c). The incarnation is 0 while the link is not up.
u64
contact_incarnation(u16 link);
struct peer
contact_peer(u16 link);
bool
contact_is_agent(u16 link, u32 environment);
void
contact_doubt(u16 link);
void
contact_look(u16 link);
void
contact_hello(u16 link, u32 environment, const struct message_head *head,
	      const u8 *bytes);
void
contacts_run(u64 now);

// The session with a link's node ended: so do questions to it (post.c).
void
asks_lost(u16 link);

// Takes completions of SEND and POST (post.c).
void
post_completed(const struct fabric_complete *complete);

// Gives back what ended tasks had.
void
tasks_reap(void);
