// SPDX-License-Identifier: BSD-2-Clause
// The compiler: one instruction after the other, each register in a register. What
// the verifier proved is not checked again. Its oracle is the interpreter: run_test.c
// instruction by instruction, code_fuzz.c on whatever the verifier accepts.
//
// r10 is the frame pointer here as there: the program's stack lies directly below
// it, the saved registers below that. rdi, r10 and r11 are free between two
// instructions; r12 holds `host`. Jumps have four bytes of distance, so that the
// size of an instruction does not depend on where it is.

#include "kernel/base/assert.h"
#include "kernel/code/arith.h"
#include "kernel/code/code.h"
#include "kernel/code/emit.h"

#define HOST R12
#define JMP 0xebu
#define JE 0x74u

// Arguments of helpers are where the convention has them, behind `host` in rdi.
static const u8 reg_of[CODE_REGISTERS] = {
	RAX, RSI, RDX, RCX, R8, R9, RBX, R13, R14, R15, RBP,
};

// `op register, register` and the extension of `op register, immediate` (0x81).
static const struct {
	u8 opcode;
	u8 extension;
} plain[CODE_ALU_COUNT] = {
	[CODE_ADD] = { 0x01, 0 }, [CODE_OR] = { 0x09, 1 }, [CODE_AND] = { 0x21, 4 },
	[CODE_SUB] = { 0x29, 5 }, [CODE_XOR] = { 0x31, 6 },
};

static const u8 shift_extension[CODE_ALU_COUNT] = {
	[CODE_LSH] = 4, [CODE_RSH] = 5, [CODE_ARSH] = 7,
};

// The condition of Jcc after CMP, or after TEST for JSET.
static const u8 condition[CODE_JUMP_COUNT] = {
	[CODE_JEQ] = 0x4, [CODE_JNE] = 0x5, [CODE_JSET] = 0x5,
	[CODE_JGT] = 0x7, [CODE_JGE] = 0x3, [CODE_JLT] = 0x2, [CODE_JLE] = 0x6,
	[CODE_JSGT] = 0xf, [CODE_JSGE] = 0xd, [CODE_JSLT] = 0xc, [CODE_JSLE] = 0xe,
};

static const u8 saved[] = { RBX, R12, R13, R14, R15 };

static void
prologue(struct emit *e)
{
	emit_byte(e, 0x55);				// push rbp
	emit_move(e, true, RBP, RSP);
	emit_registers(e, true, 0x81, 5, RSP);		// sub
	emit_number(e, CODE_STACK_SIZE, 4);
	for (u32 i = 0; i < ARRAY_SIZE(saved); i++) {
		emit_rex(e, false, 0, saved[i]);
		emit_byte(e, 0x50u | (saved[i] & 7));	// push
	}
	emit_registers(e, true, 0x83, 5, RSP);		// sub: aligns to 16
	emit_byte(e, 8);
	emit_move(e, true, HOST, RDI);
}

static void
epilogue(struct emit *e)
{
	emit_registers(e, true, 0x83, 0, RSP);		// add
	emit_byte(e, 8);
	for (u32 i = ARRAY_SIZE(saved); i-- > 0;) {
		emit_rex(e, false, 0, saved[i]);
		emit_byte(e, 0x58u | (saved[i] & 7));	// pop
	}
	emit_byte(e, 0xc9);				// leave
	emit_byte(e, 0xc3);				// ret
}

static void
load_immediate(struct emit *e, bool wide, u32 reg, i32 value)
{
	emit_registers(e, wide, 0xc7, 0, reg);
	emit_number(e, (u32)value, 4);
}

// By a register: the count is taken from cl, which is r3's.
static void
shift_by_register(struct emit *e, bool wide, u32 extension, u32 target, u32 count)
{
	u32 at = target == RCX ? R11 : target;
	bool keep = target == RCX || count != RCX;

	if (keep)
		emit_move(e, true, R11, RCX);
	if (count != RCX)
		emit_move(e, true, RCX, count);
	emit_registers(e, wide, 0xd3, extension, at);
	if (keep)
		emit_move(e, true, RCX, R11);
}

static void
shift(struct emit *e, const struct code_insn *insn, bool wide, u32 target)
{
	u32 extension = shift_extension[insn->opcode >> 4];

	if (insn->opcode & CODE_SOURCE) {
		shift_by_register(e, wide, extension, target,
				  reg_of[code_operand(insn)]);
		return;
	}
	emit_registers(e, wide, 0xc1, extension, target);
	emit_byte(e, (u32)insn->immediate & (wide ? 63 : 31));
}

