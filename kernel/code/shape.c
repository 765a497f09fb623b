// SPDX-License-Identifier: BSD-2-Clause
// The first look at a program: each instruction by itself. Tables say what is an
// instruction; what the verifier does not walk (it proves that it is not reached)
// has been through here, so the interpreter and the compiler meet no other ones.

#include "kernel/code/arith.h"
#include "kernel/code/verify.h"

#define MODE_ABSOLUTE 0x20u
#define MODE_INDIRECT 0x40u
#define WRITABLE 9u		// the last register that may be written
#define READABLE 10u

// Which offsets an operation of arithmetic has.
enum offsets {
	ZERO,
	SIGNED,			// 1: signed
	EXTEND,			// 8, 16, 32: sign extension, of registers
};

static const u8 alu_offsets[CODE_ALU_COUNT] = {
	[CODE_DIV] = SIGNED, [CODE_MOD] = SIGNED, [CODE_MOV] = EXTEND,
};

static bool
offset_fits(const struct code_insn *insn, enum code_alu op)
{
	bool wide = code_class(insn) == CODE_ALU64;

	if (insn->offset == 0)
		return true;
	switch (alu_offsets[op]) {
	case SIGNED:
		return insn->offset == 1;
	case EXTEND:
		return (insn->opcode & CODE_SOURCE) &&
		       (insn->offset == 8 || insn->offset == 16 ||
			(insn->offset == 32 && wide));
	default:
		return false;
	}
}

// The operand is the source register or the immediate; the other one is zero.
static enum code_reason
check_operand(const struct code_insn *insn)
{
	if (insn->opcode & CODE_SOURCE) {
		if (code_operand(insn) > READABLE)
			return CODE_REGISTER;
		return insn->immediate ? CODE_RESERVED : CODE_FINE;
	}
	return code_operand(insn) ? CODE_RESERVED : CODE_FINE;
}

static enum code_reason
check_turn(const struct code_insn *insn)
{
	i32 bits = insn->immediate;

	if (code_class(insn) == CODE_ALU64 && (insn->opcode & CODE_SOURCE))
		return CODE_OPCODE;
	if (bits != 16 && bits != 32 && bits != 64)
		return CODE_OPCODE;
	return code_operand(insn) || insn->offset ? CODE_RESERVED : CODE_FINE;
}

static enum code_reason
check_alu(const struct code_insn *insn)
{
	enum code_alu op = insn->opcode >> 4;

	if (op >= CODE_ALU_COUNT)
		return CODE_OPCODE;
	if (code_target(insn) > WRITABLE)
		return CODE_REGISTER;
	if (op == CODE_END)
		return check_turn(insn);
	if (op == CODE_NEG) {
		if (insn->opcode & CODE_SOURCE)
			return CODE_OPCODE;
		if (insn->immediate)
			return CODE_RESERVED;
	}
	if (!offset_fits(insn, op))
		return CODE_RESERVED;
	return check_operand(insn);
}

static enum code_reason
check_call(const struct code_insn *insn)
{
	if (code_class(insn) != CODE_JMP || (insn->opcode & CODE_SOURCE))
		return CODE_OPCODE;
	if (code_operand(insn) == 1)
		return CODE_LOCAL_CALL;
	if (code_operand(insn))
		return CODE_HELPER;
	return insn->registers || insn->offset ? CODE_RESERVED : CODE_FINE;
}

static enum code_reason
check_jump(const struct code_insn *insn)
{
	enum code_jump op = insn->opcode >> 4;
	bool wide = code_class(insn) == CODE_JMP;

	if (op >= CODE_JUMP_COUNT)
		return CODE_OPCODE;
	switch (op) {
	case CODE_CALL:
		return check_call(insn);
	case CODE_EXIT:
		if (!wide || (insn->opcode & CODE_SOURCE))
			return CODE_OPCODE;
		return insn->registers || insn->offset || insn->immediate
			       ? CODE_RESERVED : CODE_FINE;
	case CODE_JA:
		if (insn->opcode & CODE_SOURCE)
			return CODE_OPCODE;
		return insn->registers || (wide ? insn->immediate : insn->offset)
			       ? CODE_RESERVED : CODE_FINE;
	default:
		return code_target(insn) > READABLE ? CODE_REGISTER
						    : check_operand(insn);
	}
}

