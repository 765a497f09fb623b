// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// One operation, drawn: as the core is asked for it, and as the model knows it.

#include "harness/sim/held.h"

struct operation {
	struct rcap_submit submit;
	struct model_op op;
};

// Something that a capability is for; now and then something that it is not.
void
operation_draw(struct sim_node *node, u32 env, const struct target *target,
	       struct operation *o);

// It gives up what it holds.
void
operation_drop(struct sim_node *node, u32 env, const struct target *target,
	       struct operation *o);

// A message to a service.
void
operation_message(struct sim_node *node, u32 env, const struct target *target,
		  struct operation *o);

// A plain read of the first bytes.
void
operation_probe(struct sim_node *node, u32 env, const struct target *target,
		struct operation *o);

// Fills the memory that an operation writes from.
void
operation_fill(const struct model_op *op, u32 index, u8 *memory);

// Bytes of its memory that belong to it; whether it writes from there.
u32
operation_memory(const struct model_op *op);
bool
operation_writes(enum model_kind kind);

enum model_reason
operation_reason(u8 code);
