// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Instructions by name, for tests: ALU(ADD, 1, 2) is r1 += r2, ALUI with a number;
// the 32 behind a name says that it works on 32 bits.

#include "kernel/code/code.h"

#define INSN(code, dst, src, off, imm) \
	((struct code_insn){ .opcode = (u8)(code), \
			     .registers = (u8)((dst) | (src) << 4), \
			     .offset = (i16)(off), .immediate = (i32)(imm) })
#define ALUO(op, dst, src, off) \
	INSN(CODE_##op << 4 | CODE_SOURCE | CODE_ALU64, dst, src, off, 0)
#define ALUO32(op, dst, src, off) \
	INSN(CODE_##op << 4 | CODE_SOURCE | CODE_ALU, dst, src, off, 0)
#define ALU(op, dst, src) ALUO(op, dst, src, 0)
#define ALU32(op, dst, src) ALUO32(op, dst, src, 0)
#define ALUI(op, dst, imm) INSN(CODE_##op << 4 | CODE_ALU64, dst, 0, 0, imm)
#define ALUI32(op, dst, imm) INSN(CODE_##op << 4 | CODE_ALU, dst, 0, 0, imm)
#define TO_LITTLE(dst, bits) INSN(CODE_END << 4 | CODE_ALU, dst, 0, 0, bits)
#define TO_BIG(dst, bits) \
	INSN(CODE_END << 4 | CODE_SOURCE | CODE_ALU, dst, 0, 0, bits)
#define SWAP(dst, bits) INSN(CODE_END << 4 | CODE_ALU64, dst, 0, 0, bits)
#define JUMP(op, dst, src, off) \
	INSN(CODE_##op << 4 | CODE_SOURCE | CODE_JMP, dst, src, off, 0)
#define JUMPI(op, dst, imm, off) INSN(CODE_##op << 4 | CODE_JMP, dst, 0, off, imm)
#define JUMP32(op, dst, src, off) \
	INSN(CODE_##op << 4 | CODE_SOURCE | CODE_JMP32, dst, src, off, 0)
#define JUMPI32(op, dst, imm, off) \
	INSN(CODE_##op << 4 | CODE_JMP32, dst, 0, off, imm)
#define GOTO(off) INSN(CODE_JA << 4 | CODE_JMP, 0, 0, off, 0)
#define CALL(helper) INSN(CODE_CALL << 4 | CODE_JMP, 0, 0, 0, helper)
#define EXIT INSN(CODE_EXIT << 4 | CODE_JMP, 0, 0, 0, 0)
#define WIDE(dst, value) \
	INSN(CODE_WIDE, dst, 0, 0, (u32)(value)), \
	INSN(0, 0, 0, 0, (u32)((u64)(value) >> 32))

#define SIZE_1 0x10u
#define SIZE_2 0x08u
#define SIZE_4 0x00u
#define SIZE_8 0x18u
#define LOAD(bytes, dst, src, off) \
	INSN(CODE_MODE_MEM | SIZE_##bytes | CODE_LDX, dst, src, off, 0)
#define LOADX(bytes, dst, src, off) \
	INSN(CODE_MODE_MEMSX | SIZE_##bytes | CODE_LDX, dst, src, off, 0)
#define STORE(bytes, dst, off, src) \
	INSN(CODE_MODE_MEM | SIZE_##bytes | CODE_STX, dst, src, off, 0)
#define STOREI(bytes, dst, off, imm) \
	INSN(CODE_MODE_MEM | SIZE_##bytes | CODE_ST, dst, 0, off, imm)

// The context of the type that the tests use.
struct rig_context {
	u8 *input;		// RIG_INPUT bytes, read
	u8 *output;		// RIG_OUTPUT bytes, read and written
	u64 a;			// numbers to read
	u64 b;
	u64 length;		// at most RIG_INPUT
	u64 answer;		// to write
};

#define RIG_INPUT 64u
#define RIG_OUTPUT 40u
#define RIG_RESULT_MAX ~0ull
#define RIG_STEPS_MAX 4096u

// A helper that reads bytes, and what it has read, summed up by its place.
#define RIG_SUM 1
#define RIG_MIX 2

static u64
rig_sum(void *host, u64 bytes, u64 len, u64 c, u64 d, u64 e)
{
	u64 sum = 0;

	(void)c;
	(void)d;
	(void)e;
	for (u64 i = 0; i < len; i++)
		sum = sum * 31 + ((const u8 *)(uintptr_t)bytes)[i];
	*(u64 *)host += sum;
	return sum & 0xffff;
}

// A helper that takes five numbers.
static u64
rig_mix(void *host, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	u64 *seen = host;

	*seen = *seen * 0x9e3779b97f4a7c15ull + a + 3 * b + 5 * c + 7 * d + 11 * e;
	return *seen;
}

static const struct code_field rig_fields[] = {
	{ 0, 8, CODE_MAY_READ, 0, 0 },
	{ 8, 8, CODE_MAY_READ, 1, 0 },
	{ 16, 8, CODE_MAY_READ, CODE_NUMBER, 0 },
	{ 24, 8, CODE_MAY_READ, CODE_NUMBER, 0 },
	{ 32, 8, CODE_MAY_READ, CODE_NUMBER, RIG_INPUT },
	{ 40, 8, CODE_MAY_WRITE, CODE_NUMBER, 0 },
};

static const struct code_region rig_regions[] = {
	{ RIG_INPUT, CODE_MAY_READ },
	{ RIG_OUTPUT, CODE_MAY_READ | CODE_MAY_WRITE },
};

static const struct code_helper rig_helpers[] = {
	{ rig_sum, 0xffff, { CODE_ARG_BYTES, CODE_ARG_LENGTH } },
	{ rig_mix, ~0ull, { CODE_ARG_NUMBER, CODE_ARG_NUMBER, CODE_ARG_NUMBER,
			    CODE_ARG_NUMBER, CODE_ARG_NUMBER } },
};

static const struct code_type rig_type = {
	.field = rig_fields,
	.region = rig_regions,
	.helper = rig_helpers,
	.field_count = sizeof(rig_fields) / sizeof(rig_fields[0]),
	.region_count = 2,
	.helper_count = 2,
	.steps_max = RIG_STEPS_MAX,
	.result_max = RIG_RESULT_MAX,
};
