// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who another agent is: a node's UUID and its incarnation, one life of it. The
// kernel's table of links has both; the environment that the agent runs as is
// learned by asking (post.c).

#include "kernel/base/string.h"
#include "kernel/base/types.h"

struct peer {
	u8 uuid[16];
	u64 incarnation;
};

static inline bool
peer_is(const struct peer *a, const struct peer *b)
{
	return a->incarnation == b->incarnation &&
	       !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

// This node, in this life.
const struct peer *
peer_self(void);
