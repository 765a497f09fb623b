// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A frame that comes to a node: harness/sim/hear.c.

#include "harness/sim/sim.h"

// Gives it to the node's core, and fails the seed when it is taken and must not be.
void
hear_frame(struct sim_node *node, const struct sim_frame *frame);
