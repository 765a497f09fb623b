// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the arithmetic of RFC 9669 means, on numbers. Nothing is undefined: shifts
// take the low bits of their count, a division by zero gives 0, a remainder by zero
// the dividend; the most negative number divided by -1 is itself.

#include "kernel/abi/code.h"

static inline u8
code_target(const struct code_insn *insn)
{
	return insn->registers & 15;
}

static inline u8
code_operand(const struct code_insn *insn)
{
	return insn->registers >> 4;
}

static inline enum code_class
code_class(const struct code_insn *insn)
{
	return insn->opcode & 7;
}

// Bytes that a load or store moves.
static inline u32
code_bytes(const struct code_insn *insn)
{
	static const u8 bytes[] = { 4, 2, 1, 8 };

	return bytes[(insn->opcode & CODE_SIZE_MASK) >> 3];
}

// The low `bits` (8, 16, 32 or 64) of a number, with or without its sign.
static inline u64
code_low(u64 value, u32 bits)
{
	return value << (64 - bits) >> (64 - bits);
}

static inline u64
code_extend(u64 value, u32 bits)
{
	return (u64)((i64)(value << (64 - bits)) >> (64 - bits));
}

static inline u64
code_wide(const struct code_insn *insn)
{
	return (u32)insn[0].immediate | (u64)(u32)insn[1].immediate << 32;
}

// Conditional jumps and goto; goto alone; exit.
static inline bool
code_jumps(const struct code_insn *insn)
{
	enum code_class class = code_class(insn);
	enum code_jump op = insn->opcode >> 4;

	return (class == CODE_JMP || class == CODE_JMP32) && op != CODE_CALL &&
	       op != CODE_EXIT;
}

static inline bool
code_is_goto(const struct code_insn *insn)
{
	return code_jumps(insn) && insn->opcode >> 4 == CODE_JA;
}

static inline bool
code_exits(const struct code_insn *insn)
{
	return code_class(insn) == CODE_JMP && insn->opcode >> 4 == CODE_EXIT;
}

// Where a jump at instruction `at` goes: beyond every program when it is before the
// first. A goto of class JMP32 has its distance in the immediate.
static inline u32
code_jump_target(const struct code_insn *insn, u32 at)
{
	bool far = code_is_goto(insn) && code_class(insn) == CODE_JMP32;
	i64 target = (i64)at + 1 + (far ? insn->immediate : insn->offset);

	return target < 0 || target > CODE_INSNS_MAX ? CODE_INSNS_MAX
						     : (u32)target;
}

// END: only the low bits stay, turned round for `to big endian` and for `swap`.
u64
code_turn(const struct code_insn *insn, u64 value);

// `a op b`, on 64 bits or on the low 32 of them. `offset` is the instruction's: it
// tells signed division and sign extension. Not for END.
u64
code_calculate(enum code_alu op, bool wide, i16 offset, u64 a, u64 b);

// Does `a op b` hold? For conditional jumps.
bool
code_holds(enum code_jump op, bool wide, u64 a, u64 b);