// r11 divides rax; the quotient or the remainder goes to r11.
static void
divide_in_place(struct emit *e, const struct code_insn *insn, bool wide, u32 target)
{
	emit_move(e, true, R10, RAX);
	emit_move(e, true, RDI, RDX);
	emit_move(e, true, RAX, target);
	if (insn->offset) {
		emit_rex(e, wide, 0, 0);
		emit_byte(e, 0x99);			// cdq, cqo
	} else {
		emit_registers(e, false, 0x31, RDX, RDX);	// xor
	}
	emit_registers(e, wide, 0xf7, insn->offset ? 7 : 6, R11);
	emit_move(e, true, R11, insn->opcode >> 4 == CODE_MOD ? RDX : RAX);
	emit_move(e, true, RAX, R10);
	emit_move(e, true, RDX, RDI);
	emit_move(e, wide, target, R11);
}

// What the processor would trap on is told from the rest first: a divisor of 0, and
// of -1 where a quotient may not fit.
static void
divide(struct emit *e, const struct code_insn *insn, bool wide, u32 target)
{
	bool remainder = insn->opcode >> 4 == CODE_MOD;
	size_t zero, minus = 0, done[2] = { 0 };

	if (insn->opcode & CODE_SOURCE)
		emit_move(e, true, R11, reg_of[code_operand(insn)]);
	else
		load_immediate(e, true, R11, insn->immediate);
	emit_registers(e, wide, 0x85, R11, R11);	// test
	zero = emit_hop(e, JE);
	if (insn->offset) {
		emit_registers(e, wide, 0x83, 7, R11);	// cmp
		emit_byte(e, 0xff);
		minus = emit_hop(e, JE);
	}
	divide_in_place(e, insn, wide, target);
	done[0] = emit_hop(e, JMP);
	if (insn->offset) {
		emit_land(e, minus);
		if (remainder)
			load_immediate(e, wide, target, 0);
		else
			emit_registers(e, wide, 0xf7, 3, target);	// neg
		done[1] = emit_hop(e, JMP);
	}
	emit_land(e, zero);
	if (!remainder)
		load_immediate(e, wide, target, 0);
	else if (!wide)
		emit_move(e, false, target, target);
	emit_land(e, done[0]);
	if (insn->offset)
		emit_land(e, done[1]);
}

static void
turn(struct emit *e, const struct code_insn *insn, u32 target)
{
	bool turned = code_class(insn) == CODE_ALU64 || (insn->opcode & CODE_SOURCE);
	bool wide = insn->immediate == 64;

	if (insn->immediate == 16) {
		if (turned) {
			emit_byte(e, 0x66);
			emit_registers(e, false, 0xc1, 1, target);	// ror
			emit_byte(e, 8);
		}
		emit_registers(e, false, 0x0fb7, target, target);	// movzx
	} else if (turned) {
		emit_rex(e, wide, 0, target);
		emit_byte(e, 0x0f);
		emit_byte(e, 0xc8u | (target & 7));		// bswap
	} else {
		emit_move(e, wide, target, target);
	}
}

static void
move(struct emit *e, const struct code_insn *insn, bool wide, u32 target)
{
	u32 source = reg_of[code_operand(insn)];

	if (!(insn->opcode & CODE_SOURCE))
		load_immediate(e, wide, target, insn->immediate);
	else if (!insn->offset)
		emit_move(e, wide, target, source);
	else						// movsx
		emit_registers(e, wide, insn->offset == 8 ? 0x0fbe :
			       insn->offset == 16 ? 0x0fbf : 0x63, target, source);
}

static void
multiply(struct emit *e, const struct code_insn *insn, bool wide, u32 target)
{
	if (insn->opcode & CODE_SOURCE) {
		emit_registers(e, wide, 0x0faf, target, reg_of[code_operand(insn)]);
		return;
	}
	emit_registers(e, wide, 0x69, target, target);
	emit_number(e, (u32)insn->immediate, 4);
}

static void
calculate(struct emit *e, const struct code_insn *insn)
{
	enum code_alu op = insn->opcode >> 4;
	bool wide = code_class(insn) == CODE_ALU64;
	u32 target = reg_of[code_target(insn)];

	switch (op) {
	case CODE_MUL:	multiply(e, insn, wide, target); return;
	case CODE_DIV:
	case CODE_MOD:	divide(e, insn, wide, target); return;
	case CODE_LSH:
	case CODE_RSH:
	case CODE_ARSH:	shift(e, insn, wide, target); return;
	case CODE_NEG:	emit_registers(e, wide, 0xf7, 3, target); return;
	case CODE_MOV:	move(e, insn, wide, target); return;
	case CODE_END:	turn(e, insn, target); return;
	default:	break;
	}
	ASSERT(plain[op].opcode);
	if (insn->opcode & CODE_SOURCE) {
		emit_registers(e, wide, plain[op].opcode,
			       reg_of[code_operand(insn)], target);
		return;
	}
	emit_registers(e, wide, 0x81, plain[op].extension, target);
	emit_number(e, (u32)insn->immediate, 4);
}

