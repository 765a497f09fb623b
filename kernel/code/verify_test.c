// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/code/verify.c kernel/code/shape.c kernel/code/step.c
// links: kernel/code/state.c kernel/code/range.c kernel/code/arith.c
// links: harness/testing/host_assert.c
//
// What the verifier accepts, and what it refuses, where and why: at least one
// program for each sentence of code_refusals.def (the last test counts them).

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/base/assert.h"
#include "kernel/code/program_rig.h"
#include "kernel/code/verify_rig.h"

#define BRANCHES 60u

static struct code_verifier *verifier;
static bool seen[CODE_REASON_COUNT];

static struct code_refusal
verdict(const struct code_insn *text, u32 count, u32 *steps)
{
	struct code_program program = { 0 };
	struct code_refusal refusal;
	bool ok = code_verify(verifier, &rig_type, text, count, &program, &refusal);

	assert_true(ok == (refusal.reason == CODE_FINE));
	seen[refusal.reason] = true;
	*steps = program.steps;
	return refusal;
}

#define COUNT(text) (u32)(sizeof(text) / sizeof((text)[0]))
#define REFUSED(why, where, ...) do { \
	const struct code_insn text[] = { __VA_ARGS__ }; \
	u32 walked_; \
	struct code_refusal r = verdict(text, COUNT(text), &walked_); \
	if (r.reason != (why) || r.insn != (where)) \
		fail_msg("line %d: instruction %u, reason %u", __LINE__, r.insn, \
			 r.reason); \
} while (0)
#define ACCEPTED(walked, ...) do { \
	const struct code_insn text[] = { __VA_ARGS__ }; \
	u32 walked_; \
	struct code_refusal r = verdict(text, COUNT(text), &walked_); \
	if (r.reason != CODE_FINE || walked_ != (walked)) \
		fail_msg("line %d: instruction %u, reason %u, %u steps", __LINE__, \
			 r.insn, r.reason, walked_); \
} while (0)

static void
shape(void **state)
{
	u32 steps;

	(void)state;
	assert_int_equal(verdict(NULL, 0, &steps).reason, CODE_EMPTY);
	assert_int_equal(verdict(NULL, CODE_INSNS_MAX + 1, &steps).reason, CODE_EMPTY);
	REFUSED(CODE_OPCODE, 0, INSN(0xe7, 0, 0, 0, 0), EXIT);
	REFUSED(CODE_OPCODE, 0, INSN(0xe5, 0, 0, 0, 0), EXIT);
	REFUSED(CODE_OPCODE, 0, INSN(0x8f, 0, 0, 0, 0), EXIT);	// -= by register
	REFUSED(CODE_OPCODE, 0, TO_LITTLE(0, 8), EXIT);
	REFUSED(CODE_OPCODE, 0, INSN(0xdf, 0, 0, 0, 16), EXIT);
	REFUSED(CODE_OPCODE, 0, LOADX(8, 0, 10, -8), EXIT);
	REFUSED(CODE_OPCODE, 0, INSN(0x18, 0, 0, 0, 0));
	REFUSED(CODE_OPCODE, 0, INSN(0x96, 0, 0, 0, 0), EXIT);	// exit of JMP32
	REFUSED(CODE_ATOMIC, 1, ALUI(MOV, 1, 0), INSN(0xdb, 10, 1, -8, 0), EXIT);
	REFUSED(CODE_PACKET, 0, INSN(0x30, 0, 0, 0, 12), EXIT);
	REFUSED(CODE_OBJECT, 0, INSN(0x18, 1, 1, 0, 3), INSN(0, 0, 0, 0, 0), EXIT);
	REFUSED(CODE_LOCAL_CALL, 0, INSN(0x85, 0, 1, 0, 1), EXIT, EXIT);
	REFUSED(CODE_HELPER, 0, INSN(0x85, 0, 2, 0, 1), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(CODE_EXIT << 4 | CODE_JMP, 0, 0, 1, 0));
	REFUSED(CODE_RESERVED, 0, INSN(CODE_END << 4 | CODE_ALU, 0, 0, 1, 16), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0x0f, 1, 2, 0, 1), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0x07, 1, 2, 0, 1), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0x07, 1, 0, 1, 1), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0x3f, 1, 2, 2, 0), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0xb7, 1, 0, 8, 0), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0xbc, 1, 2, 32, 0), EXIT);
	REFUSED(CODE_RESERVED, 0, INSN(0x95, 0, 0, 0, 1));
	REFUSED(CODE_REGISTER, 0, ALUI(MOV, 10, 0), EXIT);
	REFUSED(CODE_REGISTER, 0, ALUI(MOV, 11, 0), EXIT);
	REFUSED(CODE_REGISTER, 0, ALU(MOV, 0, 12), EXIT);
	REFUSED(CODE_REGISTER, 0, LOAD(8, 10, 1, 0), EXIT);
	REFUSED(CODE_TARGET, 0, GOTO(5), EXIT);
	REFUSED(CODE_TARGET, 0, GOTO(-2), EXIT);
	REFUSED(CODE_TARGET, 0, GOTO(1), WIDE(1, 2), EXIT);
	REFUSED(CODE_END_MISSING, 0, ALUI(MOV, 0, 0));
	REFUSED(CODE_END_MISSING, 1, ALUI(MOV, 0, 0), JUMPI(JEQ, 0, 0, -2));
}

