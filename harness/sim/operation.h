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

// It gives up what it was asked for.
void
operation_give_back(struct sim_node *node, u32 env, const struct target *target,
		    struct operation *o);

// A message to a service.
void
operation_message(struct sim_node *node, u32 env, const struct target *target,
		  struct operation *o);

// The plainest that its object bears.
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

// ---- for those who draw a part of them

// What both sides of an operation have in common, first and last.
void
operation_begin(struct sim_node *node, u32 env, const struct target *target,
		enum model_kind kind, struct operation *o);
void
operation_finish(struct operation *o);

// A word of the capability's pages, now and then one that is not aligned or inside; and
// what it holds now, if the guess is to be good.
u64
operation_word(const struct held *held, u32 len);
void
operation_guess(const struct target *target, u64 offset, u32 len, u64 word[2]);

// The register page, if it is among the capability's: then it is the last.
bool
operation_register(const struct held *held);

// Several pieces and a word (putv.c).
void
putv_draw(const struct target *target, struct operation *o);
