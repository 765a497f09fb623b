// SPDX-License-Identifier: BSD-2-Clause
// The interpreter: what a verified program means. It checks nothing but that the
// program keeps to the number of steps that was proved for it. The kernel compiles every
// program; this is the compiler's oracle, and runs programs for the checker of volumes.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/code/arith.h"
#include "kernel/code/code.h"

struct machine {
	u64 reg[CODE_REGISTERS];
};

static u64
operand_of(const struct machine *m, const struct code_insn *insn)
{
	return insn->opcode & CODE_SOURCE ? m->reg[code_operand(insn)]
					  : (u64)(i64)insn->immediate;
}

static void *
place(u64 pointer, const struct code_insn *insn)
{
	return (void *)(uintptr_t)(pointer + (u64)(i64)insn->offset);
}

static void
load(struct machine *m, const struct code_insn *insn)
{
	u32 bytes = code_bytes(insn);
	u64 value = 0;

	memcpy(&value, place(m->reg[code_operand(insn)], insn), bytes);
	if ((insn->opcode & CODE_MODE_MASK) == CODE_MODE_MEMSX)
		value = code_extend(value, bytes * 8);
	m->reg[code_target(insn)] = value;
}

static void
store(struct machine *m, const struct code_insn *insn)
{
	u64 value = code_class(insn) == CODE_STX ? m->reg[code_operand(insn)]
						 : (u64)(i64)insn->immediate;

	memcpy(place(m->reg[code_target(insn)], insn), &value, code_bytes(insn));
}

static void
calculate(struct machine *m, const struct code_insn *insn)
{
	u64 *target = &m->reg[code_target(insn)];
	enum code_alu op = insn->opcode >> 4;

	*target = op == CODE_END
		? code_turn(insn, *target)
		: code_calculate(op, code_class(insn) == CODE_ALU64,
				 insn->offset, *target, operand_of(m, insn));
}

static void
call(struct machine *m, const struct code_type *type, u32 helper, void *host)
{
	ASSERT(helper > 0 && helper <= type->helper_count);
	m->reg[0] = type->helper[helper - 1].run(host, m->reg[1], m->reg[2],
						 m->reg[3], m->reg[4], m->reg[5]);
	ASSERT(m->reg[0] <= type->helper[helper - 1].result_max);
}

// Executes the instruction at `at`, which is not an exit; returns the next.
static u32
execute(struct machine *m, const struct code_program *program, u32 at, void *host)
{
	const struct code_insn *insn = &program->text[at];

	switch (code_class(insn)) {
	case CODE_LD:
		m->reg[code_target(insn)] = code_wide(insn);
		return at + 2;
	case CODE_LDX:
		load(m, insn);
		return at + 1;
	case CODE_ST:
	case CODE_STX:
		store(m, insn);
		return at + 1;
	case CODE_ALU:
	case CODE_ALU64:
		calculate(m, insn);
		return at + 1;
	default:
		break;
	}
	if (!code_jumps(insn)) {
		call(m, program->type, (u32)insn->immediate, host);
		return at + 1;
	}
	return code_holds(insn->opcode >> 4, code_class(insn) == CODE_JMP,
			  m->reg[code_target(insn)], operand_of(m, insn))
		       ? code_jump_target(insn, at) : at + 1;
}

u64
code_interpret(const struct code_program *program, void *context, void *host)
{
	u8 stack[CODE_STACK_SIZE] aligned_(16);
	struct machine m = { .reg[1] = (uintptr_t)context,
			     .reg[10] = (uintptr_t)(stack + CODE_STACK_SIZE) };
	u32 at = 0;

	for (u32 steps = 1; !code_exits(&program->text[at]); steps++) {
		ASSERT(steps < program->steps);
		at = execute(&m, program, at, host);
		ASSERT(at < program->count);
	}
	return m.reg[0];
}
