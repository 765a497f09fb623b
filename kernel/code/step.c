// SPDX-License-Identifier: BSD-2-Clause
// One instruction, over what is known before it: what is known behind it, or why it
// is refused. Holds P2 to P4 of code.h: every access is located in its region here
// (locate()), every register and byte that is read was set (check_set(), and the
// stack's part in state.c), and a pointer goes nowhere but to registers and whole
// slots of the stack.

#include "kernel/base/assert.h"
#include "kernel/base/span.h"
#include "kernel/code/arith.h"
#include "kernel/code/verify.h"

// A value that is read: set, and on all paths the same kind of thing.
static enum code_reason
check_set(const struct value *value)
{
	if (value->kind == VALUE_UNSET)
		return CODE_UNSET;
	return value->kind == VALUE_MIXED ? CODE_POINTER_READ : CODE_FINE;
}

// The second operand; an immediate is extended by its sign.
static struct value
operand_of(const struct state *s, const struct code_insn *insn)
{
	if (insn->opcode & CODE_SOURCE)
		return s->reg[code_operand(insn)];
	return value_number(range_one((u64)(i64)insn->immediate));
}

static const struct code_field *
find_field(const struct code_type *type, u64 offset, u32 bytes)
{
	for (u32 i = 0; i < type->field_count; i++) {
		const struct code_field *f = &type->field[i];

		if (span_covers(f->offset, f->size, offset, bytes))
			return f;
	}
	return NULL;
}

// Where `bytes` at a pointer plus a displacement lie in its region.
static enum code_reason
locate(const struct code_verifier *v, const struct value *pointer, i16 displacement,
       u64 bytes, u32 access, struct range *at)
{
	const struct code_region *region;
	u64 size = CODE_STACK_SIZE;

	if (pointer->kind == VALUE_NUMBER)
		return CODE_NO_POINTER;
	*at = range_add(pointer->at, range_one((u64)(i64)displacement));
	if (pointer->region == REGION_CONTEXT)
		return range_is_one(*at) ? CODE_FINE : CODE_FIELD;
	if (pointer->region != REGION_STACK) {
		ASSERT(pointer->region < v->type->region_count);
		region = &v->type->region[pointer->region];
		if ((region->access & access) != access)
			return CODE_READ_ONLY;
		size = region->size;
	}
	return bytes > size || at->max > size - bytes ? CODE_OUTSIDE : CODE_FINE;
}

static enum code_reason
load_field(const struct code_verifier *v, u64 offset, u32 bytes,
	   struct value *value)
{
	const struct code_field *f = find_field(v->type, offset, bytes);
	bool whole = f && offset == f->offset && bytes == f->size;

	if (!f || !(f->access & CODE_MAY_READ))
		return CODE_FIELD;
	if (f->region != CODE_NUMBER) {
		if (!whole)
			return CODE_POINTER_READ;
		*value = value_pointer(f->region, 0);
	} else if (whole && f->max) {
		value->at.max = MIN(value->at.max, f->max);
	}
	return CODE_FINE;
}

static enum code_reason
step_load(struct code_verifier *v, const struct code_insn *insn)
{
	const struct value *pointer = &v->now.reg[code_operand(insn)];
	u32 bytes = code_bytes(insn);
	struct value value = value_number(range_bits(bytes * 8));
	enum code_reason reason = check_set(pointer);
	struct range at = { 0, 0 };

	if (!reason)
		reason = locate(v, pointer, insn->offset, bytes, CODE_MAY_READ, &at);
	if (!reason && pointer->region == REGION_STACK)
		reason = state_stack_read(&v->now, at, bytes, &value);
	else if (!reason && pointer->region == REGION_CONTEXT)
		reason = load_field(v, at.min, bytes, &value);
	if (reason)
		return reason;
	if ((insn->opcode & CODE_MODE_MASK) == CODE_MODE_MEMSX) {
		if (value.kind != VALUE_NUMBER)
			return CODE_POINTER_READ;
		value.at = range_calculate(CODE_MOV, true, (i16)(bytes * 8),
					   range_one(0), value.at);
		value.id = 0;
	}
	v->now.reg[code_target(insn)] = value;
	return CODE_FINE;
}

static enum code_reason
store_field(const struct code_verifier *v, u64 offset, u32 bytes)
{
	const struct code_field *f = find_field(v->type, offset, bytes);

	if (!f)
		return CODE_FIELD;
	return f->access & CODE_MAY_WRITE && f->region == CODE_NUMBER
		       ? CODE_FINE : CODE_READ_ONLY;
}

