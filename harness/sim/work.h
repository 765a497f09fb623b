// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What environments do: they grant, revoke, come and go, and above all operate
// on what they were granted. All of it is drawn from the seed.

#include "harness/sim/sim.h"

void
work_boot(struct sim_node *node);

// A burst of actions.
void
work_burst(struct sim_node *node);

// Reads through every capability that is good, and writes to every node: with
// the network healed all of it has to be answered.
void
work_probe(struct sim_node *node);

void
work_cancel(struct sim_node *node, u32 op, u32 boot);

// An environment ends, and another takes its place.
void
work_env_ends(struct sim_node *node, u32 env);

// The core reports an outcome.
void
work_completed(struct sim_node *node, const struct rcap_completion *completion);

// No operation has gone unanswered longer than it may.
void
work_audit(const struct sim_node *node);
