// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What a node exports: its derivation tree, the entries that stand for nodes of
// it, and the rows that the model has of them.

#include "harness/sim/sim.h"

// A fresh tree: each environment holds its pages and its blocks.
void
export_boot(struct sim_node *node);

// What a capability for such an object is called in a GRANT: enum wire_type.
u8
export_type(enum model_store object);

// An environment gives a part of what it has to one of another node. False when
// a table is full or the node is not known.
bool
export_grant(struct sim_node *node, u32 env, const struct authority_cap *wanted);

// Withdraws what a remote environment holds (with what came from it), or
// everything that came from an environment's own pages or blocks.
void
export_revoke(struct sim_node *node, u32 tree_node);
void
export_revoke_all(struct sim_node *node, u32 env);

// A node of the tree that a remote environment holds, of a dead one if there is
// one, or CAP_NIL.
u32
export_pick(const struct sim_node *node);

// Tells the model what was derived by messages in this step.
void
export_record(struct sim_node *node);

// Removes a few of the nodes that were withdrawn.
void
export_clean(struct sim_node *node, u32 place, u32 boot);

void
export_check(const struct sim_node *node);

// No page of a pool is in two hands (pool.c).
void
export_check_pools(const struct sim_node *node);

// After a tick: nothing that was asked for is still held behind its deadline (recall.c).
void
export_on_time(const struct sim_node *node);
