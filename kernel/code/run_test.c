// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/code/run_rig.c kernel/code/arith.c kernel/code/verify.c
// links: kernel/code/shape.c kernel/code/step.c kernel/code/state.c
// links: kernel/code/range.c kernel/code/compile.c
// links: harness/testing/host_assert.c
//
// What each instruction means: a table with the results that RFC 9669 demands,
// written out as numbers, for every operation, width, and operand form. Each row
// runs in the interpreter and as compiled code.

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "kernel/base/assert.h"
#include "kernel/code/program_rig.h"
#include "kernel/code/verify_rig.h"

#define NATIVE_SIZE 65536u

static struct code_verifier *verifier;

static struct code_program
accept(const struct code_insn *text, u32 count)
{
	struct code_program program;
	struct code_refusal refusal;

	if (!code_verify(verifier, &rig_type, text, count, &program, &refusal))
		fail_msg("refused at %u: %u", refusal.insn, refusal.reason);
	return program;
}

static void
compile(struct code_program *program, void **memory)
{
	static u32 place[CODE_INSNS_MAX];
	size_t size = code_compiled_size(program, place);

	assert_true(size <= NATIVE_SIZE);
	*memory = mmap(NULL, NATIVE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(*memory != MAP_FAILED);
	code_compile(program, place, *memory, size);
	assert_int_equal(mprotect(*memory, NATIVE_SIZE, PROT_READ | PROT_EXEC), 0);
	program->native = (u64 (*)(void *, void *))*memory;
}

// Runs on fresh memory, in both ways, and compares.
static u64
run(const struct code_insn *text, u32 count, u64 a, u64 b)
{
	struct code_program program = accept(text, count);
	u8 input[RIG_INPUT], output[2][RIG_OUTPUT] = { { 0 }, { 0 } };
	u64 seen[2] = { 1, 1 };
	struct rig_context context[2];
	u64 result[2];
	void *memory;

	for (u32 i = 0; i < RIG_INPUT; i++)
		input[i] = (u8)(0x81 + i * 17);
	for (u32 i = 0; i < 2; i++)
		context[i] = (struct rig_context){ input, output[i], a, b, 10, 0 };
	result[0] = code_interpret(&program, &context[0], &seen[0]);
	compile(&program, &memory);
	result[1] = program.native(&seen[1], &context[1]);
	munmap(memory, NATIVE_SIZE);
	assert_true(result[0] == result[1]);
	assert_true(seen[0] == seen[1]);
	assert_true(context[0].answer == context[1].answer);
	assert_memory_equal(output[0], output[1], RIG_OUTPUT);
	return result[0];
}

#define MINUS(n) (0ull - (n))
#define MIN64 0x8000000000000000ull
#define MIN32 0x80000000ull
#define LOW 0xffffffffull

struct row {
	struct code_insn insn;	// on r2 = a, r3 = b
	u64 a, b;
	u64 result;		// in r2
};

static const struct row rows[] = {
	{ ALU(ADD, 2, 3), ~0ull, 2, 1 },
	{ ALUI(ADD, 2, -1), 5, 0, 4 },
	{ ALU32(ADD, 2, 3), 0xffffffffffffffffull, 2, 1 },
	{ ALUI32(ADD, 2, -1), 0, 0, LOW },
	{ ALU(SUB, 2, 3), 1, 2, ~0ull },
	{ ALUI(SUB, 2, -1), 5, 0, 6 },
	{ ALU32(SUB, 2, 3), 1, 2, LOW },
	{ ALUI32(SUB, 2, 7), 0x100000003ull, 0, 0xfffffffcull },
	{ ALU(MUL, 2, 3), 0x100000001ull, 0x100000001ull, 0x200000001ull },
	{ ALUI(MUL, 2, -3), 7, 0, MINUS(21) },
	{ ALU32(MUL, 2, 3), 0x10001, 0x10001, 0x20001 },
	{ ALUI32(MUL, 2, -3), 7, 0, 0xffffffebull },
	{ ALU(DIV, 2, 3), ~0ull, 10, 0x1999999999999999ull },
	{ ALU(DIV, 2, 3), 77, 0, 0 },
	{ ALUI(DIV, 2, -1), ~0ull, 0, 1 },
	{ ALUI(DIV, 2, 0), 9, 0, 0 },
	{ ALU32(DIV, 2, 3), 0xf00000064ull, 0xf0000000aull, 10 },
	{ ALU32(DIV, 2, 3), 0x100000064ull, 0x100000000ull, 0 },
	{ ALUI32(DIV, 2, -1), LOW, 0, 1 },
	{ ALUO(DIV, 2, 3, 1), MINUS(13), 3, MINUS(4) },
	{ ALUO(DIV, 2, 3, 1), MIN64, ~0ull, MIN64 },
	{ ALUO(DIV, 2, 3, 1), MINUS(13), 0, 0 },
	{ ALUO32(DIV, 2, 3, 1), 0xfffffff3ull, 3, 0xfffffffcull },
	{ ALUO32(DIV, 2, 3, 1), MIN32, LOW, MIN32 },
	{ ALUO32(DIV, 2, 3, 1), 5, 0x500000000ull, 0 },
	{ INSN(0x37, 2, 0, 1, -3), MINUS(13), 0, 4 },
	{ INSN(0x34, 2, 0, 1, -3), 13, 0, 0xfffffffcull },
	{ ALU(MOD, 2, 3), ~0ull, 10, 5 },
	{ ALU(MOD, 2, 3), 0x123456789aull, 0, 0x123456789aull },
	{ ALUI(MOD, 2, 7), 100, 0, 2 },
	{ ALUI(MOD, 2, 0), 0xf00000001ull, 0, 0xf00000001ull },
	{ ALU32(MOD, 2, 3), 0xf00000064ull, 7, 2 },
	{ ALU32(MOD, 2, 3), 0xf00000064ull, 0x100000000ull, 100 },
	{ ALUI32(MOD, 2, 0), 0xf00000064ull, 0, 100 },
	{ ALUO(MOD, 2, 3, 1), MINUS(13), 3, MINUS(1) },
	{ ALUO(MOD, 2, 3, 1), 13, MINUS(3), 1 },
	{ ALUO(MOD, 2, 3, 1), MIN64, ~0ull, 0 },
	{ ALUO(MOD, 2, 3, 1), MINUS(13), 0, MINUS(13) },
	{ ALUO32(MOD, 2, 3, 1), 0xfffffff3ull, 3, LOW },
	{ ALUO32(MOD, 2, 3, 1), MIN32, LOW, 0 },
	{ INSN(0x97, 2, 0, 1, -3), MINUS(13), 0, MINUS(1) },
	{ INSN(0x94, 2, 0, 1, -1), MIN32, 0, 0 },
	{ ALU(OR, 2, 3), 0xf0, 0x0f0000000000ull, 0x0f00000000f0ull },
	{ ALUI(OR, 2, -16), 3, 0, 0xfffffffffffffff3ull },
	{ ALU32(OR, 2, 3), 0xf000000f0ull, 0x0f, 0xff },
	{ ALUI32(OR, 2, -16), 3, 0, 0xfffffff3ull },
	{ ALU(AND, 2, 3), 0xff00ff00ff00ull, 0xf0f0f0f0f0f0ull, 0xf000f000f000ull },
	{ ALUI(AND, 2, -16), ~0ull, 0, 0xfffffffffffffff0ull },
	{ ALU32(AND, 2, 3), ~0ull, ~0ull, LOW },
	{ ALUI32(AND, 2, -16), ~0ull, 0, 0xfffffff0ull },
	{ ALU(XOR, 2, 3), ~0ull, 0xff, 0xffffffffffffff00ull },
	{ ALUI(XOR, 2, -1), 0xff, 0, 0xffffffffffffff00ull },
	{ ALU32(XOR, 2, 3), ~0ull, 0xff, 0xffffff00ull },
	{ ALUI32(XOR, 2, -1), 0xff, 0, 0xffffff00ull },
	{ ALU(LSH, 2, 3), 1, 63, MIN64 },
	{ ALU(LSH, 2, 3), 1, 65, 2 },
	{ ALUI(LSH, 2, 36), 3, 0, 0x3000000000ull },
	{ ALU32(LSH, 2, 3), 3, 31, MIN32 },
	{ ALU32(LSH, 2, 3), 3, 33, 6 },
	{ ALU32(LSH, 2, 3), ~0ull, 32, LOW },
	{ ALUI32(LSH, 2, 0), ~0ull, 0, LOW },
	{ ALUI32(LSH, 2, 4), 0xf1234567ull, 0, 0x12345670ull },
	{ ALU(RSH, 2, 3), MIN64, 63, 1 },
	{ ALU(RSH, 2, 3), 8, 64 + 2, 2 },
	{ ALUI(RSH, 2, 32), 0x1234567800000000ull, 0, 0x12345678 },
	{ ALU32(RSH, 2, 3), 0xfff0000080ull, 36, 0xf000008 },
	{ ALUI32(RSH, 2, 31), ~0ull, 0, 1 },
	{ ALU(ARSH, 2, 3), MIN64, 63, ~0ull },
	{ ALU(ARSH, 2, 3), MIN64, 64 + 60, 0xfffffffffffffff8ull },
	{ ALUI(ARSH, 2, 1), 6, 0, 3 },
	{ ALU32(ARSH, 2, 3), MIN32, 31, LOW },
	{ ALU32(ARSH, 2, 3), 0xf00000040ull, 35, 8 },
	{ ALUI32(ARSH, 2, 4), 0x80000000ull, 0, 0xf8000000ull },
	{ ALUI(NEG, 2, 0), 1, 0, ~0ull },
	{ ALUI(NEG, 2, 0), MIN64, 0, MIN64 },
	{ ALUI32(NEG, 2, 0), 0xf00000001ull, 0, LOW },
	{ ALU(MOV, 2, 3), 1, ~0ull, ~0ull },
	{ ALUI(MOV, 2, -2), 1, 0, MINUS(2) },
	{ ALU32(MOV, 2, 3), 1, ~0ull, LOW },
	{ ALUI32(MOV, 2, -2), 1, 0, 0xfffffffeull },
	{ ALUO(MOV, 2, 3, 8), 0, 0x1280, 0xffffffffffffff80ull },
	{ ALUO(MOV, 2, 3, 8), 0, 0x127f, 0x7f },
	{ ALUO(MOV, 2, 3, 16), 0, 0x128000, 0xffffffffffff8000ull },
	{ ALUO(MOV, 2, 3, 32), 0, 0x1280000000ull, 0xffffffff80000000ull },
	{ ALUO32(MOV, 2, 3, 8), 0, 0x1280, 0xffffff80ull },
	{ ALUO32(MOV, 2, 3, 16), 0, 0x128000, 0xffff8000ull },
	{ TO_LITTLE(2, 16), 0x123456789abcdef0ull, 0, 0xdef0 },
	{ TO_LITTLE(2, 32), 0x123456789abcdef0ull, 0, 0x9abcdef0ull },
	{ TO_LITTLE(2, 64), 0x123456789abcdef0ull, 0, 0x123456789abcdef0ull },
	{ TO_BIG(2, 16), 0x123456789abcdef0ull, 0, 0xf0de },
	{ TO_BIG(2, 32), 0x123456789abcdef0ull, 0, 0xf0debc9aull },
	{ TO_BIG(2, 64), 0x123456789abcdef0ull, 0, 0xf0debc9a78563412ull },
	{ SWAP(2, 16), 0x123456789abcdef0ull, 0, 0xf0de },
	{ SWAP(2, 32), 0x123456789abcdef0ull, 0, 0xf0debc9aull },
	{ SWAP(2, 64), 0x123456789abcdef0ull, 0, 0xf0debc9a78563412ull },
};

// The operation once on the registers as they are, and once on every other pair,
// so that no register of the processor is special.
static void
check_row(u32 index, u8 target, u8 operand)
{
	const struct row *row = &rows[index];
	struct code_insn insn = row->insn;
	u8 source = insn.registers >> 4 ? operand : 0;
	const struct code_insn text[] = {
		ALU(MOV, 9, 1),
		LOAD(8, target, 9, 16),
		LOAD(8, operand, 9, 24),
		INSN(insn.opcode, target, source, insn.offset, insn.immediate),
		ALU(MOV, 0, target),
		EXIT,
	};
	u64 result = run(text, sizeof(text) / sizeof(text[0]), row->a, row->b);

	if (result != row->result)
		fail_msg("row %u, r%u and r%u: 0x%llx, not 0x%llx", index, target,
			 operand, (unsigned long long)result,
			 (unsigned long long)row->result);
}

static void
arithmetic(void **state)
{
	(void)state;
	for (u32 i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (u8 target = 0; target < 9; target++) {
			u8 operand = (u8)((target + 1 + i % 8) % 9);

			check_row(i, target, operand);
		}
	}
}

struct test {
	u8 op;
	bool wide;
	u64 a, b;
	bool holds;
};

#define T(op, a, b, holds) { CODE_##op, true, a, b, holds }
#define T32(op, a, b, holds) { CODE_##op, false, a, b, holds }

static const struct test tests[] = {
	T(JEQ, 5, 5, true), T(JEQ, 5, 0x100000005ull, false),
	T32(JEQ, 5, 0x100000005ull, true), T32(JEQ, 5, 6, false),
	T(JNE, 5, 0x100000005ull, true), T(JNE, 5, 5, false),
	T32(JNE, 5, 0x100000005ull, false), T32(JNE, 5, 6, true),
	T(JGT, ~0ull, 1, true), T(JGT, 5, 5, false),
	T32(JGT, LOW, 1, true), T32(JGT, 0x100000000ull, 1, false),
	T(JGE, 5, 5, true), T(JGE, 4, 5, false),
	T32(JGE, 0x100000005ull, 5, true), T32(JGE, 0x100000004ull, 5, false),
	T(JLT, 1, ~0ull, true), T(JLT, 5, 5, false),
	T32(JLT, 0x100000000ull, 1, true), T32(JLT, LOW, 1, false),
	T(JLE, 5, 5, true), T(JLE, 6, 5, false),
	T32(JLE, 0x100000005ull, 5, true), T32(JLE, 6, 5, false),
	T(JSGT, 1, ~0ull, true), T(JSGT, MIN64, 0, false),
	T32(JSGT, 1, LOW, true), T32(JSGT, MIN32, 0, false),
	T(JSGE, ~0ull, ~0ull, true), T(JSGE, ~0ull, 0, false),
	T32(JSGE, LOW, ~0ull, true), T32(JSGE, LOW, 0, false),
	T(JSLT, ~0ull, 0, true), T(JSLT, 0, MIN64, false),
	T32(JSLT, LOW, 0, true), T32(JSLT, 0, MIN32, false),
	T(JSLE, MIN64, 0, true), T(JSLE, 1, 0, false),
	T32(JSLE, MIN32, MIN32, true), T32(JSLE, 1, LOW, false),
	T(JSET, 0xf0, 0x1f, true), T(JSET, 0xf0, 0x0f, false),
	T32(JSET, 0x100000001ull, 1, true),
	T32(JSET, 0x100000000ull, 0x100000000ull, false),
};

static void
check_test(u32 index, bool immediate)
{
	const struct test *t = &tests[index];
	u32 class = t->wide ? CODE_JMP : CODE_JMP32;
	const struct code_insn text[] = {
		LOAD(8, 2, 1, 16),
		LOAD(8, 3, 1, 24),
		ALUI(MOV, 0, 1),
		immediate ? INSN(t->op << 4 | class, 2, 0, 1, (u32)t->b)
			  : INSN(t->op << 4 | CODE_SOURCE | class, 2, 3, 1, 0),
		ALUI(MOV, 0, 0),
		EXIT,
	};
	u64 result = run(text, sizeof(text) / sizeof(text[0]), t->a, t->b);

	if (result != t->holds)
		fail_msg("test %u: %u", index, (u32)result);
}

static void
jumps(void **state)
{
	(void)state;
	for (u32 i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		u64 b = tests[i].b;

		check_test(i, false);
		if (!tests[i].wide || (u64)(i64)(i32)b == b)
			check_test(i, true);
	}
}

// input[i] is 0x81 + 17 i: the bytes from 8 on are 09 1a 2b 3c 4d 5e 6f 80.
static void
loads(void **state)
{
	static const struct {
		struct code_insn insn;
		u64 result;
	} row[] = {
		{ LOAD(1, 0, 4, 8), 0x09 },
		{ LOAD(2, 0, 4, 8), 0x1a09 },
		{ LOAD(4, 0, 4, 8), 0x3c2b1a09 },
		{ LOAD(8, 0, 4, 8), 0x806f5e4d3c2b1a09ull },
		{ LOAD(4, 0, 4, 11), 0x6f5e4d3c },
		{ LOADX(1, 0, 4, 15), 0xffffffffffffff80ull },
		{ LOADX(1, 0, 4, 14), 0x6f },
		{ LOADX(2, 0, 4, 14), 0xffffffffffff806full },
		{ LOADX(4, 0, 4, 12), 0xffffffff806f5e4dull },
		{ LOADX(4, 0, 4, 8), 0x3c2b1a09 },
	};

	(void)state;
	for (u32 i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct code_insn text[] = {
			LOAD(8, 4, 1, 0), row[i].insn, EXIT,
		};
		u64 result = run(text, 3, 0, 0);

		if (result != row[i].result)
			fail_msg("row %u: 0x%llx", i, (unsigned long long)result);
	}
}

static void
stores(void **state)
{
	static const struct {
		struct code_insn insn;
		u64 result;	// of the 8 bytes 11 22 .. 88
	} row[] = {
		{ STORE(1, 10, -8, 3), 0x88776655443322aaull },
		{ STORE(2, 10, -8, 3), 0x887766554433bbaaull },
		{ STORE(4, 10, -8, 3), 0x88776655ddccbbaaull },
		{ STORE(8, 10, -8, 3), 0x4433221eddccbbaaull },
		{ STORE(2, 10, -5, 3), 0x887766bbaa332211ull },
		{ STOREI(1, 10, -8, -2), 0x88776655443322feull },
		{ STOREI(2, 10, -8, -2), 0x887766554433fffeull },
		{ STOREI(4, 10, -8, -2), 0x88776655fffffffeull },
		{ STOREI(8, 10, -8, -2), 0xfffffffffffffffeull },
	};

	(void)state;
	for (u32 i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct code_insn text[] = {
			WIDE(2, 0x8877665544332211ull),
			WIDE(3, 0x4433221eddccbbaaull),
			STORE(8, 10, -8, 2),
			row[i].insn,
			LOAD(8, 0, 10, -8),
			EXIT,
		};
		u64 result = run(text, 8, 0, 0);

		if (result != row[i].result)
			fail_msg("row %u: 0x%llx", i, (unsigned long long)result);
	}
}

static void
far_goto(void **state)
{
	static const struct code_insn text[] = {
		ALUI(MOV, 0, 1),
		INSN(CODE_JA << 4 | CODE_JMP32, 0, 0, 0, 1),
		ALUI(MOV, 0, 2),
		EXIT,
	};

	(void)state;
	assert_true(run(text, 4, 0, 0) == 1);
}

// Arguments arrive in order, registers from r6 on survive, loops loop.
static void
calls(void **state)
{
	static const struct code_insn text[] = {
		ALU(MOV, 6, 1),
		ALUI(MOV, 7, 0),
		ALUI(MOV, 8, 0),
		ALUI(MOV, 1, 1),	// 3: again
		ALUI(MOV, 2, 2),
		ALUI(MOV, 3, 3),
		ALUI(MOV, 4, 4),
		ALU(MOV, 5, 7),
		CALL(RIG_MIX),
		ALU(ADD, 8, 0),
		ALUI(ADD, 7, 1),
		JUMPI(JNE, 7, 5, -9),
		STORE(8, 10, -16, 8),
		STORE(8, 10, -8, 7),
		ALU(MOV, 1, 10),
		ALUI(ADD, 1, -16),
		ALUI(MOV, 2, 16),
		CALL(RIG_SUM),
		ALU(ADD, 0, 8),
		STORE(8, 6, 40, 0),
		EXIT,
	};
	u64 seen = 1, sum = 0;

	(void)state;
	for (u64 i = 0; i < 5; i++)
		sum += rig_mix(&seen, 1, 2, 3, 4, i);

	u64 bytes[2] = { sum, 5 };

	sum += rig_sum(&seen, (uintptr_t)bytes, 16, 0, 0, 0);
	assert_true(run(text, 21, 0, 0) == sum);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(arithmetic), cmocka_unit_test(jumps),
		cmocka_unit_test(loads), cmocka_unit_test(stores),
		cmocka_unit_test(far_goto), cmocka_unit_test(calls),
	};
	int failed;

	verifier = malloc(code_verifier_size());
	assert_non_null(verifier);
	failed = cmocka_run_group_tests(all, NULL, NULL);
	free(verifier);
	return failed;
}
