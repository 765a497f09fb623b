// SPDX-License-Identifier: BSD-2-Clause
// A set of hashes, open addressing. Two frames of one hash would be a false
// alarm: with 64 bits that happens in none of the seeds that anybody will run.

#include <string.h>

#include "harness/sim/seen.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"

static u64 slot[SEEN_ROOM];
static u32 used;

void
seen_clear(void)
{
	if (used)
		memset(slot, 0, sizeof(slot));
	used = 0;
}

// Its place, or the free one where it belongs.
static u64 *
place_of(u32 node, const u8 *bytes, u32 len, u64 *hash)
{
	const u8 key[SIPHASH_KEY_LEN] = { (u8)node, (u8)(node >> 8), 1 };
	u32 at;

	*hash = siphash64(key, bytes, len) | 1;
	at = (u32)(*hash >> 32) & (SEEN_ROOM - 1);
	while (slot[at] && slot[at] != *hash)
		at = (at + 1) & (SEEN_ROOM - 1);
	return &slot[at];
}

bool
seen_before(u32 node, const u8 *bytes, u32 len)
{
	u64 hash;

	return *place_of(node, bytes, len, &hash) != 0;
}

void
seen_now(u32 node, const u8 *bytes, u32 len)
{
	u64 hash, *place = place_of(node, bytes, len, &hash);

	if (*place)
		return;
	ASSERT(++used < SEEN_ROOM / 4 * 3);
	*place = hash;
}
