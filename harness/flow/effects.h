// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Operations whose effects can be told apart, under faults: see effects.c.

#include "harness/flow/flow.h"

struct effects {
	u64 operations;		// that were done, of all kinds
	u64 written, read, added, swapped;
	u64 doubled;		// an effect that was there twice, or out of nothing
	u64 missing;		// an effect that was not there
	u64 corrupt;		// bytes that nobody wrote there
};

// Runs `operations` of two requesters (nodes 1 and 2) at one owner (node 0), and looks
// at each effect. The rig must have begun, with faults set or not.
void
effects_run(u64 operations, u64 limit, struct effects *found);
