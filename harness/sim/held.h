// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The remote capabilities that a node's environments hold, and the environments
// themselves.

#include "harness/sim/sim.h"

// What an operation names: the numbers that go out, and what the model knows of
// them.
struct target {
	struct rcap_remote remote;
	u32 owner, owner_boot;
	u32 row;		// AUTHORITY_NONE: the numbers were made up
	struct held *held;	// whose numbers they are, or nearly; NULL: a service
};

// New environments with no capabilities, each with an open endpoint.
void
held_boot(struct sim_node *node);

// An environment ends, and another takes its place.
void
held_restart(struct sim_node *node, u32 env);

// Forgets what is of dead nodes, and some of what is of silent ones.
void
held_forget_dead(struct sim_node *node, u32 env);

// Word has come of who has left for good: what is of theirs is given up.
void
held_forget_departed(struct sim_node *node);

// An environment holds it no more.
void
held_give_up(struct sim_node *node, struct held *held);

// Chooses what the next operation of an environment names: mostly what it holds,
// sometimes what another one does, or what nobody does. False: there is nothing.
bool
held_choose(struct sim_node *node, u32 env, struct target *target);

// The service of an environment of another node. False: it is not known yet.
bool
held_service(struct sim_node *node, u32 other, struct target *target);

// Exactly what it holds there.
void
held_target(const struct sim_node *node, struct held *held, struct target *target);

// Any capability of an environment, or NULL.
struct held *
held_any(struct sim_env *env);

// What an operation that is done leaves of a capability.
void
held_narrow(struct sim_node *node, const struct model_op *op);