static void
load(struct emit *e, const struct code_insn *insn)
{
	static const u16 zero[] = { 0x8b, 0x0fb7, 0x0fb6, 0x8b };
	static const u16 sign[] = { 0x63, 0x0fbf, 0x0fbe };
	u32 size = (insn->opcode & CODE_SIZE_MASK) >> 3;
	bool extends = (insn->opcode & CODE_MODE_MASK) == CODE_MODE_MEMSX;

	emit_memory(e, extends || size == 3, extends ? sign[size] : zero[size],
		    reg_of[code_target(insn)], reg_of[code_operand(insn)],
		    insn->offset);
}

static void
store(struct emit *e, const struct code_insn *insn)
{
	u32 bytes = code_bytes(insn);
	bool immediate = code_class(insn) == CODE_ST;
	u32 opcode = immediate ? 0xc6 : 0x88;

	if (bytes == 2)
		emit_byte(e, 0x66);
	emit_memory(e, bytes == 8, opcode + (bytes > 1),
		    immediate ? 0 : reg_of[code_operand(insn)],
		    reg_of[code_target(insn)], insn->offset);
	if (immediate)
		emit_number(e, (u32)insn->immediate, MIN(bytes, 4u));
}

// The distance counts from behind itself.
static void
distance(struct emit *e, const struct code_insn *insn, u32 at, const u32 *place)
{
	u32 target = e->target ? place[code_jump_target(insn, at)] : 0;

	emit_number(e, target - (u32)(e->len + 4), 4);
}

static void
jump(struct emit *e, const struct code_insn *insn, u32 at, const u32 *place)
{
	enum code_jump op = insn->opcode >> 4;
	bool wide = code_class(insn) == CODE_JMP;
	u32 target = reg_of[code_target(insn)];

	if (op == CODE_JA) {
		emit_byte(e, 0xe9);
		distance(e, insn, at, place);
		return;
	}
	if (insn->opcode & CODE_SOURCE) {
		emit_registers(e, wide, op == CODE_JSET ? 0x85 : 0x39,
			       reg_of[code_operand(insn)], target);
	} else {
		emit_registers(e, wide, op == CODE_JSET ? 0xf7 : 0x81,
			       op == CODE_JSET ? 0 : 7, target);
		emit_number(e, (u32)insn->immediate, 4);
	}
	emit_byte(e, 0x0f);
	emit_byte(e, 0x80u | condition[op]);
	distance(e, insn, at, place);
}

// An unknown helper stands only where the verifier proved that nobody comes.
static void
call(struct emit *e, const struct code_type *type, u32 helper)
{
	if (helper == 0 || helper > type->helper_count) {
		emit_opcode(e, 0x0f0b);			// ud2
		return;
	}
	emit_move(e, true, RDI, HOST);
	emit_rex(e, true, 0, RAX);
	emit_byte(e, 0xb8);				// mov rax, helper
	emit_number(e, (uintptr_t)type->helper[helper - 1].run, 8);
	emit_opcode(e, 0xffd0);				// call rax
}

static void
compile_insn(struct emit *e, const struct code_program *program, u32 at,
	     const u32 *place)
{
	const struct code_insn *insn = &program->text[at];

	switch (code_class(insn)) {
	case CODE_LD:
		emit_rex(e, true, 0, reg_of[code_target(insn)]);
		emit_byte(e, 0xb8u | (reg_of[code_target(insn)] & 7));
		emit_number(e, code_wide(insn), 8);
		return;
	case CODE_LDX:
		load(e, insn);
		return;
	case CODE_ST:
	case CODE_STX:
		store(e, insn);
		return;
	case CODE_ALU:
	case CODE_ALU64:
		calculate(e, insn);
		return;
	default:
		break;
	}
	if (code_jumps(insn))
		jump(e, insn, at, place);
	else if (code_exits(insn))
		epilogue(e);
	else
		call(e, program->type, (u32)insn->immediate);
}

// All of it; without a target sets `place`, with one keeps to it.
static size_t
compile(struct emit e, const struct code_program *program, u32 *place)
{
	prologue(&e);
	ASSERT(e.len <= CODE_NATIVE_MAX);
	for (u32 i = 0; i < program->count; i++) {
		if (!e.target)
			place[i] = (u32)e.len;
		ASSERT(place[i] == e.len);
		compile_insn(&e, program, i, place);
		ASSERT(e.len - place[i] <= CODE_NATIVE_MAX);
		i += program->text[i].opcode == CODE_WIDE;
	}
	return e.len;
}

size_t
code_compiled_size(const struct code_program *program, u32 *place)
{
	return compile((struct emit){ 0 }, program, place);
}

void
code_compile(const struct code_program *program, u32 *place, u8 *target, size_t size)
{
	size_t len = compile((struct emit){ target, size, 0 }, program, place);

	ASSERT(len == size);
}
