// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One seed from beginning to end: nodes boot, work under faults (safety), then
// with none (liveness), and everything is accounted for.

#include "harness/sim/faults.h"
#include "harness/sim/model.h"
#include "harness/sim/network.h"

struct run_options {
	u64 seed;
	u32 nodes_least, nodes_most;	// the seed draws between them
	struct fault_choice choice;
	const char *nodes_text, *faults_text;	// as they were given
	u32 planted;		// enum net_bug
	bool live;		// print the time-line as it goes
};

struct run_result {
	u64 hash;
	u64 events;
	u64 virtual_ns;
	u32 nodes;
	u64 operations;
	u64 outcome[ORPHAN + 1];
	u64 answered[DO_KINDS][ORPHAN + 1];
	u64 refused[WHY_COUNT];
	u32 on;			// bit of each kind of fault that the seed has
	u64 episodes[FAULT_KINDS];
	u64 effects;
	u64 histories;		// of registers, judged...
	u64 history_ops;	// ...and their operations
	u64 history_longest;
	u64 settle_ns;		// from the heal until all was answered
	struct network_counts frames;
};

// Runs a seed. Returns only when nothing was wrong; else the process prints why,
// how to see it again and the end of the time-line, and ends with status 1.
void
run_seed(const struct run_options *options, struct run_result *result);
