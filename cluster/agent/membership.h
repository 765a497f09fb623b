// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Membership on this node: cluster/member's host.

#include "cluster/agent/peer.h"
#include "cluster/member/member.h"

must_check i64
membership_open(void);

const struct members *
membership(void);

// Counts changes of any member's state.
u32
membership_changes(void);

// The life of a node that is known, or MEMBER_DEAD.
enum member_life
member_life_of(const u8 uuid[16]);

static inline struct peer
member_peer(const struct member *member)
{
	struct peer peer = { .incarnation = member->id.incarnation };

	memcpy(peer.uuid, member->id.uuid, sizeof(peer.uuid));
	return peer;
}

// A version of the record for all to hear of.
void
membership_note(u64 version);
