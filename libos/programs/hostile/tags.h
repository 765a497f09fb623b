// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Marks in memory, by which the oracle and its intruders know whose a byte is.
// Memory is filled with words that name who may read it; whoever finds another's
// has read what it has no capability for.

#include "kernel/base/types.h"

#define TAG_WORD 0x7a90c0deu
#define TAG_STEP 16u			// words looked at are so far apart

enum tag_owner {
	TAG_VICTIM = 1,		// nobody but the oracle
	TAG_FREED,		// frames that it gave back
	TAG_DISK,		// its blocks
	TAG_PUBLIC,		// everybody may read it, nobody may write
	TAG_LENT,		// the first intruder of a group, and not for others
	TAG_GROUP,		// and the group's number: those of the group
};

// What intruders exit with.
#define STATUS_READ_FOREIGN 77u

// The upper half is made from the lower, so that half of a word that was written
// over by something else names nobody.
static inline u64
tag_of_low(u32 low)
{
	return (u64)(low * 0x9e3779b1u ^ TAG_WORD) << 32 | low;
}

static inline u64
tag(u32 owner, u64 place)
{
	return tag_of_low(owner << 24 | (u32)(place & 0xffffff));
}

// Whose word it is, or 0 for nobody's.
static inline u32
tag_owner(u64 word)
{
	return word == tag_of_low((u32)word) ? (u32)word >> 24 : 0;
}

static inline void
tag_fill(u64 *words, u64 count, u32 owner)
{
	for (u64 i = 0; i < count; i++)
		words[i] = tag(owner, i);
}
