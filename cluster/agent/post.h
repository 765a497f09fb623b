// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The post's own ends (message.h is what all others use): opening it, and who is
// reachable through which link.

#include "cluster/agent/message.h"

// Offers AGENT_SERVICE and posts buffers. operations_open() comes before. Returns 0,
// or an error: -E_TAKEN when another agent runs on this node.
must_check i64
post_open(void);

// The peer at a link whose agent is known and whose session is up. False: none.
must_check bool
post_peer(u16 link, struct peer *peer);
