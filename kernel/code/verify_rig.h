// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Verification in one piece, for who has all the time: tests, and the tools of the host.

#include "kernel/code/code.h"

// Returns whether the program was accepted; *refusal says why not.
must_check static inline bool
code_verify(struct code_verifier *v, const struct code_type *type,
	    const struct code_insn *text, u32 count,
	    struct code_program *program, struct code_refusal *refusal)
{
	bool accepted;

	code_verify_begin(v, type, text, count);
	accepted = code_verify_go(v, ~0u) == CODE_ACCEPTED;
	*refusal = code_refused(v);
	if (accepted)
		*program = code_verified(v);
	return accepted;
}