static void
registers(void **state)
{
	(void)state;
	ACCEPTED(2, ALUI(MOV, 0, 0), EXIT);
	REFUSED(CODE_UNSET, 0, EXIT);
	REFUSED(CODE_UNSET, 0, ALUI(ADD, 0, 1), EXIT);
	REFUSED(CODE_UNSET, 0, ALU(MOV, 0, 7), EXIT);
	REFUSED(CODE_UNSET, 0, TO_BIG(3, 16), EXIT);
	REFUSED(CODE_UNSET, 0, JUMPI(JEQ, 0, 0, 0), EXIT);
	REFUSED(CODE_UNSET, 0, STORE(8, 10, -8, 0), EXIT);
	REFUSED(CODE_UNSET, 0, LOAD(8, 0, 4, 0), EXIT);
	// Set on one path only; r1 to r5 are gone after a call.
	REFUSED(CODE_UNSET, 4, LOAD(8, 2, 1, 16), JUMPI(JEQ, 2, 0, 1),
		ALUI(MOV, 0, 1), ALUI(MOV, 2, 1), ALUI(ADD, 0, 0), EXIT);
	REFUSED(CODE_UNSET, 5, LOAD(8, 2, 1, 16), JUMPI(JEQ, 2, 0, 2),
		ALUI(MOV, 0, 1), GOTO(1), ALUI(MOV, 2, 1), ALUI(ADD, 0, 0), EXIT);
	REFUSED(CODE_UNSET, 6, ALUI(MOV, 1, 1), ALUI(MOV, 2, 1), ALUI(MOV, 3, 1),
		ALUI(MOV, 4, 1), ALUI(MOV, 5, 1), CALL(RIG_MIX), ALU(MOV, 0, 5),
		EXIT);
}

