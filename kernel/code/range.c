// SPDX-License-Identifier: BSD-2-Clause
// Arithmetic on intervals, and what a comparison tells about its operands. That
// every result is wide enough is what range_test.c holds against the arithmetic on
// numbers, exhaustively for small ones and at random.
//
// Operations on 32 bits are those on 64 with operands and result cut to 32: no sum,
// product or shift of two 32-bit numbers by less than 32 overflows 64 bits.

#include "kernel/code/range.h"
#include "kernel/base/assert.h"
#include "kernel/code/arith.h"

#define LOW32 0xffffffffull

// An interval of sums or differences whose ends wrapped alike, else everything.
struct range
range_add(struct range a, struct range b)
{
	struct range sum = { a.min + b.min, a.max + b.max };

	return (sum.min < a.min) == (sum.max < a.max) ? sum : RANGE_ALL;
}

struct range
range_sub(struct range a, struct range b)
{
	struct range difference = { a.min - b.max, a.max - b.min };

	return (a.min < b.max) == (a.max < b.min) ? difference : RANGE_ALL;
}

struct range
range_low32(struct range a)
{
	if (a.min >> 32 != a.max >> 32)
		return range_bits(32);
	return (struct range){ a.min & LOW32, a.max & LOW32 };
}

static struct range
multiply(struct range a, struct range b)
{
	u64 most;

	if (__builtin_mul_overflow(a.max, b.max, &most))
		return RANGE_ALL;
	return (struct range){ a.min * b.min, most };
}

static struct range
divide(struct range a, struct range b)
{
	return (struct range){ b.min ? a.min / b.max : 0,
			       a.max / MAX(b.min, 1ull) };
}

static struct range
modulo(struct range a, struct range b)
{
	return (struct range){ a.max < b.min ? a.min : 0,
			       b.min ? MIN(a.max, b.max - 1) : a.max };
}

// All bits up to the highest that is set.
static u64
fill(u64 value)
{
	return value ? ~0ull >> __builtin_clzll(value) : 0;
}

static struct range
shift_left(struct range a, struct range count)
{
	if (count.max > 63 || a.max > ~0ull >> count.max)
		return RANGE_ALL;
	return (struct range){ a.min << count.min, a.max << count.max };
}

static struct range
shift_right(struct range a, struct range count)
{
	if (count.max > 63)
		return (struct range){ 0, a.max };
	return (struct range){ a.min >> count.max, a.max >> count.min };
}

// The number of a shift, of which only the low bits count.
static struct range
shift_count(struct range count, u32 bits)
{
	return count.max < bits ? count : (struct range){ 0, bits - 1 };
}

// Sign extension changes nothing as long as the sign is clear.
static struct range
calculate(enum code_alu op, u32 bits, i16 offset, struct range a, struct range b)
{
	bool negative = (a.max | b.max) >> (bits - 1);

	switch (op) {
	case CODE_ADD:	return range_add(a, b);
	case CODE_SUB:	return range_sub(a, b);
	case CODE_NEG:	return range_sub(range_one(0), a);
	case CODE_MUL:	return multiply(a, b);
	case CODE_AND:	return (struct range){ 0, MIN(a.max, b.max) };
	case CODE_OR:	return (struct range){ MAX(a.min, b.min),
					       fill(a.max | b.max) };
	case CODE_XOR:	return (struct range){ 0, fill(a.max | b.max) };
	case CODE_LSH:	return shift_left(a, shift_count(b, bits));
	case CODE_RSH:	return shift_right(a, shift_count(b, bits));
	case CODE_ARSH:	return a.max >> (bits - 1) ? RANGE_ALL :
			       shift_right(a, shift_count(b, bits));
	case CODE_DIV:	return offset && negative ? RANGE_ALL : divide(a, b);
	case CODE_MOD:	return offset && negative ? RANGE_ALL : modulo(a, b);
	case CODE_MOV:	return offset && b.max >> (offset - 1) ? RANGE_ALL : b;
	default:	return RANGE_ALL;
	}
}

