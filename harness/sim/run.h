// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One seed from beginning to end: nodes boot, work under faults (safety), then
// with none (liveness), and everything is accounted for.

#include "harness/sim/faults.h"
#include "harness/sim/felt.h"
#include "harness/sim/model.h"
#include "harness/sim/network.h"
#include "net/wire/points.h"

struct run_options {
	u64 seed;
	u32 nodes_least, nodes_most;	// the seed draws between them
	struct fault_choice choice;
	const char *nodes_text, *faults_text;	// as they were given
	u32 planted;		// enum net_bug
	bool idle;		// environments do nothing
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
	u64 felt[FELT_COUNT];	// what nodes felt of them
	u64 effects;
	u64 given, taken;	// of what owners asked for
	u64 copies;		// that came under leases
	u64 copies_timed, copies_refused, copies_given;	// and how those ended
	u64 histories;		// of registers, judged...
	u64 history_ops;	// ...and their operations
	u64 history_longest;
	u64 settle_ns;		// from the heal until all was answered
	u64 sessions;		// begun, by either side
	u64 checks;		// of all invariants of a node's cores
	u64 marks[MARK_COUNT];	// how often each rare path was taken
	u64 points[POINT_COUNT];	// how often each fault point fired
	struct network_counts frames;
};

// Runs a seed. Returns only when nothing was wrong; else the process prints why,
// how to see it again and the end of the time-line, and ends with status 1.
void
run_seed(const struct run_options *options, struct run_result *result);
