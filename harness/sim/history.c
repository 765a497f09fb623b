// SPDX-License-Identifier: BSD-2-Clause
// Shadows and changes. Looking back undoes changes on a copy, newest first,
// until they are older than the question.

#include <string.h>

#include "harness/sim/history.h"
#include "kernel/base/assert.h"

// So many equal bytes part two changes of one step; by chance they are not equal.
#define GAP 32u

void
history_init(struct history *history, u8 *bytes)
{
	*history = (struct history){ .bytes = bytes };
}

// Where a difference that begins at `first` ends: before GAP equal bytes.
static u32
end_of(const u8 *real, const u8 *shadow, u32 first)
{
	u32 end = first + 1;

	for (u32 at = end; at < UNIT && at - end < GAP; at++) {
		if (real[at] != shadow[at])
			end = at + 1;
	}
	return end;
}

bool
history_differs(const struct store *store, u32 *unit, struct difference *found)
{
	for (; *unit < store->units; ++*unit) {
		const u8 *real = store->real + (u64)*unit * UNIT;
		const u8 *shadow = store->shadow + (u64)*unit * UNIT;
		u32 first = 0;

		if (!memcmp(real, shadow, UNIT))
			continue;
		while (real[first] == shadow[first])
			first++;
		*found = (struct difference){ *unit, first,
					      end_of(real, shadow, first) - first };
		return true;
	}
	return false;
}

void
history_accept(struct history *history, struct store *store,
	       const struct difference *what, u64 now)
{
	u64 at = (u64)what->unit * UNIT + what->offset;
	u64 size = ALIGN_UP(sizeof(struct change) + what->len, 16ull);
	struct change *change = (struct change *)(history->bytes + history->used);

	ASSERT(what->unit < store->units && what->offset + what->len <= UNIT);
	ASSERT(history->used + size <= HISTORY_BYTES);
	history->used += size;
	change->before = store->newest[what->unit];
	change->at = now;
	change->offset = what->offset;
	change->len = what->len;
	memcpy(change->old, store->shadow + at, what->len);
	memcpy(store->shadow + at, store->real + at, what->len);
	store->newest[what->unit] = change;
}

// Undoes a change within a copy of [offset, offset + len) of its unit. False
// when it lies outside.
static bool
undo(const struct change *change, u8 *copy, u32 offset, u32 len)
{
	u32 from = MAX(change->offset, offset);
	u32 to = MIN(change->offset + change->len, offset + len);

	if (from >= to)
		return false;
	memcpy(copy + (from - offset), change->old + (from - change->offset),
	       to - from);
	return true;
}

bool
history_was(const struct store *store, u32 unit, u32 offset, u32 len,
	    const u8 *bytes, u64 since)
{
	u8 copy[UNIT];
	const struct change *change = store->newest[unit];

	ASSERT(unit < store->units && offset <= UNIT && len <= UNIT - offset);
	memcpy(copy, store->shadow + (u64)unit * UNIT + offset, len);
	if (!memcmp(copy, bytes, len))
		return true;
	for (; change && change->at >= since; change = change->before) {
		if (undo(change, copy, offset, len) && !memcmp(copy, bytes, len))
			return true;
	}
	return false;
}

static u32
match_each(const u8 *copy, const u8 *bytes, u32 len, bool *matched)
{
	u32 missing = 0;

	for (u32 i = 0; i < len; i++) {
		matched[i] |= copy[i] == bytes[i];
		missing += !matched[i];
	}
	return missing;
}

bool
history_was_each(const struct store *store, u32 unit, u32 offset, u32 len,
		 const u8 *bytes, u64 since)
{
	u8 copy[UNIT];
	bool matched[UNIT] = { false };
	const struct change *change = store->newest[unit];
	u32 missing;

	ASSERT(unit < store->units && offset <= UNIT && len <= UNIT - offset);
	memcpy(copy, store->shadow + (u64)unit * UNIT + offset, len);
	missing = match_each(copy, bytes, len, matched);
	for (; missing && change && change->at >= since; change = change->before) {
		if (undo(change, copy, offset, len))
			missing = match_each(copy, bytes, len, matched);
	}
	return !missing;
}
