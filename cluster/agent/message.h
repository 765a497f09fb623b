// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Messages between agents, over the fabric's SEND to AGENT_SERVICE. A message is
// bytes of one kind, up to MESSAGE_MAX; it travels in parts, each a struct
// message_head and up to MESSAGE_PART_MAX bytes. A question has an id, and its
// answer carries it back. Messages can be lost (and are, to a node that is gone);
// none comes twice; order is kept by nobody.
//
// What is trusted: the sender's kernel, about which environment sent. That an
// environment is the agent of its node is learned by a random word that was sent to
// the service of that node and came back from there: nobody else receives what is
// sent to it. Messages from other environments are dropped, but for the kinds that
// say so. What a message says is believed as far as its sender may decide it, which
// is the handlers' to judge.

#include "cluster/agent/peer.h"

#define AGENT_SERVICE 0x6167656e74ull

// Services of a job: its capability for the fabric covers JOB_SERVICES numbers from
// JOB_SERVICE(id, 0) on (the `base` of ROLE_FABRIC tells them). A second one lets it
// send to AGENT_SERVICE, and no more.
#define JOB_SERVICES 256ull
#define JOB_SERVICE(id, number) \
	(0x6a6f620000000000ull | (u64)(id) << 8 | (u64)(number))

#define MESSAGE_PART_MAX 1008u
#define MESSAGE_PARTS_MAX 13u
#define MESSAGE_MAX (MESSAGE_PARTS_MAX * MESSAGE_PART_MAX)

enum message_kind {
	MESSAGE_HELLO = 1,	// post.c: a random word, which comes back
	MESSAGE_SWIM,		// cluster/member's bytes
	MESSAGE_REGISTER,	// cluster/agree's bytes
	MESSAGE_STATUS,		// status.h
	MESSAGE_ROOM,		// storage: cluster/storage/room.h
	MESSAGE_SEAL,
	MESSAGE_DROP,
	MESSAGE_READ_BLOCKS,	// from anybody: struct message_read_blocks
	MESSAGE_LOGS,		// for the API: reports.h
	MESSAGE_CAPS,
	MESSAGE_EVENTS,
	MESSAGE_FABRIC,		// watched.h
	MESSAGE_KINDS
};

struct message_head {
	u16 kind;
	u8 part;
	u8 parts;
	u16 len;		// of this part, behind the head
	u8 is_answer;
	u8 is_question;
	u32 id;			// of the sender's choice; an answer has its question's
	u32 total;		// length of the whole
};

STATIC_ASSERT(sizeof(struct message_head) == 16);

// READ_BLOCKS: a job, or an agent, asks for a capability to read the object area of
// a node's disk, all of it ([STORE_FIRST_BLOCK..]). The place must be ready: a grant
// with `word` comes, or nothing. One part, no answer.
struct message_read_blocks {
	u64 word;
};

struct message {
	u16 kind;
	u16 link;		// or VIEW_LINK_SELF: from this node's own agent
	u32 id;
	u32 environment;	// of the sender
	bool is_question;	// waits for message_answer()
	bool from_agent;
	struct peer from;
	const u8 *bytes;	// valid until the handler returns
	u32 len;
};

// What is done with a kind. One of the two, once a kind, before the loop starts.
// `handle` runs in the loop and must not wait; to answer later, it keeps a copy of
// *message (not of bytes).
void
message_handle(u16 kind, void (*handle)(const struct message *message));

// `serve` runs in a task of its own, may wait, and writes the answer: up to
// MESSAGE_MAX bytes; it returns their number. A question that finds no free task is
// dropped, and the asker's patience ends.
void
message_serve(u16 kind, u32 (*serve)(const struct message *question, u8 *answer));

// Sends, without an answer and without waiting. False: there is no session with that
// node, or too much waits for it already.
bool
message_send(const struct peer *to, u16 kind, const void *bytes, u32 len);

// Answers a question. The asker may be gone: nothing comes of it then.
void
message_answer(const struct message *question, const void *bytes, u32 len);

// The link to a peer's agent, or VIEW_NONE; its environment, or 0 when not known.
u16
message_link(const struct peer *peer);
u32
message_environment(const struct peer *peer);

struct message_counts {
	u64 sent, sent_parts;
	u64 received, received_parts;
	u64 asked, timed_out;
	u64 dropped_full;	// waiting messages were too many
	u64 dropped_stranger;	// not from an agent, or of a life that the links do not show
	u64 dropped_shape;	// malformed, or of no known kind
	u64 dropped_parts;	// a part of it never came
	u64 retried;		// the other had no buffer posted
	u64 expired;		// parts that did not leave in time, or whose node went
	u64 waiting, open;	// parts now: on their way to the link, and sent
};

extern struct message_counts message_counts;
