// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Programs that environments have loaded: the host of kernel/code. The calls
// code_load and code_verify are declared by sys/call.h.

#include "kernel/abi/program.h"
#include "kernel/code/code.h"
#include "kernel/sys/call.h"

struct program;

// What a user of programs offers them; program.c lists these.
extern const struct code_type predicate_type;
extern const struct code_type handler_type;
extern const struct code_type invoke_type;

// Looks up a verified program of a type in a list. *node is its capability's: when that
// goes, so must what was bound with it. Returns 0, an error of a look-up, or -E_ARGUMENT
// (another type), -E_STATE (not accepted).
must_check i64
check_program(u32 list, u64 slot, enum program_type type, const struct program **program,
	      u32 *node);

// Its instructions. It was verified.
const struct code_insn *
program_text(const struct program *program, u32 *count);

// Runs it. Under the kernel lock; `context` is the kernel's.
u64
program_run(const struct program *program, void *context, void *host);

// Its root capability is gone. Whoever used it was told by the same removal.
void
program_destroy(u32 index);
