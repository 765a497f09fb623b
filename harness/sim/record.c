// SPDX-License-Identifier: BSD-2-Clause
// Writing traces. A node's events carry its own clock, which begins anywhere and runs
// fast or slow; they are written with the simulation's.
//
// The layout is harness/tracing/file.py's; test_record.py reads what this writes.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/sim/node.h"
#include "harness/sim/record.h"
#include "kernel/base/assert.h"

#define RECORD_EVENTS 16384u
#define ONE_CLOCK 1u

struct record_head {
	char magic[8];
	u32 version, event_bytes, nodes, flags;
	u64 reserved;
};

struct record_node {
	u8 uuid[16];
	u64 incarnation, reserved;
};

static FILE *out;
static struct trace_ring *rings[SIM_NODES_MAX];
static u64 written[SIM_NODES_MAX];

bool
record_open(const char *path)
{
	out = fopen(path, "wb");
	return out != NULL;
}

void
record_begin(u32 nodes)
{
	struct record_head head = {
		.magic = { 'D', 'E', 'O', 'S', 'T', 'R', 'C', '1' }, .version = 1,
		.event_bytes = sizeof(struct trace_event), .nodes = nodes,
		.flags = ONE_CLOCK,
	};

	if (!out)
		return;
	fwrite(&head, sizeof(head), 1, out);
	for (u32 i = 0; i < nodes; i++) {
		struct record_node node = { .reserved = 0 };

		node_uuid(i, node.uuid);
		fwrite(&node, sizeof(node), 1, out);
	}
}

struct trace_ring *
record_ring(u32 node)
{
	if (!out)
		return NULL;
	if (!rings[node])
		rings[node] = calloc(1, trace_ring_bytes(RECORD_EVENTS));
	if (!rings[node])
		sim_failed(node, "out of memory");
	rings[node]->mask = RECORD_EVENTS - 1;
	return rings[node];
}

// When the node's clock showed `local`, in the life that it lives.
static u64
simulated(const struct sim_node *node, u64 local)
{
	u64 ago = node_now(node) - MIN(local, node_now(node));

	ago = ago * 1000000 / (u64)(1000000 + node->clock_drift);
	return sim.trace.now - MIN(ago, sim.trace.now);
}

void
record_drain(struct sim_node *node)
{
	u32 index = node_index(node);
	const struct trace_ring *ring = rings[index];
	u32 piece[2] = { index, ring ? (u32)(ring->head - written[index]) : 0 };

	if (!out || !piece[1])
		return;
	ASSERT(piece[1] <= RECORD_EVENTS);
	fwrite(piece, sizeof(piece), 1, out);
	for (; written[index] < ring->head; written[index]++) {
		struct trace_event event = ring->at[written[index] & ring->mask];

		event.time_ns = simulated(node, event.time_ns);
		fwrite(&event, sizeof(event), 1, out);
	}
}

void
record_end(void)
{
	for (u32 i = 0; out && i < sim.nodes; i++)
		record_drain(&sim.node[i]);
	if (out && fclose(out))
		fprintf(stderr, "sim: the file of the trace is not whole\n");
	out = NULL;
}
