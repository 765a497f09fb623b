// SPDX-License-Identifier: BSD-2-Clause
// States of the verifier: joining those of paths that meet, spreading what a test
// tells, and the stack byte by byte.

#include "kernel/code/state.h"
#include "kernel/base/assert.h"

#define LOW32 0xffffffffull

void
state_begin(struct state *s)
{
	*s = (struct state){ 0 };
	s->reg[1] = value_pointer(REGION_CONTEXT, 0);
	s->reg[10] = value_pointer(REGION_STACK, CODE_STACK_SIZE);
}

static void
value_join(struct value *into, const struct value *from)
{
	if (into->kind != from->kind || into->region != from->region) {
		bool pointer = into->kind >= VALUE_POINTER ||
			       from->kind >= VALUE_POINTER;

		*into = (struct value){ .kind = pointer ? VALUE_MIXED
							: VALUE_UNSET };
		return;
	}
	into->at = range_join(into->at, from->at);
	if (into->id != from->id || into->delta != from->delta ||
	    into->narrow != from->narrow)
		into->id = 0;
}

void
state_join(struct state *into, const struct state *from)
{
	for (u32 i = 0; i < CODE_REGISTERS; i++)
		value_join(&into->reg[i], &from->reg[i]);
	for (u32 i = 0; i < STACK_SLOTS; i++) {
		value_join(&into->slot[i], &from->slot[i]);
		into->set[i] &= from->set[i];
	}
}

// What is known of `other` when `value` lies in its interval, if they are related. The
// difference of the two is exact; only an interval that wraps as a whole says something.
static bool
spread(const struct value *value, struct value *other)
{
	bool narrow = value->narrow || other->narrow;
	struct range by = range_one((u64)((i64)other->delta - value->delta));
	struct range at;

	if (other == value || other->kind != VALUE_NUMBER || other->id != value->id ||
	    (narrow && (value->at.max > LOW32 || other->at.max > LOW32)))
		return true;
	if (narrow)
		by = range_low32(by);
	at = range_add(value->at, by);
	if (narrow)
		at = range_low32(at);
	other->at.min = MAX(other->at.min, at.min);
	other->at.max = MIN(other->at.max, at.max);
	return other->at.min <= other->at.max;
}

bool
state_narrow(struct state *s, struct value *value, struct range at)
{
	at.min = MAX(at.min, value->at.min);
	at.max = MIN(at.max, value->at.max);
	if (at.min > at.max)
		return false;
	if (at.min == value->at.min && at.max == value->at.max)
		return true;
	value->at = at;
	if (!value->id)
		return true;
	for (u32 i = 0; i < CODE_REGISTERS; i++) {
		if (!spread(value, &s->reg[i]))
			return false;
	}
	for (u32 i = 0; i < STACK_SLOTS; i++) {
		if (!spread(value, &s->slot[i]))
			return false;
	}
	return true;
}

// The bytes [first, first + len) that lie in this slot, as bits.
static u8
bytes_in(u32 slot, u64 first, u64 len)
{
	u64 from = MAX(first, 8ull * slot);
	u64 to = MIN(first + len, 8ull * slot + 8);

	if (from >= to)
		return 0;
	return (u8)(((1u << (to - from)) - 1) << from % 8);
}

enum code_reason
state_stack_read(const struct state *s, struct range at, u32 bytes,
		 struct value *value)
{
	u64 len = at.max - at.min + bytes;
	u32 last = (u32)((at.min + len - 1) / 8);

	ASSERT(len <= CODE_STACK_SIZE && at.min + len <= CODE_STACK_SIZE);
	if (bytes == 8 && range_is_one(at) && at.min % 8 == 0 &&
	    s->slot[at.min / 8].kind != VALUE_UNSET) {
		*value = s->slot[at.min / 8];
		return value->kind == VALUE_MIXED ? CODE_POINTER_READ
						  : CODE_FINE;
	}
	for (u32 i = (u32)(at.min / 8); i <= last; i++) {
		u8 wanted = bytes_in(i, at.min, len);

		if (s->slot[i].kind >= VALUE_POINTER)
			return CODE_POINTER_READ;
		if ((s->set[i] & wanted) != wanted)
			return CODE_UNSET_STACK;
	}
	*value = value_number(bytes < 8 ? range_bits(bytes * 8) : RANGE_ALL);
	return CODE_FINE;
}

// A part of a slot was written with a number, or `maybe` was.
static void
write_part(struct state *s, u32 slot, u8 bytes, bool maybe)
{
	bool pointer = s->slot[slot].kind >= VALUE_POINTER;

	s->slot[slot] = (struct value){ .kind = pointer ? VALUE_MIXED : VALUE_UNSET };
	if (!maybe)
		s->set[slot] |= bytes;
}

enum code_reason
state_stack_write(struct state *s, struct range at, u32 bytes,
		  const struct value *value)
{
	u64 len = at.max - at.min + bytes;
	u32 last = (u32)((at.min + len - 1) / 8);

	ASSERT(len <= CODE_STACK_SIZE && at.min + len <= CODE_STACK_SIZE);
	if (bytes == 8 && range_is_one(at) && at.min % 8 == 0) {
		s->slot[at.min / 8] = *value;
		s->set[at.min / 8] = 0xff;
		return CODE_FINE;
	}
	if (value->kind != VALUE_NUMBER)
		return CODE_POINTER_STORED;
	for (u32 i = (u32)(at.min / 8); i <= last; i++)
		write_part(s, i, bytes_in(i, at.min, len), !range_is_one(at));
	return CODE_FINE;
}
