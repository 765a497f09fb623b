// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A node's disk: a few operations at a time, each with a latency; what was
// written and not flushed is lost when the power goes.

#include "harness/sim/sim.h"

// The longest latency. With the clocks' drift it stays within the eighth of a
// lease that a requester waits longer than an owner executes; what a slower
// device would mean stands in docs/simulator.md.
#define DISK_SLOWEST_NS (30 * NS_PER_MS)

// An operation of the queue of that boot has ended.
void
disk_done(struct sim_node *node, u32 place, u32 boot);

// The node goes on: it is told what ended while it stood still.
void
disk_resume(struct sim_node *node);

// The queue is forgotten; `empty`: and what was not flushed.
void
disk_crash(struct sim_node *node, bool empty);
