// SPDX-License-Identifier: BSD-2-Clause
// Disk operations. Data move at the end of the latency, from or to the staging
// page: a core that gave the page to somebody else by then is found out. One that
// fails moves nothing, but for half of the writes.

#include <string.h>

#include "harness/sim/disk.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

static u64
latency(void)
{
	if (sim_below(20) == 0)
		return NS_PER_MS + sim_below(DISK_SLOWEST_NS - NS_PER_MS);
	return 20 * NS_PER_US + sim_below(200 * NS_PER_US);
}

static u32
free_place(const struct sim_node *node)
{
	u32 place = 0;

	while (place < DISK_QUEUE && node->disk_op[place].used)
		place++;
	return place;
}

static bool
begin(struct sim_node *node, struct disk_op op)
{
	u32 place = free_place(node);

	if (place == DISK_QUEUE)
		return false;
	if (faults_hit(&sim.fault_prng, sim.network.faults.rate[FAULT_EXHAUST])) {
		sim.result->episodes[FAULT_EXHAUST]++;
		return false;
	}
	node->disk_op[place] = op;
	sim_event(sim.trace.now + latency(), EVENT_DISK, node_index(node), place,
		  node->boot);
	return true;
}

bool
rcap_host_block(void *host, u32 ticket, enum wire_op op, u64 block, u32 count,
		u8 *page)
{
	struct sim_node *node = host;
	bool room = free_place(node) < DISK_QUEUE, begun;

	if (count && block + count > BLOCKS)
		sim_failed(node_index(node), "a block beyond the disk's end");
	begun = begin(node, (struct disk_op){
		.used = true, .ticket = ticket, .op = op, .block = (u32)block,
		.count = count, .page = page, .began = sim.trace.now });
	if (room && !begun)
		felt(FELT_NO_PLACE);
	return begun;
}

static void
flush(struct sim_node *node)
{
	memcpy(node->flushed, node->disk, sizeof(node->disk));
	memset(node->block_written, 0, sizeof(node->block_written));
}

static void
land(struct sim_node *node, const struct disk_op *op)
{
	switch (op->op) {
	case OP_BLOCK_READ:
		memcpy(op->page, node->disk[op->block], UNIT);
		break;
	case OP_BLOCK_WRITE:
		memcpy(node->disk[op->block], op->page, UNIT);
		node->block_written[op->block] = sim.trace.now;
		if (op->failed)
			felt(FELT_DONE_YET);
		break;
	default:
		flush(node);
		break;
	}
	TRACE(node_index(node), op->op == OP_BLOCK_READ ? "disk: block %lu was read" :
	      op->op == OP_BLOCK_WRITE ? "disk: block %lu was written" :
					 "disk: it is flushed", op->block);
	model_look(&sim.model, node_index(node), STORE_DISK, op->began);
}

static void
tell(struct sim_node *node, struct disk_op *op)
{
	op->used = false;
	rcap_block_done(node->rcap, node_now(node), op->ticket, !op->failed);
}

void
disk_done(struct sim_node *node, u32 place, u32 boot)
{
	struct disk_op *op = &node->disk_op[place];

	if (node->state == NODE_OFF || node->boot != boot)
		return;		// it died with its node
	ASSERT(op->used && !op->landed);
	op->failed = faults_hit(&sim.fault_prng, sim.faults.rate[FAULT_DISK]);
	if (op->failed) {
		sim.result->episodes[FAULT_DISK]++;
		TRACE(node_index(node), "disk: an operation on block %lu fails", op->block);
	}
	if (!op->failed || (op->op == OP_BLOCK_WRITE && prng_below(&sim.fault_prng, 2)))
		land(node, op);
	op->landed = true;
	if (node->state == NODE_PAUSED)
		return;
	tell(node, op);
	node_settle(node);
}

void
disk_resume(struct sim_node *node)
{
	for (u32 i = 0; i < DISK_QUEUE; i++) {
		if (node->disk_op[i].used && node->disk_op[i].landed)
			tell(node, &node->disk_op[i]);
	}
}

// Of the writes that are at work when a node dies, half are still done.
static void
land_some(struct sim_node *node)
{
	for (u32 i = 0; i < DISK_QUEUE; i++) {
		struct disk_op *op = &node->disk_op[i];

		if (op->used && !op->landed && op->op == OP_BLOCK_WRITE &&
		    prng_below(&sim.fault_prng, 2))
			land(node, op);
	}
}

void
disk_crash(struct sim_node *node, bool empty)
{
	bool dirty;

	land_some(node);
	memset(node->disk_op, 0, sizeof(node->disk_op));
	if (!empty)
		return;
	dirty = memcmp(node->disk, node->flushed, sizeof(node->disk)) != 0;
	memcpy(node->disk, node->flushed, sizeof(node->disk));
	if (dirty && !memcmp(node->disk, node->flushed, sizeof(node->disk)))
		felt(FELT_UNFLUSHED);
	memset(node->block_written, 0, sizeof(node->block_written));
	model_power_cut(&sim.model, node_index(node));
}