static enum code_reason
check_wide(const struct code_insn *insn, bool last)
{
	u32 mode = insn->opcode & CODE_MODE_MASK;

	if (mode == MODE_ABSOLUTE || mode == MODE_INDIRECT)
		return CODE_PACKET;
	if (insn->opcode != CODE_WIDE || last || insn[1].opcode)
		return CODE_OPCODE;
	if (code_operand(insn))
		return CODE_OBJECT;
	if (code_target(insn) > WRITABLE)
		return CODE_REGISTER;
	return insn->offset || insn[1].registers || insn[1].offset
		       ? CODE_RESERVED : CODE_FINE;
}

static enum code_reason
check_memory(const struct code_insn *insn)
{
	enum code_class class = code_class(insn);
	u32 mode = insn->opcode & CODE_MODE_MASK;
	bool load = class == CODE_LDX;

	if (class == CODE_STX && mode == CODE_MODE_ATOMIC)
		return CODE_ATOMIC;
	if (mode != CODE_MODE_MEM &&
	    !(load && mode == CODE_MODE_MEMSX && code_bytes(insn) < 8))
		return CODE_OPCODE;
	if (code_target(insn) > (load ? WRITABLE : READABLE) ||
	    code_operand(insn) > READABLE)
		return CODE_REGISTER;
	if (class == CODE_ST)
		return code_operand(insn) ? CODE_RESERVED : CODE_FINE;
	return insn->immediate ? CODE_RESERVED : CODE_FINE;
}

static enum code_reason
check_insn(const struct code_verifier *v, u32 at)
{
	const struct code_insn *insn = &v->text[at];

	switch (code_class(insn)) {
	case CODE_LD:
		return check_wide(insn, at + 1 == v->count);
	case CODE_ALU:
	case CODE_ALU64:
		return check_alu(insn);
	case CODE_JMP:
	case CODE_JMP32:
		return check_jump(insn);
	default:
		return check_memory(insn);
	}
}

// Jumps land on instructions; what is no jump has one behind it.
static enum code_reason
check_flow(struct code_verifier *v, u32 at)
{
	const struct code_insn *insn = &v->text[at];
	u32 next = at + (insn->opcode == CODE_WIDE ? 2 : 1);
	u32 target;

	if (!code_jumps(insn))
		return next < v->count || code_exits(insn) ? CODE_FINE
							   : CODE_END_MISSING;
	target = code_jump_target(insn, at);
	if (target >= v->count || v->second[target])
		return CODE_TARGET;
	if (target <= at)
		v->loop_end[target] = (u16)MAX(v->loop_end[target], at);
	return next < v->count || code_is_goto(insn) ? CODE_FINE
						     : CODE_END_MISSING;
}

static bool
refuse(struct code_verifier *v, u32 at, enum code_reason reason)
{
	v->refusal = (struct code_refusal){ .reason = reason, .insn = at };
	return false;
}

bool
code_shape(struct code_verifier *v)
{
	if (v->count == 0 || v->count > CODE_INSNS_MAX)
		return refuse(v, 0, CODE_EMPTY);
	for (u32 i = 0; i < v->count; i++) {
		enum code_reason reason = CODE_FINE;

		v->second[i] = i && !v->second[i - 1] &&
			       v->text[i - 1].opcode == CODE_WIDE;
		v->loop_end[i] = 0;
		v->pending_of[i] = 0;
		if (!v->second[i])
			reason = check_insn(v, i);
		if (reason != CODE_FINE)
			return refuse(v, i, reason);
	}
	for (u32 i = 0; i < v->count; i++) {
		enum code_reason reason = v->second[i] ? CODE_FINE
						       : check_flow(v, i);

		if (reason != CODE_FINE)
			return refuse(v, i, reason);
	}
	return true;
}