static enum code_reason
step_store(struct code_verifier *v, const struct code_insn *insn)
{
	const struct value *pointer = &v->now.reg[code_target(insn)];
	u32 bytes = code_bytes(insn);
	struct value value = value_number(range_one((u64)(i64)insn->immediate));
	enum code_reason reason = check_set(pointer);
	struct range at = { 0, 0 };

	if (code_class(insn) == CODE_STX)
		value = v->now.reg[code_operand(insn)];
	if (!reason)
		reason = check_set(&value);
	if (!reason)
		reason = locate(v, pointer, insn->offset, bytes, CODE_MAY_WRITE, &at);
	if (reason)
		return reason;
	if (pointer->region == REGION_STACK)
		return state_stack_write(&v->now, at, bytes, &value);
	if (value.kind == VALUE_POINTER)
		return CODE_POINTER_STORED;
	return pointer->region == REGION_CONTEXT ? store_field(v, at.min, bytes)
						 : CODE_FINE;
}

// Additions and subtractions on pointers; the difference of two is a number.
static enum code_reason
pointer_maths(enum code_alu op, bool wide, struct value *a, const struct value *b)
{
	bool both = a->kind == b->kind;
	u8 region = a->kind == VALUE_POINTER ? a->region : b->region;
	struct range at = { 0, 0 };

	if (!wide || (op != CODE_ADD && op != CODE_SUB))
		return CODE_POINTER_MATHS;
	if (op == CODE_ADD ? both : b->kind == VALUE_POINTER &&
	    !(both && a->region == b->region))
		return CODE_POINTER_MATHS;
	at = op == CODE_ADD ? range_add(a->at, b->at) : range_sub(a->at, b->at);
	*a = both ? value_number(at) : value_pointer(region, 0);
	a->at = at;
	return CODE_FINE;
}

// Adding a constant keeps what relates a number to its copies.
static void
keep_relation(struct value *result, const struct value *a, u64 by, bool wide)
{
	i64 delta = (i64)((u64)(i64)a->delta + by);

	if (!a->id || delta != (i32)delta)
		return;
	result->id = a->id;
	result->delta = (i32)delta;
	result->narrow = a->narrow || !wide;
}

static enum code_reason
step_move(struct code_verifier *v, const struct code_insn *insn, bool wide)
{
	struct value *source = &v->now.reg[code_operand(insn)];

	if (source->kind == VALUE_POINTER) {
		if (!wide || insn->offset)
			return CODE_POINTER_MATHS;
	} else if (insn->offset || (!wide && source->at.max > ~0u)) {
		v->now.reg[code_target(insn)] = value_number(range_calculate(
			CODE_MOV, wide, insn->offset, range_one(0), source->at));
		return CODE_FINE;
	} else if (!source->id && v->id_last < UINT16_MAX) {
		source->id = ++v->id_last;
		source->delta = 0;
		source->narrow = false;
	}
	v->now.reg[code_target(insn)] = *source;
	return CODE_FINE;
}

static enum code_reason
step_alu(struct code_verifier *v, const struct code_insn *insn)
{
	bool wide = code_class(insn) == CODE_ALU64;
	enum code_alu op = insn->opcode >> 4;
	struct value *a = &v->now.reg[code_target(insn)];
	struct value b = operand_of(&v->now, insn);
	struct value result;
	enum code_reason reason = op == CODE_END ? CODE_FINE : check_set(&b);

	if (!reason && op != CODE_MOV)
		reason = check_set(a);
	if (reason)
		return reason;
	if (op == CODE_MOV && (insn->opcode & CODE_SOURCE))
		return step_move(v, insn, wide);
	if (op == CODE_MOV)
		*a = value_number(range_one(0));
	if (op == CODE_END) {
		if (a->kind == VALUE_POINTER)
			return CODE_POINTER_MATHS;
		*a = value_number(range_is_one(a->at)
				  ? range_one(code_turn(insn, a->at.min))
				  : range_bits((u32)insn->immediate));
		return CODE_FINE;
	}
	if (a->kind == VALUE_POINTER || b.kind == VALUE_POINTER)
		return pointer_maths(op, wide, a, &b);
	result = value_number(range_calculate(op, wide, insn->offset, a->at, b.at));
	if ((op == CODE_ADD || op == CODE_SUB) && range_is_one(b.at))
		keep_relation(&result, a, op == CODE_ADD ? b.at.min
							 : 0 - b.at.min, wide);
	*a = result;
	return CODE_FINE;
}