struct range
range_calculate(enum code_alu op, bool wide, i16 offset, struct range a,
		struct range b)
{
	struct range result;

	ASSERT(a.min <= a.max && b.min <= b.max);
	if (range_is_one(b) && (range_is_one(a) || op == CODE_MOV))
		return range_one(code_calculate(op, wide, offset, a.min, b.min));
	if (wide)
		return calculate(op, 64, offset, a, b);
	result = range_low32(calculate(op, 32, offset, range_low32(a),
				       op == CODE_MOV && offset ? b :
				       range_low32(b)));
	ASSERT(result.min <= result.max && result.max <= LOW32);
	return result;
}

static bool
meet(struct range *a, u64 min, u64 max)
{
	a->min = MAX(a->min, min);
	a->max = MIN(a->max, max);
	return a->min <= a->max;
}

// Only the ends of an interval can be left out.
static bool
leave_out(struct range *a, struct range b)
{
	if (!range_is_one(b))
		return true;
	if (range_is_one(*a))
		return a->min != b.min;
	a->min += a->min == b.min;
	a->max -= a->max == b.min;
	return true;
}

static bool
assume_at_most(struct range *a, struct range *b)
{
	return meet(a, 0, b->max) && meet(b, a->min, ~0ull);
}

static bool
assume_less(struct range *a, struct range *b)
{
	return b->max > 0 && a->min < ~0ull &&
	       meet(a, 0, b->max - 1) && meet(b, a->min + 1, ~0ull);
}

// Signed: as without sign when neither can be negative. Above something that is
// not negative (or above -1) nothing is.
static bool
assume_signed(bool less, struct range *a, struct range *b, u64 top)
{
	if (less && range_is_one(*a) && a->min == 2 * top + 1)
		return meet(b, 0, top);
	if (a->max > top)
		return true;
	if (!meet(b, 0, top))
		return false;
	return less ? assume_less(a, b) : assume_at_most(a, b);
}

static bool
assume(enum code_jump op, u32 bits, struct range *a, struct range *b)
{
	u64 top = ~0ull >> (65 - bits);		// the largest with its sign clear

	switch (op) {
	case CODE_JEQ:	return meet(a, b->min, b->max) && meet(b, a->min, a->max);
	case CODE_JNE:	return leave_out(a, *b) && leave_out(b, *a);
	case CODE_JLT:	return assume_less(a, b);
	case CODE_JLE:	return assume_at_most(a, b);
	case CODE_JGT:	return assume_less(b, a);
	case CODE_JGE:	return assume_at_most(b, a);
	case CODE_JSLT:	return assume_signed(true, a, b, top);
	case CODE_JSLE:	return assume_signed(false, a, b, top);
	case CODE_JSGT:	return assume_signed(true, b, a, top);
	case CODE_JSGE:	return assume_signed(false, b, a, top);
	default:	return true;
	}
}

bool
range_assume(enum code_jump op, bool wide, bool holds, struct range *a,
	     struct range *b)
{
	static const u8 opposite[CODE_JUMP_COUNT] = {
		[CODE_JEQ] = CODE_JNE, [CODE_JNE] = CODE_JEQ,
		[CODE_JGT] = CODE_JLE, [CODE_JLE] = CODE_JGT,
		[CODE_JGE] = CODE_JLT, [CODE_JLT] = CODE_JGE,
		[CODE_JSGT] = CODE_JSLE, [CODE_JSLE] = CODE_JSGT,
		[CODE_JSGE] = CODE_JSLT, [CODE_JSLT] = CODE_JSGE,
		[CODE_JSET] = CODE_JSET,
	};

	ASSERT(op < CODE_JUMP_COUNT && opposite[op]);
	if (range_is_one(*a) && range_is_one(*b))
		return code_holds(op, wide, a->min, b->min) == holds;
	if (op == CODE_JSET)
		return !holds || (a->max && b->max);
	if (!wide && (a->max > LOW32 || b->max > LOW32))
		return true;
	return assume(holds ? op : opposite[op], wide ? 64 : 32, a, b);
}
