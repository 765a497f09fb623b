// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Programs made of arbitrary bytes, for code_fuzz.c and differ_test.c: what the
// verifier accepts runs in the interpreter and compiled, twice each, and all must
// agree: in the result, in the memory that it wrote, in what helpers saw.
//
// What each run gets differs where a verified program may not notice: the addresses
// of its memory (P4), what lay on the stack before (P3). Its regions end, or begin,
// at a page that nobody may touch (P2); the interpreter counts steps (P1).

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/base/assert.h"
#include "kernel/code/program_rig.h"
#include "kernel/code/verify_rig.h"

#define RIG_PAGE 4096u
#define RIG_NATIVE 262144u
#define RIG_RUNS 4u

struct rig_memory {
	struct rig_context *context;	// by itself on the heap
	u8 *input;
	u8 *output;
	u64 seen;
	u64 result;
};

// Bytes of that many, directly before or behind a page without access.
static u8 *
rig_fenced(u32 size, bool behind)
{
	u8 *pages = mmap(NULL, 3 * RIG_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	ASSERT(pages != MAP_FAILED);
	ASSERT(!mprotect(pages + RIG_PAGE, RIG_PAGE, PROT_READ | PROT_WRITE));
	return behind ? pages + RIG_PAGE : pages + 2 * RIG_PAGE - size;
}

static void
rig_memory_reset(struct rig_memory *m, u64 seed)
{
	for (u32 i = 0; i < RIG_INPUT; i++)
		m->input[i] = (u8)(seed >> (i % 8 * 8)) ^ (u8)(i * 29);
	memset(m->output, (int)(seed & 0x55), RIG_OUTPUT);
	m->seen = seed;
	*m->context = (struct rig_context){
		.input = m->input, .output = m->output, .a = seed,
		.b = seed * 0x9e3779b97f4a7c15ull, .length = seed % (RIG_INPUT + 1),
	};
}

// Leaves a pattern where the next call's stack will be.
static __attribute__((noinline)) void
rig_paint(u8 byte)
{
	volatile u8 below[4096];

	for (u32 i = 0; i < sizeof(below); i++)
		below[i] = byte;
}

static void
rig_compare(const struct rig_memory *a, const struct rig_memory *b)
{
	ASSERT(a->result == b->result);
	ASSERT(a->seen == b->seen);
	ASSERT(a->context->answer == b->context->answer);
	ASSERT(a->context->length == b->context->length);
	ASSERT(!memcmp(a->input, b->input, RIG_INPUT));
	ASSERT(!memcmp(a->output, b->output, RIG_OUTPUT));
}

static void
rig_run_all(const struct code_program *interpreted, u64 seed)
{
	static struct rig_memory m[RIG_RUNS];
	static u8 *native;
	static u32 place[CODE_INSNS_MAX];
	struct code_program compiled = *interpreted;
	size_t size = code_compiled_size(interpreted, place);

	for (u32 i = 0; i < RIG_RUNS && !m[i].input; i++) {
		m[i].context = malloc(sizeof(*m[i].context));
		ASSERT(m[i].context);
		m[i].input = rig_fenced(RIG_INPUT, i & 1);
		m[i].output = rig_fenced(RIG_OUTPUT, i & 1);
	}
	if (!native)
		native = mmap(NULL, RIG_NATIVE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(native != MAP_FAILED && size <= RIG_NATIVE);
	ASSERT(!mprotect(native, RIG_NATIVE, PROT_READ | PROT_WRITE));
	code_compile(interpreted, place, native, size);
	ASSERT(!mprotect(native, RIG_NATIVE, PROT_READ | PROT_EXEC));
	compiled.native = (u64 (*)(void *, void *))(uintptr_t)native;
	for (u32 i = 0; i < RIG_RUNS; i++) {
		rig_memory_reset(&m[i], seed);
		rig_paint((u8)(0xa5 + 0x31 * i));
		m[i].result = i < 2
			? code_interpret(interpreted, m[i].context, &m[i].seen)
			: compiled.native(&m[i].seen, m[i].context);
		rig_compare(&m[0], &m[i]);
	}
}

// The same verdict when it is asked for in pieces.
static void
rig_again(struct code_verifier *v, const struct code_insn *text, u32 count,
	  bool accepted, const struct code_refusal *refusal, u32 piece)
{
	enum code_verdict verdict;

	code_verify_begin(v, &rig_type, text, count);
	do
		verdict = code_verify_go(v, piece);
	while (verdict == CODE_MORE);
	ASSERT((verdict == CODE_ACCEPTED) == accepted);
	ASSERT(code_refused(v).reason == refusal->reason);
	ASSERT(code_refused(v).insn == refusal->insn);
}

// Verifies and, if accepted, runs. Returns whether it was.
static bool
rig_differ(const struct code_insn *text, u32 count, u64 seed)
{
	static struct code_verifier *v;
	struct code_program program;
	struct code_refusal refusal;
	struct code_insn *own = malloc(count ? count * sizeof(*own) : 1);
	bool accepted;

	if (!v)
		v = malloc(code_verifier_size());
	ASSERT(v && own);
	memcpy(own, text, count * sizeof(*own));
	accepted = code_verify(v, &rig_type, own, count, &program, &refusal);
	ASSERT(accepted == (refusal.reason == CODE_FINE));
	ASSERT(refusal.reason < CODE_REASON_COUNT);
	ASSERT(accepted || refusal.insn < count || refusal.reason == CODE_EMPTY);
	rig_again(v, own, count, accepted, &refusal, 1 + (u32)(seed % 7));
	if (accepted) {
		ASSERT(program.steps <= RIG_STEPS_MAX);
		rig_run_all(&program, seed);
		rig_run_all(&program, ~seed * 0x2545f4914f6cdd1dull);
	}
	free(own);
	return accepted;
}

#define RIG_BODY_MAX 96u
#define RIG_PROLOGUE_MAX 16u

// Turns arbitrary instructions into likely ones: operations that exist, registers
// and distances in range. Does not make them right.
static struct code_insn
rig_likely(struct code_insn i, u32 left)
{
	static const u8 memory[] = { CODE_LDX, CODE_LDX, CODE_ST, CODE_STX };
	static const u8 sizes[] = { SIZE_1, SIZE_2, SIZE_4, SIZE_8 };
	static const i16 offsets[] = { 0, 0, 0, 1, 8, 16, 32, -1 };
	u8 raw = i.opcode;
	u8 dst = (i.registers & 15) % 10, src = (i.registers >> 4) % 11;
	u8 source = raw & CODE_SOURCE;
	u32 op;

	switch (raw & 7) {
	case 0:
	case 1:
		op = memory[raw >> 3 & 3];
		if (op == CODE_STX || op == CODE_ST)
			dst = src % 3 ? 8 + (src & 2) : dst;
		else
			src = src % 4 ? 6 + src % 3 + (src == 10 ? 2 : 0) : src;
		return INSN(CODE_MODE_MEM | sizes[raw >> 5 & 3] | op, dst,
			    op == CODE_ST ? 0 : op == CODE_STX ? src % 10 : src,
			    i.offset % 72, op == CODE_ST ? i.immediate : 0);
	case 2:
		op = raw % CODE_JUMP_COUNT;
		if (op == CODE_CALL)
			return CALL(i.immediate % 4);
		if (op == CODE_EXIT)
			return EXIT;
		if (op == CODE_JA)
			return GOTO(i.offset % (i16)(left + 4));
		return INSN(op << 4 | source | (raw & 0x80 ? CODE_JMP : CODE_JMP32),
			    dst, source ? src : 0,
			    (i.offset & 7) ? (i32)((u16)i.offset % (left + 1))
					   : -(i.offset >> 3 & 15),
			    source ? 0 : i.immediate >> (raw >> 3));
	default:
		op = (u32)i.offset % CODE_ALU_COUNT;
		if (op == CODE_END)
			return INSN(CODE_END << 4 | source | CODE_ALU, dst, 0, 0,
				    16u << (raw >> 5) % 3);
		if (op == CODE_NEG)
			source = 0;
		return INSN(op << 4 | source | (raw & 0x80 ? CODE_ALU64 : CODE_ALU),
			    dst, source ? src : 0,
			    op == CODE_DIV || op == CODE_MOD ? i.offset >> 8 & 1 :
			    op == CODE_MOV && source ? offsets[i.offset >> 8 & 7] : 0,
			    source || op == CODE_NEG ? 0 : i.immediate >> (raw >> 3));
	}
}

// A whole program: registers and some of the stack are set, then come the likely
// forms of `data`, then an exit.
static bool
rig_likely_program(const u8 *data, size_t size, u64 seed)
{
	struct code_insn text[RIG_PROLOGUE_MAX + RIG_BODY_MAX + 2] = {
		ALU(MOV, 6, 1), LOAD(8, 7, 1, 0), LOAD(8, 8, 1, 8),
		LOAD(8, 0, 1, 16), LOAD(8, 2, 1, 24), LOAD(8, 3, 1, 32),
		LOAD(1, 4, 7, 3), ALUI(MOV, 5, 40), ALUI(MOV, 9, 3),
		STORE(8, 10, -8, 0), STORE(8, 10, -16, 3), STORE(8, 10, -24, 8),
		STORE(8, 10, -32, 4), ALUI(MOV, 1, 2),
	};
	u32 count = 14;
	u32 body = (u32)MIN(size / sizeof(text[0]), (size_t)RIG_BODY_MAX);

	for (u32 i = 0; i < body; i++) {
		struct code_insn raw;

		memcpy(&raw, data + i * sizeof(raw), sizeof(raw));
		text[count++] = rig_likely(raw, body - 1 - i);
	}
	text[count++] = ALUI32(ADD, 0, 0);
	text[count++] = EXIT;
	return rig_differ(text, count, seed);
}
