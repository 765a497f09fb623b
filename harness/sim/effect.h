// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The parts of the oracle to each other: model.c judges answers, effect.c what changed,
// pieces.c of that what one message writes in several places, delegation.c what became
// of capabilities, terms.c what an operation needs.

#include "harness/sim/model.h"

// ---- terms.c: what an operation needs

// NULL for an operation without a row of authority.
const struct authority_cap *
model_cap(const struct model *model, const struct model_op *op);

bool
model_same_party(const struct party *a, const struct party *b);
bool
model_is_holder(const struct model *model, const struct model_op *op);
bool
model_has_type(const struct model *model, const struct model_op *op);
bool
model_is_aligned(const struct model_op *op);

// With what is left of rights and range from `at` on.
bool
model_in_range(const struct model *model, const struct model_op *op, u64 at);
bool
model_has_rights(const struct model *model, const struct model_op *op, u64 at);

// The row that an EXPEL or PROTECT is about; AUTHORITY_NONE: it may not name that.
u32
model_named(const struct model *model, const struct model_op *op);

// Where an operation's bytes are in its node's store.
u64
model_target(const struct model *model, const struct model_op *op);

struct store *
model_store(const struct model *model, u32 node, enum model_store kind);

// Is what a refusal says true, or was it at some moment of the operation?
bool
model_reason_holds(const struct model *model, const struct model_op *op,
		   enum model_reason reason);

// ---- model.c

// Which clause of an MCAS is the first that matches a word; NO_CLAUSE: none.
u8
model_first_match(const struct model_op *op, const u64 word[2]);

// ---- effect.c

// NULL when an operation may have its effect now.
const char *
model_forbidden(const struct model *model, const struct model_op *op);

// It has it, and no bytes changed.
void
model_happened(struct model *model, u32 op);

// Old operations that nothing can come of any more are not searched any more.
void
model_forget_ended(struct model *model);

// A BLOCK_FLUSH was answered: what had been answered before it is on the disk.
void
model_durable(const struct model *model, const struct model_op *op);

// ---- pieces.c: PUTV

// Are the bytes that differ all of its effect, in this node's pages?
bool
pieces_explain(const struct model *model, const struct model_op *op,
	       const struct store *store, const struct difference *d);

// All of it is so from now on.
void
pieces_accept(struct model *model, const struct model_op *op, struct store *store);

// ---- delegation.c

// Do the two the same thing, so that nobody can tell whose effect it was?
bool
model_twins(const struct model *model, const struct model_op *a,
	    const struct model_op *b);
void
model_swap_taken(struct model *model, u32 op, u64 told);

// Was a ticket like this one redeemed, or so many later ones that its owner forgot?
bool
model_may_be_spent(const struct model *model, const struct model_op *op);

void
model_judge_holders(const struct model *model, u32 op,
		    const struct model_answer *answer);
