// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Endpoints and services of a node's environments: messages into buffers, and a program
// that others run there.

#include "harness/sim/sim.h"

void
endpoint_open(struct sim_node *node, u32 env);
void
endpoint_close(struct sim_node *node, u32 env);

// Posts the message buffers that were used.
void
endpoint_post(struct sim_node *node);