static void
stack(void **state)
{
	(void)state;
	ACCEPTED(4, STOREI(4, 10, -8, 1), STOREI(4, 10, -4, 1), LOAD(8, 0, 10, -8),
		 EXIT);
	REFUSED(CODE_UNSET_STACK, 1, STOREI(4, 10, -8, 1), LOAD(8, 0, 10, -8), EXIT);
	REFUSED(CODE_UNSET_STACK, 1, STOREI(4, 10, -8, 1), LOAD(1, 0, 10, -4), EXIT);
	REFUSED(CODE_OUTSIDE, 0, STOREI(1, 10, 0, 1), EXIT);
	REFUSED(CODE_OUTSIDE, 0, STOREI(8, 10, -7, 1), EXIT);
	REFUSED(CODE_OUTSIDE, 0, STOREI(1, 10, -257, 1), EXIT);
	ACCEPTED(3, STOREI(1, 10, -256, 1), LOAD(1, 0, 10, -256), EXIT);
	// Written on one path only.
	REFUSED(CODE_UNSET_STACK, 3, LOAD(8, 2, 1, 16), JUMPI(JEQ, 2, 0, 1),
		STOREI(8, 10, -8, 1), LOAD(1, 0, 10, -8), EXIT);
	REFUSED(CODE_UNSET_STACK, 5, LOAD(8, 2, 1, 16), JUMPI(JEQ, 2, 0, 2),
		STOREI(8, 10, -8, 1), GOTO(1), ALUI(MOV, 0, 0),
		LOAD(1, 0, 10, -8), EXIT);
	// Somewhere in four bytes: then none of them is sure to be written.
	REFUSED(CODE_UNSET_STACK, 5, LOAD(8, 2, 1, 16), ALUI(AND, 2, 3),
		ALU(MOV, 3, 10), ALU(ADD, 3, 2), STOREI(1, 3, -8, 1),
		LOAD(1, 0, 10, -8), EXIT);
	ACCEPTED(7, LOAD(8, 2, 1, 16), ALUI(AND, 2, 3), STOREI(8, 10, -8, 1),
		 ALU(MOV, 3, 10), ALU(ADD, 3, 2), LOAD(1, 0, 3, -8), EXIT);
	REFUSED(CODE_OUTSIDE, 5, LOAD(8, 2, 1, 16), ALUI(AND, 2, 15),
		STOREI(8, 10, -8, 1), ALU(MOV, 3, 10), ALU(ADD, 3, 2),
		LOAD(1, 0, 3, -8), EXIT);
}

static void
pointers(void **state)
{
	(void)state;
	REFUSED(CODE_POINTER_LEAKS, 1, ALU(MOV, 0, 10), EXIT);
	REFUSED(CODE_POINTER_LEAKS, 6, ALU(MOV, 6, 1), ALUI(MOV, 1, 0),
		ALUI(MOV, 2, 0), ALUI(MOV, 3, 0), ALU(MOV, 4, 6), ALUI(MOV, 5, 0),
		CALL(RIG_MIX), EXIT);
	REFUSED(CODE_POINTER_MATHS, 0, ALUI(MUL, 1, 2), EXIT);
	REFUSED(CODE_POINTER_MATHS, 0, ALU32(MOV, 0, 1), EXIT);
	REFUSED(CODE_POINTER_MATHS, 0, ALUI32(ADD, 1, 2), EXIT);
	REFUSED(CODE_POINTER_MATHS, 0, ALUI(NEG, 1, 0), EXIT);
	REFUSED(CODE_POINTER_MATHS, 0, TO_BIG(1, 64), EXIT);
	REFUSED(CODE_POINTER_MATHS, 1, ALUI(MOV, 2, 5), ALU(SUB, 2, 1), EXIT);
	REFUSED(CODE_POINTER_MATHS, 0, ALU(SUB, 1, 10), EXIT);
	ACCEPTED(4, ALU(MOV, 0, 10), ALUI(ADD, 0, -8), ALU(SUB, 0, 10), EXIT);
	REFUSED(CODE_POINTER_TEST, 0, JUMPI(JEQ, 1, 0, 0), EXIT);
	REFUSED(CODE_POINTER_TEST, 0, JUMP(JEQ, 1, 10, 0), EXIT);
	REFUSED(CODE_POINTER_TEST, 1, ALU(MOV, 2, 10), JUMP(JSET, 2, 10, 0), EXIT);
	REFUSED(CODE_POINTER_TEST, 2, ALU(MOV, 2, 10), ALUI(ADD, 2, 1),
		JUMP(JLT, 2, 10, 0), EXIT);
	// Which region lies before which, and where one lies, is nobody's to know.
	REFUSED(CODE_POINTER_TEST, 2, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 8),
		JUMP(JLT, 2, 3, 0), EXIT);
	REFUSED(CODE_POINTER_TEST, 1, LOAD(8, 2, 1, 0), JUMPI(JGT, 2, 5, 0), EXIT);
	REFUSED(CODE_POINTER_TEST, 2, ALU(MOV, 2, 10), ALUI(ADD, 2, -8),
		JUMP32(JLT, 2, 10, 0), EXIT);
	REFUSED(CODE_POINTER_STORED, 1, LOAD(8, 2, 1, 8), STORE(8, 2, 0, 1), EXIT);
	REFUSED(CODE_POINTER_STORED, 0, STORE(4, 10, -8, 1), EXIT);
	REFUSED(CODE_POINTER_STORED, 0, STORE(8, 10, -12, 1), EXIT);
	REFUSED(CODE_POINTER_STORED, 0, STORE(8, 1, 40, 1), EXIT);
	REFUSED(CODE_POINTER_READ, 1, STORE(8, 10, -8, 1), LOAD(4, 0, 10, -8), EXIT);
	REFUSED(CODE_POINTER_READ, 2, STORE(8, 10, -8, 1), STOREI(1, 10, -8, 0),
		LOAD(8, 0, 10, -8), EXIT);
	REFUSED(CODE_POINTER_READ, 0, LOAD(4, 0, 1, 0), EXIT);
	ACCEPTED(5, STORE(8, 10, -8, 1), LOAD(8, 2, 10, -8), LOAD(8, 3, 2, 0),
		 LOAD(1, 0, 3, 63), EXIT);
	// A pointer here, a number there; two regions.
	REFUSED(CODE_POINTER_READ, 4, LOAD(8, 2, 1, 16), ALUI(MOV, 0, 0),
		JUMPI(JEQ, 2, 0, 1), ALU(MOV, 0, 1), ALUI(ADD, 0, 0), EXIT);
	REFUSED(CODE_POINTER_READ, 5, LOAD(8, 2, 1, 16), LOAD(8, 3, 1, 0),
		JUMPI(JEQ, 2, 0, 1), LOAD(8, 3, 1, 8), ALUI(MOV, 0, 0),
		LOAD(1, 0, 3, 0), EXIT);
	REFUSED(CODE_NO_POINTER, 1, ALUI(MOV, 2, 4096), LOAD(8, 0, 2, 0), EXIT);
	REFUSED(CODE_NO_POINTER, 1, ALUI(MOV, 2, 4096), STOREI(8, 2, 0, 0), EXIT);
}

