// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Copies of what environments hold on other nodes, under leases.
//
//	C1  what is still under a lease was not taken back longer than RCAP_LEASE_NS ago,
//	    by the true time, whatever the two clocks say

#include "harness/sim/sim.h"

void
lease_boot(struct sim_node *node);

// Takes a copy of something that an environment holds, or gives one up.
void
lease_act(struct sim_node *node, u32 env);

// An environment ends, and its copies with it.
void
lease_env_ends(struct sim_node *node, u32 env);

// After a tick: copies may be read now (C1).
void
lease_check(const struct sim_node *node);
