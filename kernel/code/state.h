// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the verifier knows at one place of a program: of each register, and of each
// byte of the stack. A state stands for all that the machine may be in there.
//
// Numbers that are known to differ by a constant share an id: number - delta is the
// same for all of them, modulo 2^64, or modulo 2^32 if one of the two is `narrow`.
// So what a test tells about one narrows the others (clang likes to test a copy
// from which it has subtracted something).

#include "kernel/code/range.h"

#define STACK_SLOTS (CODE_STACK_SIZE / 8)

// Regions of pointers, beside those of the type of program.
#define REGION_STACK 0xf0u
#define REGION_CONTEXT 0xf1u

enum value_kind {
	VALUE_UNSET,		// nothing has been written; of a slot: see `set`
	VALUE_NUMBER,
	VALUE_POINTER,		// `at`: offset in the region, modulo 2^64
	VALUE_MIXED,		// a pointer on one path, something else on another
};

struct value {
	u8 kind;
	u8 region;		// of a pointer
	bool narrow;
	u16 id;			// 0: related to no other
	i32 delta;
	struct range at;
};

struct state {
	struct value reg[CODE_REGISTERS];
	// A slot of 8 bytes that were written at once keeps its value, others are
	// VALUE_UNSET, or _MIXED when some byte may be a pointer's.
	struct value slot[STACK_SLOTS];
	u8 set[STACK_SLOTS];	// bit i: byte i of the slot was written
};

static inline struct value
value_number(struct range at)
{
	return (struct value){ .kind = VALUE_NUMBER, .at = at };
}

static inline struct value
value_pointer(u8 region, u64 offset)
{
	return (struct value){ .kind = VALUE_POINTER, .region = region,
			       .at = range_one(offset) };
}

// Where a program begins: r1 is the context, r10 the end of the stack.
void
state_begin(struct state *s);

// Widens `into` by what `from` allows.
void
state_join(struct state *into, const struct state *from);

// *value, a register or slot of the state, is now known to lie in `at`: narrows it,
// and what is related to it. Returns false when a related one cannot be.
must_check bool
state_narrow(struct state *s, struct value *value, struct range at);

// Bytes of the stack that an access touches. Within the stack.
must_check enum code_reason
state_stack_read(const struct state *s, struct range at, u32 bytes,
		 struct value *value);
must_check enum code_reason
state_stack_write(struct state *s, struct range at, u32 bytes,
		  const struct value *value);