static void
regions(void **state)
{
	(void)state;
	ACCEPTED(3, LOAD(8, 2, 1, 0), LOAD(8, 0, 2, 56), EXIT);
	REFUSED(CODE_OUTSIDE, 1, LOAD(8, 2, 1, 0), LOAD(8, 0, 2, 57), EXIT);
	REFUSED(CODE_OUTSIDE, 1, LOAD(8, 2, 1, 0), LOAD(1, 0, 2, -1), EXIT);
	REFUSED(CODE_OUTSIDE, 1, LOAD(8, 2, 1, 8), STOREI(4, 2, 37, 0), EXIT);
	REFUSED(CODE_READ_ONLY, 1, LOAD(8, 2, 1, 0), STOREI(1, 2, 0, 0), EXIT);
	// An index, tested or not, from a field or with its bound.
	REFUSED(CODE_OUTSIDE, 3, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 16), ALU(ADD, 2, 3),
		LOAD(1, 0, 2, 0), EXIT);
	ACCEPTED(7, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 16), ALUI(MOV, 0, 0),
		 JUMPI(JGT, 3, 63, 2), ALU(ADD, 2, 3), LOAD(1, 0, 2, 0), EXIT);
	REFUSED(CODE_OUTSIDE, 5, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 16),
		ALUI(MOV, 0, 0), JUMPI(JGT, 3, 64, 2), ALU(ADD, 2, 3),
		LOAD(1, 0, 2, 0), EXIT);
	REFUSED(CODE_OUTSIDE, 5, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 16),
		ALUI(MOV, 0, 0), JUMPI(JSGT, 3, 63, 2), ALU(ADD, 2, 3),
		LOAD(1, 0, 2, 0), EXIT);
	// The field's own bound is 64: one too many, but for what comes before.
	REFUSED(CODE_OUTSIDE, 3, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 32), ALU(ADD, 2, 3),
		LOAD(1, 0, 2, 0), EXIT);
	ACCEPTED(7, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 32), ALUI(MOV, 0, 0),
		 JUMPI(JEQ, 3, 0, 2), ALU(ADD, 2, 3), LOAD(1, 0, 2, -1), EXIT);
	// A test of a copy that something was subtracted from (1 <= r3 <= 64).
	ACCEPTED(9, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 16), ALUI(MOV, 0, 0),
		 ALU(MOV, 4, 3), ALUI(ADD, 4, -65), JUMPI(JLT, 4, -64, 2),
		 ALU(ADD, 2, 3), LOAD(1, 0, 2, -1), EXIT);
	ACCEPTED(9, LOAD(8, 2, 1, 0), LOAD(4, 3, 1, 16), ALUI(MOV, 0, 0),
		 ALU32(MOV, 4, 3), ALUI32(ADD, 4, -65), JUMPI32(JLT, 4, -64, 2),
		 ALU(ADD, 2, 3), LOAD(1, 0, 2, -1), EXIT);
	REFUSED(CODE_OUTSIDE, 7, LOAD(8, 2, 1, 0), LOAD(8, 3, 1, 16),
		ALUI(MOV, 0, 0), ALU(MOV, 4, 3), ALUI32(ADD, 4, -65),
		JUMPI32(JLT, 4, -64, 2), ALU(ADD, 2, 3), LOAD(1, 0, 2, -1), EXIT);
}

