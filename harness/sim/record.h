// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The traces of the nodes' cores, in a file for harness/trace: the events that a kernel
// keeps in its exported table, all of them, on the clock of the simulation. One seed a
// file; without a file nothing is kept.

#include "harness/sim/sim.h"

// Opens the file, before the seed. False: it cannot be written.
must_check bool
record_open(const char *path);

// A seed begins: who the nodes are.
void
record_begin(u32 nodes);

// Where a node's cores put their events; NULL: wherever they like.
struct trace_ring *
record_ring(u32 node);

// Writes what a node's cores have put since the last time. At least once in
// RECORD_EVENTS events, and before its clock is another.
void
record_drain(struct sim_node *node);

// The run has ended, well or not: what is still there.
void
record_end(void);
