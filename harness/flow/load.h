// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who asks for what in the flow rig: a load keeps a number of operations of one kind
// under way at one owner, or begins one at a time with pauses, and notes how long each
// took.

#include "harness/flow/flow.h"

#define LOADS_MAX 1100u
#define SAMPLES_MAX 65536u

struct load {
	u32 node, held, environment;
	u8 op;
	u32 bytes;
	u32 flights;
	u32 count;		// operations in all
	u64 pause_ns;		// about, before each; 0: at once
	u8 window;		// of rcap_submit
	bool noted;		// its samples are kept
	// kept here:
	u32 begun, ended;
	u64 first_at, last_at;
};

// Forgets all loads and samples.
void
loads_clear(void);

// Adds one; it begins with loads_run().
struct load *
load_add(const struct load *load);

// Runs until all loads with a `count` have ended (those without go on for as long).
void
loads_run(u64 limit);

// Bytes in a second, of the loads that have ended.
double
loads_rate(void);

// The sample at that part of the noted ones, in nanoseconds.
u64
loads_quantile(double part);
