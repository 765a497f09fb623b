// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Polite requests between nodes: an owner asks for one capability back or for units of
// it, its holder gives them up or does not.
//
//   V1  a request is over when its deadline has come, whoever is dead or cut off
//   V2  what is reported as taken was the holder's until then, and is not any more
//   V3  nobody is asked for what it was not granted, nor told that something is gone
//       which is not
//   V4  who lives and lost something by force is told so, or counted as untold

#include "harness/sim/sim.h"

void
recall_boot(struct sim_node *node);

// Asks one of those who hold something of this node's.
void
recall_begin(struct sim_node *node);

// At the end: V4.
void
recall_account(const struct sim_node *node);

// Is this node of the tree being taken by the core at this moment?
bool
recall_takes(const struct sim_node *node, u32 tree_node);
