// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What many seeds did, all in all: added up, printed, and written for
// harness/sim/long.py, which adds up the pieces of a long run.

#include "harness/sim/run.h"

struct totals {
	u64 seeds;
	struct run_result sum;
	u64 settle_most;
	u64 least_operations;
	u64 together[FAULT_KINDS][FAULT_KINDS];	// seeds that had both kinds
	u64 marked[MARK_COUNT];			// seeds that reached it
};

void
totals_add(struct totals *totals, const struct run_result *result);

// `seconds`: how long it took, by the clock on the wall.
void
totals_print(const struct totals *totals, double seconds);

// Prints how often each mark was reached and each fault point fired. False: some
// never, and which.
must_check bool
totals_marks(const struct totals *totals);

// Writes lines "sum NAME NUMBER", "most NAME NUMBER" and "least NAME NUMBER". False
// when the file could not be written whole.
must_check bool
totals_write(const struct totals *totals, const char *path);
