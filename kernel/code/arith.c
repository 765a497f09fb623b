// SPDX-License-Identifier: BSD-2-Clause
// The arithmetic of eBPF on numbers: what the interpreter executes, and what the
// verifier uses for numbers that it knows exactly.

#include "kernel/code/arith.h"

u64
code_turn(const struct code_insn *insn, u64 value)
{
	u32 bits = (u32)insn->immediate;
	bool turn = code_class(insn) == CODE_ALU64 || (insn->opcode & CODE_SOURCE);

	return code_low(turn ? __builtin_bswap64(value) >> (64 - bits) : value,
			bits);
}

// Quotient or remainder of two numbers of so many bits.
static u64
divide(bool remainder, bool is_signed, u64 a, u64 b, u32 bits)
{
	i64 x = (i64)code_extend(a, bits), y = (i64)code_extend(b, bits);

	if (b == 0)
		return remainder ? a : 0;
	if (!is_signed)
		return remainder ? a % b : a / b;
	if (y == -1)		// the only quotient that may not fit
		return remainder ? 0 : 0 - (u64)x;
	return (u64)(remainder ? x % y : x / y);
}

u64
code_calculate(enum code_alu op, bool wide, i16 offset, u64 a, u64 b)
{
	u32 bits = wide ? 64 : 32;
	u32 count = (u32)b & (bits - 1);
	u64 result = b;

	if (op == CODE_MOV && offset)
		return code_low(code_extend(b, (u32)offset), bits);
	a = code_low(a, bits);
	b = code_low(b, bits);
	switch (op) {
	case CODE_ADD:	result = a + b; break;
	case CODE_SUB:	result = a - b; break;
	case CODE_MUL:	result = a * b; break;
	case CODE_OR:	result = a | b; break;
	case CODE_AND:	result = a & b; break;
	case CODE_XOR:	result = a ^ b; break;
	case CODE_LSH:	result = a << count; break;
	case CODE_RSH:	result = a >> count; break;
	case CODE_NEG:	result = 0 - a; break;
	case CODE_ARSH:
		result = (u64)((i64)code_extend(a, bits) >> count);
		break;
	case CODE_DIV:
	case CODE_MOD:
		result = divide(op == CODE_MOD, offset != 0, a, b, bits);
		break;
	default:	break;		// MOV
	}
	return code_low(result, bits);
}

bool
code_holds(enum code_jump op, bool wide, u64 a, u64 b)
{
	u32 bits = wide ? 64 : 32;
	i64 x = (i64)code_extend(a, bits);
	i64 y = (i64)code_extend(b, bits);

	a = code_low(a, bits);
	b = code_low(b, bits);
	switch (op) {
	case CODE_JEQ:	return a == b;
	case CODE_JNE:	return a != b;
	case CODE_JGT:	return a > b;
	case CODE_JGE:	return a >= b;
	case CODE_JLT:	return a < b;
	case CODE_JLE:	return a <= b;
	case CODE_JSGT:	return x > y;
	case CODE_JSGE:	return x >= y;
	case CODE_JSLT:	return x < y;
	case CODE_JSLE:	return x <= y;
	case CODE_JSET:	return a & b;
	default:	return true;
	}
}
