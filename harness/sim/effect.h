// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The two halves of the oracle, model.c and effect.c, to each other.

#include "harness/sim/model.h"

u32
model_rights(enum model_kind kind);

// NULL for an operation without a row of authority.
const struct authority_cap *
model_cap(const struct model *model, const struct model_op *op);

bool
model_is_holder(const struct model *model, const struct model_op *op);
bool
model_in_range(const struct model *model, const struct model_op *op);
bool
model_has_rights(const struct model *model, const struct model_op *op);
bool
model_has_type(const struct model *model, const struct model_op *op);

// Where an operation's bytes are in its node's store.
u64
model_target(const struct model *model, const struct model_op *op);

struct store *
model_store(const struct model *model, u32 node, enum model_store kind);

// Which clause of an MCAS is the first that matches a word; NO_CLAUSE: none.
u8
model_first_match(const struct model_op *op, const u64 word[2]);

// A BLOCK_FLUSH was answered: what had been answered before it is on the disk.
void
model_durable(const struct model *model, const struct model_op *op);
