// SPDX-License-Identifier: BSD-2-Clause
// Undefined behaviour in the kernel: what the compiler calls where its checks
// (-fsanitize=undefined) fail. Each is a report with the place in the source and
// a panic; none returns.
//
// Every structure that the compiler passes begins with the place, or (invalid
// builtins, alignment) has it there too; nothing else of it is looked at.

#include "harness/checked/checked.h"

struct place {
	const char *file;
	u32 line;
	u32 column;
};

noreturn_ static void
undefined(const char *what, const struct place *at)
{
	checked_report("ubsan: %s at %s:%u:%u", what, at->file, at->line,
		       at->column);
}

#define FATAL(name, what) \
	noreturn_ void __ubsan_handle_##name(const struct place *at); \
	void __ubsan_handle_##name(const struct place *at) \
	{ undefined(what, at); }
#define HANDLER(name, what) FATAL(name##_abort, what)
HANDLER(type_mismatch_v1, "null, misaligned or too small an object")
HANDLER(out_of_bounds, "index out of bounds")
HANDLER(shift_out_of_bounds, "shift out of bounds")
HANDLER(add_overflow, "signed addition overflows")
HANDLER(sub_overflow, "signed subtraction overflows")
HANDLER(mul_overflow, "signed multiplication overflows")
HANDLER(negate_overflow, "signed negation overflows")
HANDLER(divrem_overflow, "division by zero, or overflows")
HANDLER(load_invalid_value, "load of an invalid value")
FATAL(builtin_unreachable, "unreachable code")
FATAL(missing_return, "function without a return")
HANDLER(vla_bound_not_positive, "array without a length")
HANDLER(pointer_overflow, "pointer arithmetic overflows")
HANDLER(invalid_builtin, "invalid argument of a builtin")
HANDLER(nonnull_arg, "null argument")
HANDLER(nonnull_return_v1, "null result")
HANDLER(alignment_assumption, "misaligned pointer")
