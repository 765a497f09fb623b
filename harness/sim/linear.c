// SPDX-License-Identifier: BSD-2-Clause
// A search in depth, without recursion: the stack holds what was tried at each
// level. Next can be only what was called before the first return of those that
// must still take effect; and what has returned before the call of one that took
// effect can do so no more.
//
// What was tried is remembered by a hash of set and value: two states of one hash
// would hide a good order, which is a false alarm, never a missed one.

#include <string.h>

#include "harness/sim/linear.h"
#include "kernel/base/assert.h"

#define TRIED_ROOM (1u << 20)		// a power of two
#define WORDS (LINEAR_OPS_MAX / 64)
#define VALUE 0x9e3779b97f4a7c15ull	// so that values are not hashed as sets are

struct level {
	u32 next;		// operation to try
	u32 taken;		// operation that led to the level above
	u64 value;
	u64 called;		// latest call of those that took effect
};

static struct {
	const struct linear_op *op;
	u32 count, must;	// operations that must take effect
	u64 done[WORDS];
	u64 hash;		// of the set
	struct level level[LINEAR_OPS_MAX + 1];
	u32 depth, done_must;
} s;

static u64 tried[TRIED_ROOM];
static u32 tried_at[TRIED_ROOM / 4 * 3 + 1];	// places that are used
static u32 tried_count;

static u64
mix(u64 x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

// True when it was not there.
static bool
try_first(u64 state)
{
	u32 at = (u32)state & (TRIED_ROOM - 1);

	state |= 1;
	for (; tried[at]; at = (at + 1) & (TRIED_ROOM - 1)) {
		if (tried[at] == state)
			return false;
	}
	tried[at] = state;
	tried_at[tried_count++] = at;
	return true;
}

static bool
is_done(u32 i)
{
	return s.done[i / 64] >> i % 64 & 1;
}

static void
toggle(u32 i)
{
	s.done[i / 64] ^= 1ull << i % 64;
	s.hash ^= mix(i + 1);
	s.done_must += is_done(i) ? !s.op[i].unknown : -(u32)!s.op[i].unknown;
}

// What the word is after the operation. False: its answer would have been another, or
// it would change nothing and need not be in the order at all.
static bool
apply(const struct linear_op *op, u64 value, u64 *after)
{
	bool tells = !op->unknown && !op->mute;

	if (tells && op->answer != value)
		return false;
	switch ((enum linear_kind)op->kind) {
	case LINEAR_READ:
		*after = value;
		return !op->unknown;
	case LINEAR_WRITE:
		*after = op->next;
		return true;
	case LINEAR_SWAP:
		*after = value == op->expected ? op->next : value;
		return !op->unknown || value == op->expected;
	case LINEAR_ADD:
		*after = value + op->next;
		return true;
	}
	return false;
}

// The first return of those that must still take effect.
static u64
horizon(void)
{
	u64 least = ~0ull;

	for (u32 i = 0; i < s.count; i++) {
		if (!s.op[i].unknown && !is_done(i))
			least = MIN(least, s.op[i].returned);
	}
	return least;
}

// Goes one level on with the next operation that can take effect. False: none can.
static bool
advance(void)
{
	struct level *level = &s.level[s.depth];
	u64 until = horizon(), after;

	for (; level->next < s.count; level->next++) {
		const struct linear_op *op = &s.op[level->next];

		if (is_done(level->next) || op->called > until ||
		    op->returned < level->called || !apply(op, level->value, &after))
			continue;
		toggle(level->next);
		if (!try_first(mix(s.hash + mix(after ^ VALUE)))) {
			toggle(level->next);
			continue;
		}
		level->taken = level->next++;
		level[1] = (struct level){ .value = after,
					   .called = MAX(level->called, op->called) };
		s.depth++;
		return true;
	}
	return false;
}

enum linear_verdict
linear_judge(const struct linear_op *op, u32 count, u64 first, u64 last)
{
	ASSERT(count <= LINEAR_OPS_MAX);
	memset(&s.done, 0, sizeof(s.done));
	while (tried_count)
		tried[tried_at[--tried_count]] = 0;
	s.depth = s.done_must = s.must = 0;
	s.op = op;
	s.count = count;
	s.hash = 0;
	s.level[0] = (struct level){ .value = first };
	for (u32 i = 0; i < count; i++)
		s.must += !op[i].unknown;
	for (;;) {
		if (s.done_must == s.must && s.level[s.depth].value == last)
			return LINEAR_YES;
		if (tried_count > TRIED_ROOM / 4 * 3)
			return LINEAR_UNDECIDED;
		if (advance())
			continue;
		if (!s.depth)
			return LINEAR_NO;
		s.depth--;
		toggle(s.level[s.depth].taken);
	}
}