static void
context(void **state)
{
	(void)state;
	ACCEPTED(2, LOAD(2, 0, 1, 18), EXIT);
	ACCEPTED(3, STOREI(8, 1, 40, 7), ALUI(MOV, 0, 0), EXIT);
	REFUSED(CODE_FIELD, 0, LOAD(8, 0, 1, 40), EXIT);	// to write only
	REFUSED(CODE_FIELD, 0, LOAD(8, 0, 1, 48), EXIT);
	REFUSED(CODE_FIELD, 0, LOAD(8, 0, 1, 20), EXIT);	// across two
	REFUSED(CODE_FIELD, 0, LOAD(8, 0, 1, -8), EXIT);
	REFUSED(CODE_FIELD, 3, LOAD(8, 2, 1, 16), ALUI(AND, 2, 1), ALU(ADD, 1, 2),
		LOAD(1, 0, 1, 16), EXIT);
	REFUSED(CODE_READ_ONLY, 0, STOREI(8, 1, 16, 7), EXIT);
	REFUSED(CODE_READ_ONLY, 0, STOREI(8, 1, 0, 7), EXIT);
	REFUSED(CODE_FIELD, 0, STOREI(8, 1, 48, 7), EXIT);
}

static void
calls(void **state)
{
	(void)state;
	REFUSED(CODE_HELPER, 0, CALL(0), EXIT);
	REFUSED(CODE_HELPER, 0, CALL(3), EXIT);
	REFUSED(CODE_HELPER, 0, CALL(-1), EXIT);
	ACCEPTED(4, LOAD(8, 1, 1, 0), ALUI(MOV, 2, 64), CALL(RIG_SUM), EXIT);
	REFUSED(CODE_OUTSIDE, 2, LOAD(8, 1, 1, 0), ALUI(MOV, 2, 65), CALL(RIG_SUM),
		EXIT);
	REFUSED(CODE_ARGUMENT_KIND, 1, ALUI(MOV, 2, 8), CALL(RIG_SUM), EXIT);
	REFUSED(CODE_ARGUMENT_KIND, 2, ALUI(MOV, 1, 0), ALUI(MOV, 2, 8),
		CALL(RIG_SUM), EXIT);
	REFUSED(CODE_ARGUMENT_KIND, 2, LOAD(8, 1, 1, 0), ALU(MOV, 2, 10),
		CALL(RIG_SUM), EXIT);
	REFUSED(CODE_UNSET_STACK, 3, ALU(MOV, 1, 10), ALUI(ADD, 1, -8),
		ALUI(MOV, 2, 8), CALL(RIG_SUM), EXIT);
	REFUSED(CODE_POINTER_READ, 4, ALU(MOV, 1, 10), ALUI(ADD, 1, -8),
		STORE(8, 10, -8, 1), ALUI(MOV, 2, 8), CALL(RIG_SUM), EXIT);
	// The result is bounded by the helper's promise.
	ACCEPTED(8, LOAD(8, 6, 1, 0), LOAD(8, 1, 1, 0), ALUI(MOV, 2, 4),
		 CALL(RIG_SUM), ALUI(RSH, 0, 10), ALU(ADD, 6, 0), LOAD(1, 0, 6, 0),
		 EXIT);
}

