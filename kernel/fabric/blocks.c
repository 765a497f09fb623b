// SPDX-License-Identifier: BSD-2-Clause
// Peers' operations on this node's disk. They go to the device through
// sys/queue.c, as one more queue with its fair share; their pages are the
// kernel's. What needs no device, or finds it broken, ends here: the core is told
// later, never from within its own call.
//
// BLOCK_FUA is a write and then a flush: virtio disks have no other way, and others are
// not faster by theirs. Between the two it belongs to `written`.

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/dev/disk.h"
#include "kernel/fabric/state.h"
#include "kernel/sys/queue.h"

#define FULL_NS NS_PER_MS	// when the device's queue was full

static u64 ended;		// bit: this ticket has ended
static u64 succeeded;
static u64 for_good;		// it is to be flushed when it is written
static u64 written;		// and that is due

STATIC_ASSERT(STAGING_MAX <= 64);

static void
note(u32 ticket, bool ok)
{
	u64 bit = 1ull << ticket;

	ASSERT(ticket < STAGING_MAX && !((ended | written) & bit));
	fabric.due = 0;
	if (ok && (for_good & bit)) {
		for_good &= ~bit;
		written |= bit;
		return;
	}
	for_good &= ~bit;
	ended |= bit;
	succeeded = ok ? succeeded | bit : succeeded & ~bit;
}

static enum queue_op
queue_op_of(enum wire_op op)
{
	switch (op) {
	case OP_BLOCK_READ:
		return QUEUE_READ;
	case OP_BLOCK_WRITE:
	case OP_BLOCK_FUA:
		return QUEUE_WRITE;
	case OP_BLOCK_TRIM:
		return QUEUE_TRIM;
	case OP_BLOCK_ZERO:
		return QUEUE_ZERO;
	default:
		return QUEUE_FLUSH;
	}
}

bool
rcap_host_able(void *host, enum wire_op op)
{
	(void)host;
	return disk_can(queue_op_of(op));
}

static bool
start(u32 ticket, enum queue_op kind, u64 block, u32 count, u64 physical)
{
	switch (queue_fabric_start(ticket, kind, block, count, physical)) {
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

bool
rcap_host_block(void *host, u32 ticket, enum wire_op op, u64 block, u32 count,
		u8 *page)
{
	u64 bit = 1ull << ticket;

	(void)host;
	ASSERT(ticket < STAGING_MAX && !(for_good & bit));
	if (op == OP_BLOCK_FUA)
		for_good |= bit;
	if (start(ticket, queue_op_of(op), block, count, physical_of(page)))
		return true;
	for_good &= ~bit;
	return false;
}

void
fabric_block_done(u32 ticket, bool ok)
{
	note(ticket, ok);
}

// Has the device make durable what it has written. False: it takes no more now.
static bool
flush_written(void)
{
	while (written) {
		u32 ticket = (u32)__builtin_ctzll(written);

		written &= written - 1;
		if (start(ticket, QUEUE_FLUSH, 0, 0, 0))
			continue;
		written |= 1ull << ticket;
		return false;
	}
	return true;
}

u64
blocks_settle(u64 now)
{
	u64 due = flush_written() ? NEVER : now + FULL_NS;

	while (ended) {
		u32 ticket = (u32)__builtin_ctzll(ended);

		ended &= ended - 1;
		rcap_block_done(fabric.rcap, now, ticket,
				succeeded >> ticket & 1);
	}
	return due;
}
