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

// Fields that an instruction has. The others are zero.
enum fields {
	WRITES = 1,		// a target that is written
	TARGET = 2,		// one that is only read
	SOURCE = 4,
	IMMEDIATE = 8,
	OFFSET = 16,
};

static enum code_reason
check_fields(const struct code_insn *insn, u32 has)
{
	u32 last = has & WRITES ? WRITABLE : READABLE;
	bool target = has & (WRITES | TARGET), source = has & SOURCE;

	if ((target && code_target(insn) > last) ||
	    (source && code_operand(insn) > READABLE))
		return CODE_REGISTER;
	if ((!target && code_target(insn)) || (!source && code_operand(insn)) ||
	    (!(has & IMMEDIATE) && insn->immediate) ||
	    (!(has & OFFSET) && insn->offset))
		return CODE_RESERVED;
	return CODE_FINE;
}

// The second operand is a register or the immediate.
static u32
operand(const struct code_insn *insn)
{
	return insn->opcode & CODE_SOURCE ? SOURCE : IMMEDIATE;
}

// Arithmetic has offsets for signed division, and for moves that extend a sign.
static bool
offset_fits(const struct code_insn *insn, enum code_alu op)
{
	bool wide = code_class(insn) == CODE_ALU64;
	i16 offset = insn->offset;

	if (op == CODE_DIV || op == CODE_MOD)
		return offset == 0 || offset == 1;
	if (op == CODE_MOV && (insn->opcode & CODE_SOURCE))
		return offset == 0 || offset == 8 || offset == 16 ||
		       (offset == 32 && wide);
	return offset == 0;
}

static enum code_reason
check_alu(const struct code_insn *insn)
{
	enum code_alu op = insn->opcode >> 4;
	bool source = insn->opcode & CODE_SOURCE;
	i32 bits = insn->immediate;

	if (op >= CODE_ALU_COUNT)
		return CODE_OPCODE;
	if (op == CODE_NEG)
		return source ? CODE_OPCODE : check_fields(insn, WRITES);
	if (op == CODE_END) {
		if ((code_class(insn) == CODE_ALU64 && source) ||
		    (bits != 16 && bits != 32 && bits != 64))
			return CODE_OPCODE;
		return check_fields(insn, WRITES | IMMEDIATE);
	}
	return offset_fits(insn, op)
		       ? check_fields(insn, WRITES | OFFSET | operand(insn))
		       : CODE_RESERVED;
}

static enum code_reason
check_call(const struct code_insn *insn)
{
	if (code_class(insn) != CODE_JMP || (insn->opcode & CODE_SOURCE))
		return CODE_OPCODE;
	if (code_operand(insn))
		return code_operand(insn) == 1 ? CODE_LOCAL_CALL : CODE_HELPER;
	return check_fields(insn, IMMEDIATE);
}

static enum code_reason
check_jump(const struct code_insn *insn)
{
	enum code_jump op = insn->opcode >> 4;
	bool wide = code_class(insn) == CODE_JMP;

	if (op >= CODE_JUMP_COUNT)
		return CODE_OPCODE;
	if (op == CODE_CALL)
		return check_call(insn);
	if (op != CODE_EXIT && op != CODE_JA)
		return check_fields(insn, TARGET | OFFSET | operand(insn));
	if (insn->opcode & CODE_SOURCE || (op == CODE_EXIT && !wide))
		return CODE_OPCODE;
	return check_fields(insn, op == CODE_EXIT ? 0 : wide ? OFFSET : IMMEDIATE);
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
	return insn[1].registers || insn[1].offset
		       ? CODE_RESERVED : check_fields(insn, WRITES | IMMEDIATE);
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
	return check_fields(insn, OFFSET | (load ? WRITES : TARGET) |
				  (class == CODE_ST ? IMMEDIATE : SOURCE));
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

enum code_reason
code_shape(struct code_verifier *v)
{
	enum code_reason reason = CODE_FINE;

	if (v->count == 0 || v->count > CODE_INSNS_MAX)
		return CODE_EMPTY;
	for (u32 i = 0; i < v->count && !reason; i++) {
		v->at = i;
		v->second[i] = i && !v->second[i - 1] &&
			       v->text[i - 1].opcode == CODE_WIDE;
		v->loop_end[i] = 0;
		v->pending_of[i] = 0;
		if (!v->second[i])
			reason = check_insn(v, i);
	}
	for (u32 i = 0; i < v->count && !reason; i++) {
		v->at = i;
		if (!v->second[i])
			reason = check_flow(v, i);
	}
	return reason;
}
