// SPDX-License-Identifier: BSD-2-Clause
// The map of used blocks. Whole words are taken at a time: a disk of 256 GiB has a
// million of them.

#include "libos/store/space.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

void
space_begin(struct space *space, u64 *bits, u64 blocks)
{
	ASSERT(blocks >= STORE_BLOCKS_MIN && blocks <= STORE_BLOCKS_MAX);
	*space = (struct space){
		.bits = bits,
		.blocks = blocks,
		.used_count = STORE_FIRST_BLOCK,
		.next = STORE_FIRST_BLOCK,
	};
	memset(bits, 0, space_words(blocks) * sizeof(u64));
	bits[0] = (1u << STORE_FIRST_BLOCK) - 1;
}

bool
space_contains(const struct space *space, u64 first, u64 count)
{
	return first >= STORE_FIRST_BLOCK && count <= space->blocks &&
	       first <= space->blocks - count;
}

// The bits of the word at `block` that belong to a run of `count` from there, and
// how many those are.
static u64
mask_of(u64 block, u64 count, u64 *bits)
{
	u64 in_word = MIN(count, 64 - block % 64);

	*bits = in_word;
	return (in_word == 64 ? ~0ull : (1ull << in_word) - 1) << block % 64;
}

u64
space_use(struct space *space, u64 first, u64 count)
{
	u64 changed = 0, bits;

	ASSERT(space_contains(space, first, count));
	for (; count; first += bits, count -= bits) {
		u64 mask = mask_of(first, count, &bits);
		u64 *word = &space->bits[first / 64];

		changed += (u64)__builtin_popcountll(mask & ~*word);
		*word |= mask;
	}
	space->used_count += changed;
	ASSERT(space->used_count <= space->blocks);
	return changed;
}

u64
space_free(struct space *space, u64 first, u64 count)
{
	u64 changed = 0, bits;

	ASSERT(space_contains(space, first, count));
	for (; count; first += bits, count -= bits) {
		u64 mask = mask_of(first, count, &bits);
		u64 *word = &space->bits[first / 64];

		changed += (u64)__builtin_popcountll(mask & *word);
		*word &= ~mask;
	}
	space->used_count -= changed;
	ASSERT(space->used_count >= STORE_FIRST_BLOCK);
	return changed;
}

// The first used block of a run, or its end.
static u64
first_used(const struct space *space, u64 first, u64 count)
{
	u64 end = first + count, bits;

	for (; first < end; first += bits) {
		u64 mask = mask_of(first, end - first, &bits);
		u64 found = space->bits[first / 64] & mask;

		if (found)
			return first - first % 64 + (u32)__builtin_ctzll(found);
	}
	return end;
}

// The first free block from `first` on, or `end`.
static u64
first_free(const struct space *space, u64 first, u64 end)
{
	u64 bits;

	for (; first < end; first += bits) {
		u64 mask = mask_of(first, end - first, &bits);
		u64 found = ~space->bits[first / 64] & mask;

		if (found)
			return first - first % 64 + (u32)__builtin_ctzll(found);
	}
	return end;
}

bool
space_is_free(const struct space *space, u64 first, u64 count)
{
	ASSERT(space_contains(space, first, count));
	return first_used(space, first, count) == first + count;
}

static bool
find_between(const struct space *space, u64 from, u64 end, u64 count, u64 *first)
{
	while (from < end && count <= end - from) {
		u64 used;

		from = first_free(space, from, end);
		if (count > end - from)
			return false;
		used = first_used(space, from, count);
		if (used == from + count) {
			*first = from;
			return true;
		}
		from = used + 1;
	}
	return false;
}

bool
space_find(struct space *space, u64 count, u64 *first)
{
	u64 again = MIN(space->blocks, space->next + count);

	ASSERT(count);
	if (count > space_left(space))
		return false;
	if (!find_between(space, space->next, space->blocks, count, first) &&
	    !find_between(space, STORE_FIRST_BLOCK, again, count, first))
		return false;
	u64 changed = space_use(space, *first, count);

	ASSERT(changed == count);
	space->next = *first + count;
	return true;
}

u64
space_count(const struct space *space)
{
	u64 count = 0;

	for (u64 i = 0; i < space_words(space->blocks); i++)
		count += (u64)__builtin_popcountll(space->bits[i]);
	return count;
}