// Each iteration counts: 1 + 2 + 10 * 2 + 1.
static void
loops(void **state)
{
	(void)state;
	ACCEPTED(22, ALUI(MOV, 0, 0), ALUI(ADD, 0, 1), JUMPI(JNE, 0, 10, -2), EXIT);
	// Up to a number that is not known exactly, over a region.
	ACCEPTED(4 + 4 * 64 + 1, ALUI(MOV, 0, 0), LOAD(8, 2, 1, 0),
		 LOAD(8, 3, 1, 32), JUMP(JGE, 0, 3, 4), LOAD(1, 4, 2, 0),
		 ALUI(ADD, 2, 1), ALUI(ADD, 0, 1), JUMP(JLT, 0, 3, -4), EXIT);
	// Two jumps back to one head (`continue`): an iteration is still one.
	ACCEPTED(1 + 19 * 6 + 3 + 1, ALUI(MOV, 0, 0), LOAD(8, 2, 1, 16),
		 ALUI(ADD, 0, 1), JUMPI(JEQ, 0, 20, 3), JUMPI(JEQ, 2, 5, -4),
		 ALUI(MOV, 3, 1), GOTO(-6), EXIT);
	// For ever, or as far as anybody can tell.
	REFUSED(CODE_STEPS, 0, GOTO(-1), EXIT);
	REFUSED(CODE_STEPS, 2, ALUI(MOV, 0, 0), ALUI(ADD, 0, 2),
		JUMPI(JNE, 0, 9, -2), EXIT);
	REFUSED(CODE_STEPS, 1, LOAD(8, 0, 1, 16), JUMPI(JNE, 0, 0, -1), EXIT);
}

// A type whose results are small; and more places pending than there is room for.
static void
limits(void **state)
{
	struct code_type small = rig_type;
	struct code_insn text[2 * BRANCHES + 2];
	struct code_program program;
	struct code_refusal refusal;
	u32 count = 0, steps;

	(void)state;
	small.result_max = 7;
	text[0] = ALUI(MOV, 0, 8);
	text[1] = EXIT;
	assert_false(code_verify(verifier, &small, text, 2, &program, &refusal));
	assert_int_equal(refusal.reason, CODE_RESULT);
	seen[CODE_RESULT] = true;
	text[0] = ALUI(MOV, 0, 7);
	assert_true(code_verify(verifier, &small, text, 2, &program, &refusal));

	text[count++] = LOAD(8, 0, 1, 16);
	for (u32 i = 0; i < BRANCHES; i++)
		text[count++] = JUMPI(JEQ, 0, (i32)i, BRANCHES);
	for (u32 i = 0; i <= BRANCHES; i++)
		text[count++] = EXIT;
	assert_int_equal(verdict(text, count, &steps).reason, CODE_BRANCHES);
}

// Every sentence was given at least once.
static void
all_reasons(void **state)
{
	(void)state;
	for (u32 i = 0; i < CODE_REASON_COUNT; i++) {
		if (!seen[i])
			fail_msg("no program was refused with reason %u", i);
	}
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(shape), cmocka_unit_test(registers),
		cmocka_unit_test(stack), cmocka_unit_test(pointers),
		cmocka_unit_test(regions), cmocka_unit_test(context),
		cmocka_unit_test(calls), cmocka_unit_test(loops),
		cmocka_unit_test(limits), cmocka_unit_test(all_reasons),
	};
	int failed;

	verifier = malloc(code_verifier_size());
	assert_non_null(verifier);
	failed = cmocka_run_group_tests(all, NULL, NULL);
	free(verifier);
	return failed;
}
