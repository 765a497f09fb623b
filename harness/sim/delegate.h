// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Operations on capabilities themselves, drawn; and tickets, which pass from hand to
// hand without one.

#include "harness/sim/operation.h"

void
delegate_draw(struct sim_node *node, const struct target *target, struct operation *o);

// A part of what is held, for an environment of any node but its owner's.
void
delegate_part(struct sim_node *node, const struct target *target,
	      struct wire_derive *derive, struct model_op *op);

// An environment makes a ticket and passes it on, without a word to anybody.
void
ticket_make(struct sim_node *node, u32 env);

// It redeems one that it was passed, or one that it was not. False: there is none.
bool
ticket_redeem(struct sim_node *node, u32 env, struct operation *o);
