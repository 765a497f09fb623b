// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Intervals of 64-bit numbers, read without sign: what the verifier knows about a
// number, or about how far a pointer points into its region. Every result holds all
// that the operation can give for any operands out of the given intervals; where
// nothing better is easy to say, it is everything.

#include "kernel/abi/code.h"

struct range {
	u64 min;
	u64 max;		// never below min
};

#define RANGE_ALL ((struct range){ 0, ~0ull })

static inline struct range
range_one(u64 value)
{
	return (struct range){ value, value };
}

static inline bool
range_is_one(struct range a)
{
	return a.min == a.max;
}

// All numbers of so many bits.
static inline struct range
range_bits(u32 bits)
{
	return (struct range){ 0, ~0ull >> (64 - bits) };
}

// Both, and what lies between.
static inline struct range
range_join(struct range a, struct range b)
{
	return (struct range){ MIN(a.min, b.min), MAX(a.max, b.max) };
}

// Modulo 2^64, as the processor adds.
struct range
range_add(struct range a, struct range b);
struct range
range_sub(struct range a, struct range b);

// The low 32 bits.
struct range
range_low32(struct range a);

// As code_calculate().
struct range
range_calculate(enum code_alu op, bool wide, i16 offset, struct range a,
		struct range b);

// Narrows both to numbers for which `a op b` holds, or with `holds` false does not.
// Returns false when there are none.
must_check bool
range_assume(enum code_jump op, bool wide, bool holds, struct range *a,
	     struct range *b);