enum code_reason
code_step(struct code_verifier *v, const struct code_insn *insn)
{
	switch (code_class(insn)) {
	case CODE_LD:
		v->now.reg[code_target(insn)] =
			value_number(range_one(code_wide(insn)));
		return CODE_FINE;
	case CODE_LDX:
		return step_load(v, insn);
	case CODE_ST:
	case CODE_STX:
		return step_store(v, insn);
	default:
		return step_alu(v, insn);
	}
}

// Bytes that a helper reads: as many as the next argument may say.
static enum code_reason
check_bytes(const struct code_verifier *v, const struct value *pointer,
	    const struct value *length)
{
	struct value value;
	struct range at = { 0, 0 };
	enum code_reason reason = check_set(length);

	if (reason)
		return reason;
	if (pointer->kind != VALUE_POINTER || length->kind != VALUE_NUMBER ||
	    pointer->region == REGION_CONTEXT)
		return CODE_ARGUMENT_KIND;
	reason = locate(v, pointer, 0, length->at.max, CODE_MAY_READ, &at);
	if (reason || pointer->region != REGION_STACK || !length->at.max)
		return reason;
	reason = state_stack_read(&v->now, at, (u32)length->at.max, &value);
	return !reason && value.kind != VALUE_NUMBER ? CODE_POINTER_READ : reason;
}

static enum code_reason
check_argument(const struct code_verifier *v, u32 kind, u32 number)
{
	const struct value *value = &v->now.reg[number];
	enum code_reason reason;

	if (kind == CODE_ARG_NONE)
		return CODE_FINE;
	reason = check_set(value);
	if (reason)
		return reason;
	if (kind == CODE_ARG_BYTES)
		return check_bytes(v, value, value + 1);
	return value->kind == VALUE_POINTER ? CODE_POINTER_LEAKS : CODE_FINE;
}

enum code_reason
code_step_call(struct code_verifier *v, u32 helper)
{
	const struct code_helper *h;

	if (helper == 0 || helper > v->type->helper_count)
		return CODE_HELPER;
	h = &v->type->helper[helper - 1];
	for (u32 i = 0; i < CODE_ARGUMENTS; i++) {
		enum code_reason reason = check_argument(v, h->argument[i], i + 1);

		if (reason)
			return reason;
	}
	for (u32 i = 1; i <= CODE_ARGUMENTS; i++)
		v->now.reg[i] = (struct value){ .kind = VALUE_UNSET };
	v->now.reg[0] = value_number((struct range){ 0, h->result_max });
	return CODE_FINE;
}

// Two pointers compare like their offsets when they point into one region.
static enum code_reason
check_comparison(const struct code_verifier *v, const struct code_insn *insn,
		 const struct value *a, const struct value *b)
{
	enum code_jump op = insn->opcode >> 4;
	u64 size = CODE_STACK_SIZE;
	bool order = op == CODE_JEQ || op == CODE_JNE || op == CODE_JGT ||
		     op == CODE_JGE || op == CODE_JLT || op == CODE_JLE;

	if (a->kind == VALUE_NUMBER && b->kind == VALUE_NUMBER)
		return CODE_FINE;
	if (a->kind != b->kind || a->region != b->region || !order ||
	    code_class(insn) != CODE_JMP || a->region == REGION_CONTEXT)
		return CODE_POINTER_TEST;
	if (a->region != REGION_STACK)
		size = v->type->region[a->region].size;
	return a->at.max > size || b->at.max > size ? CODE_POINTER_TEST : CODE_FINE;
}

// Narrows a state to one outcome of the test; false when it cannot be.
static bool
narrow(struct state *s, const struct code_insn *insn, bool holds)
{
	bool wide = code_class(insn) == CODE_JMP;
	struct value *a = &s->reg[code_target(insn)];
	struct range at = a->at;
	struct range by = operand_of(s, insn).at;

	if (!wide && !(insn->opcode & CODE_SOURCE))
		by = range_low32(by);
	if (!range_assume(insn->opcode >> 4, wide, holds, &at, &by) ||
	    !state_narrow(s, a, at))
		return false;
	return !(insn->opcode & CODE_SOURCE) ||
	       state_narrow(s, &s->reg[code_operand(insn)], by);
}

enum code_reason
code_step_test(struct code_verifier *v, const struct code_insn *insn,
	       bool *taken, bool *falls)
{
	const struct value *a = &v->now.reg[code_target(insn)];
	struct value b = operand_of(&v->now, insn);
	enum code_reason reason = check_set(a);

	if (!reason)
		reason = check_set(&b);
	if (!reason)
		reason = check_comparison(v, insn, a, &b);
	if (reason)
		return reason;
	v->aside = v->now;
	*taken = narrow(&v->aside, insn, true);
	*falls = narrow(&v->now, insn, false);
	return CODE_FINE;
}
