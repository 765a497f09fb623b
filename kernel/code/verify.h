// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The verifier's workspace, and what its files share.

#include "kernel/code/code.h"
#include "kernel/code/state.h"

// Places that are jumped to from before them and not walked yet, at most.
#define PENDING_MAX 48u

struct code_verifier {
	const struct code_type *type;
	const struct code_insn *text;
	u32 count;
	u32 steps;		// walked so far
	u32 at;			// instruction that `now` stands before
	bool begun;
	bool done;
	u16 id_last;
	struct code_refusal refusal;
	struct state now;
	struct state aside;	// of the other side of a jump
	u8 pending_of[CODE_INSNS_MAX];	// 0, or index in `pending` + 1
	u8 second[CODE_INSNS_MAX];	// second half of a 64-bit immediate
	// Of the target of backward jumps the furthest of them, else 0.
	u16 loop_end[CODE_INSNS_MAX];
	struct pending {
		bool used;
		u32 insn;
		struct state state;
	} pending[PENDING_MAX];
};

// Every instruction by itself: that there is one like it, its registers, fields and
// the target of its jump. Fills `second` and `loop_end`. Of what is refused v->at says
// where.
must_check enum code_reason
code_shape(struct code_verifier *v);

// One instruction that is not a jump, on v->now.
must_check enum code_reason
code_step(struct code_verifier *v, const struct code_insn *insn);

// A call, on v->now.
must_check enum code_reason
code_step_call(struct code_verifier *v, u32 helper);

// Both sides of a conditional jump; *taken and *falls say which can be. The state of
// the side that jumps is left in v->aside.
must_check enum code_reason
code_step_test(struct code_verifier *v, const struct code_insn *insn,
	       bool *taken, bool *falls);
