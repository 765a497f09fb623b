// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Downloaded code as a sans-IO core: a verifier, a compiler, and an interpreter
// that is its oracle. No allocation: the host gives all memory.
//
// A *type* of program is what a place in the kernel offers to such code: a context
// that r1 points to, regions of memory that the context has pointers to, helpers
// that it may call, how large a result may be, how many steps it may take. The
// verifier proves for one program and one type, once, at load time:
//
//   P1  it ends after at most `steps` instructions, whatever the memory holds
//   P2  it touches nothing but its stack, fields of the context as their access
//       allows, and the regions, within their sizes
//   P3  it reads no register and no byte of the stack before writing it
//   P4  no pointer becomes a number that can be seen outside: not in memory, not
//       in a helper's argument, not in the result, which is within its range
//
// so that neither the interpreter nor the compiled code checks anything. Memory
// may change under a program (a region that an environment has mapped): whatever
// it reads there is any number.
//
// How (verify.c): the program is walked as it would run, over intervals instead of
// numbers, joining the paths that meet; of all places that are still to be walked
// the foremost comes first. A loop is walked once an iteration, so its end must be
// provable from intervals; what was walked is a bound for what will be executed.
// The walk ends when it is longer than the type's steps_max: its cost is bounded.

#include "kernel/abi/code.h"

#define CODE_REGIONS_MAX 4u
#define CODE_ARGUMENTS 5u

#define CODE_MAY_READ 1u
#define CODE_MAY_WRITE 2u

// A field of the context. A number may be read and written in parts, as its access
// says; `max` bounds one that is read whole (0: nothing is known). A pointer to a
// region is 8 bytes and only read.
#define CODE_NUMBER 0xffu
struct code_field {
	u16 offset;
	u16 size;		// bytes
	u8 access;		// CODE_MAY_*
	u8 region;		// or CODE_NUMBER
	u64 max;
};

// Memory behind a pointer of the context. Every byte of it is mapped and stays so
// while a program runs; any alignment will do.
struct code_region {
	u32 size;		// bytes
	u8 access;		// CODE_MAY_*
};

enum code_argument {
	CODE_ARG_NONE,		// whatever is there; the helper ignores it
	CODE_ARG_NUMBER,
	CODE_ARG_BYTES,		// pointer to initialised bytes; how many comes next
	CODE_ARG_LENGTH,
};

// `host` is what the program was run with. Arguments that the helper does not have may
// hold anything, pointers too.
typedef u64 code_helper_run(void *host, u64 a, u64 b, u64 c, u64 d, u64 e);

struct code_helper {
	code_helper_run *run;
	u64 result_max;		// it never returns more
	u8 argument[CODE_ARGUMENTS];	// enum code_argument
};

struct code_type {
	const struct code_field *field;
	const struct code_region *region;
	const struct code_helper *helper;	// number i + 1 in a call
	u32 field_count;
	u32 region_count;
	u32 helper_count;
	u32 steps_max;
	u64 result_max;
};

// A verified program. `text` and `type` stay as they were while it exists.
struct code_program {
	const struct code_type *type;
	const struct code_insn *text;
	u32 count;
	u32 steps;		// P1
	u64 (*native)(void *host, void *context);	// compiled
};

// Verification in bounded pieces. The workspace needs no initialisation; it may be
// used again, or given back, once the verdict is there.
enum code_verdict {
	CODE_ACCEPTED,		// code_verified() makes the program
	CODE_REFUSED,		// why: code_refused()
	CODE_MORE,		// go on
};

struct code_verifier;

// Bytes of memory, 8-aligned, that a verifier needs.
size_t
code_verifier_size(void);

// Begins with `count` instructions at `text`, which stay as they are.
void
code_verify_begin(struct code_verifier *v, const struct code_type *type,
		  const struct code_insn *text, u32 count);

// Walks at most `steps` instructions further (at least 1). The first call looks at
// each instruction once besides.
must_check enum code_verdict
code_verify_go(struct code_verifier *v, u32 steps);

struct code_refusal
code_refused(const struct code_verifier *v);

struct code_program
code_verified(const struct code_verifier *v);

// Runs a program on a context of its type, whose pointers the host has set, and
// returns its result. The interpreter is the compiler's oracle, and for hosts that
// compile nothing: it is not in the kernel.
u64
code_interpret(const struct code_program *program, void *context, void *host);

// The compiler to x86-64. First the size of the machine code, which leaves in
// `place` (count words) where each instruction begins; then the code itself, into
// exactly that many bytes, from which it may be moved: it depends on its own address
// nowhere. What it is called with and what it may use is the System V convention.
// Indirect calls go to helpers of the kernel only, and are made without retpolines. An
// instruction becomes at most CODE_NATIVE_MAX bytes, and so does what comes before them.
#define CODE_NATIVE_MAX 60u
#define CODE_COMPILED_MAX(count) (((count) + 1) * CODE_NATIVE_MAX)
size_t
code_compiled_size(const struct code_program *program, u32 *place);
void
code_compile(const struct code_program *program, u32 *place, u8 *target, size_t size);
