// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Messages from parts: sans-IO. A place for a message is taken by the first part that
// comes, and given back when the message is whole, when it is PARTS_PATIENCE_NS old,
// or when its sender begins one too many (its oldest goes). So a sender can cost at
// most PARTS_PER_LINK places, and only others' when all are taken by live ones.

#include "cluster/agent/message.h"

#define PARTS_PLACES 8u
#define PARTS_PER_LINK 2u
#define PARTS_PATIENCE_NS (3 * NS_PER_SECOND)

struct parts_from {
	u16 link;
	u32 environment;
	u64 incarnation;
};

struct parts_place {
	bool taken;
	struct parts_from from;
	struct message_head head;	// of the first that came
	u32 have;			// bit: part is here
	u64 since_ns;
	u8 bytes[MESSAGE_MAX];
};

struct parts {
	u64 dropped;			// messages that were never whole
	struct parts_place place[PARTS_PLACES];
};

// Is this what a sender may send: lengths and numbers that fit together?
must_check bool
parts_head_ok(const struct message_head *head, u32 received);

// Takes a part. Returns the place when its message is whole (valid until the next
// call), or NULL. The head is one that parts_head_ok() took; `head->parts` > 1.
must_check const struct parts_place *
parts_take(struct parts *parts, const struct parts_from *from,
	   const struct message_head *head, const u8 *bytes, u64 now);
