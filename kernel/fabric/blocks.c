// SPDX-License-Identifier: BSD-2-Clause
// Peers' operations on this node's disk. They go to the device through
// sys/queue.c, as one more queue with its fair share; their pages are the
// kernel's. What needs no device, or finds it broken, ends here: the core is told
// later, never from within its own call.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/queue.h"

static u64 ended;		// bit: this ticket has ended
static u64 succeeded;

STATIC_ASSERT(STAGING_MAX <= 64);

static void
note(u32 ticket, bool ok)
{
	u64 bit = 1ull << ticket;

	ASSERT(ticket < STAGING_MAX && !(ended & bit));
	ended |= bit;
	succeeded = ok ? succeeded | bit : succeeded & ~bit;
	fabric.due = 0;
}

bool
rcap_host_block(void *host, u32 ticket, enum wire_op op, u64 block, u8 *page)
{
	enum queue_op kind = op == OP_BLOCK_READ ? QUEUE_READ
			     : op == OP_BLOCK_WRITE ? QUEUE_WRITE : QUEUE_FLUSH;

	(void)host;
	switch (queue_fabric_start(ticket, kind, block, physical_of(page))) {
	case QUEUE_FABRIC_STARTED:
		fabric.due = 0;		// the device is yet to be told
		return true;
	case QUEUE_FABRIC_FULL:
		return false;
	case QUEUE_FABRIC_DONE:
		note(ticket, true);
		return true;
	case QUEUE_FABRIC_FAILED:
		note(ticket, false);
		return true;
	}
	ASSERT(false);
	return false;
}

void
fabric_block_done(u32 ticket, bool ok)
{
	note(ticket, ok);
}

// Tells the core. Returns whether anything had ended.
bool
blocks_settle(u64 now)
{
	bool any = ended != 0;

	while (ended) {
		u32 ticket = (u32)__builtin_ctzll(ended);

		ended &= ended - 1;
		rcap_block_done(fabric.rcap, now, ticket,
				succeeded >> ticket & 1);
	}
	return any;
}
