// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// How programs here meet those of other nodes: a program offers FAR_SERVICE
// (libos/programs/remote/serve.c); another sends it a far_ask, with a place ready,
// and gets a capability or nothing.

#include "libos/remote/far.h"

#define FAR_SERVICE 0x66617201ull

enum far_asked {
	FAR_ASK_PAGES = 1,
	FAR_ASK_BLOCKS,
	FAR_ASK_REVOKE,		// take back everything that was granted
	FAR_ASK_FREE,		// and give the pages back to the kernel
	FAR_ASK_HANDLER,	// an endpoint with a program: FABRIC_INVOKE
	FAR_ASK_POOL,		// a pool of pages: far_alloc()
	FAR_ASK_RECALL,		// ask each holder of pages for its last `count` of them,
				// `first` milliseconds from now on
};

struct far_ask {
	u32 kind;		// enum far_asked
	u32 rights;		// CAP_READ, CAP_WRITE, CAP_DERIVE
	u64 first;		// page of those that are offered, or block
	u64 count;		// 0: all from there on
	u64 word;		// comes back with the grant
};

// Asks a node; `buffer` lies in the region. *slot is that of the capability (for
// all but REVOKE, FREE and RECALL). Returns 0 or an error; -E_TIMEOUT when nothing came.
must_check i64
far_ask(struct far_io *io, u16 node, struct far_ask *ask, void *buffer, u32 *slot);

// Tickets (docs/remote-capabilities.md). Writes one, in the region, for a part of a
// REMOTE capability: who `target` says, on the node of link `node`, may redeem it within
// `lifetime_ns`. The owner is not asked; how it gets to whom it is for is anybody's
// choice: here a message to FAR_TICKETS, or a file, or a line of text.
#define FAR_TICKETS 0x66617202ull

must_check i64
far_ticket(struct far_io *io, u32 slot, u16 node, const struct fabric_target *target,
	   u64 lifetime_ns, struct fabric_ticket *ticket);

// Redeems one; *slot is that of the capability. -E_TIMEOUT when it was granted and did
// not come: the ticket is spent then.
must_check i64
far_redeem(struct far_io *io, const struct fabric_ticket *ticket, u32 *slot);
