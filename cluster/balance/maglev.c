// SPDX-License-Identifier: BSD-2-Clause
// Maglev's table. Slots are a prime number, so that each order visits them all.
//
// Stateless.

#include "cluster/balance/maglev.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

struct maglev_order
maglev_order(const u8 key[SIPHASH_KEY_LEN], const void *name, u32 len)
{
	u64 hash = siphash64(key, name, len);

	return (struct maglev_order){
		.offset = (u16)((u32)hash % BALANCE_SLOTS),
		.skip = (u16)(1 + (hash >> 32) % (BALANCE_SLOTS - 1)),
	};
}

// The next free slot of an order, from *at on.
static u32
claim(const struct maglev_order *order, u16 *at, const u8 *slot)
{
	u32 found = *at, next;

	for (u32 steps = 0; slot[found] != BALANCE_NONE; steps++) {
		ASSERT(steps < BALANCE_SLOTS);
		found += order->skip;
		if (found >= BALANCE_SLOTS)
			found -= BALANCE_SLOTS;
	}
	next = found + order->skip;
	*at = (u16)(next >= BALANCE_SLOTS ? next - BALANCE_SLOTS : next);
	return found;
}

void
maglev_fill(const struct maglev_order *orders, const u8 *index, u32 count,
	    u8 without, u8 slot[BALANCE_SLOTS])
{
	u16 at[BALANCE_PLACES_MAX];
	u32 filled = 0, entries = 0;

	ASSERT(count <= BALANCE_PLACES_MAX);
	for (u32 i = 0; i < count; i++) {
		ASSERT(index[i] < BALANCE_PLACES_MAX);
		at[index[i]] = orders[index[i]].offset;
		entries += index[i] != without;
	}
	memset(slot, BALANCE_NONE, BALANCE_SLOTS);
	while (entries && filled < BALANCE_SLOTS) {
		for (u32 i = 0; i < count && filled < BALANCE_SLOTS; i++) {
			u8 entry = index[i];

			if (entry == without)
				continue;
			slot[claim(&orders[entry], &at[entry], slot)] = entry;
			filled++;
		}
	}
}
