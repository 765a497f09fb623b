// SPDX-License-Identifier: BSD-2-Clause
// Filters as one mask and one value over the first bytes of a frame. The
// contract is in filter.h.
//
// Invariant F1: value & ~mask is 0 in every word, so that equal filters have
// equal bytes and a comparison needs no second masking.

#include "kernel/filter/filter.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define ATOM_OFFSET_MAX (FILTER_WINDOW - 4u)

STATIC_ASSERT(sizeof(struct filter_window) == FILTER_WINDOW);

// Or-s a big-endian word into the bytes at `offset`.
static void
merge(u64 *words, u32 offset, u32 word)
{
	u8 *at = (u8 *)words + offset;

	be32_store(at, be32_load(at) | word);
}

static u32
word_at(const u64 *words, u32 offset)
{
	return be32_load((const u8 *)words + offset);
}

bool
filter_add(struct filter *f, const struct ring_atom *atoms, u32 count)
{
	struct filter sum = *f;

	for (u32 i = 0; i < count; i++) {
		const struct ring_atom *a = &atoms[i];

		if (a->offset > ATOM_OFFSET_MAX || (a->value & ~a->mask))
			return false;

		u32 both = word_at(sum.mask, a->offset) & a->mask;

		if ((word_at(sum.value, a->offset) ^ a->value) & both)
			return false;
		merge(sum.mask, a->offset, a->mask);
		merge(sum.value, a->offset, a->value);
	}
	for (u32 i = 0; i < FILTER_WORDS; i++)
		ASSERT((sum.value[i] & ~sum.mask[i]) == 0);		// F1
	*f = sum;
	return true;
}

void
filter_load(struct filter_window *w, const u8 *frame, u32 len)
{
	if (likely(len >= FILTER_WINDOW)) {
		__builtin_memcpy(w, frame, FILTER_WINDOW);
		return;
	}
	*w = (struct filter_window){ 0 };
	memcpy(w, frame, len);
}

bool
filter_accepts(const struct filter *f, const struct filter_window *w)
{
	u64 wrong = 0;

	for (u32 i = 0; i < FILTER_WORDS; i++)
		wrong |= (w->word[i] & f->mask[i]) ^ f->value[i];
	return wrong == 0;
}

bool
filter_overlap(const struct filter *a, const struct filter *b)
{
	u64 conflict = 0;

	for (u32 i = 0; i < FILTER_WORDS; i++)
		conflict |= (a->value[i] ^ b->value[i]) & a->mask[i] & b->mask[i];
	return conflict == 0;
}

bool
filter_within(const struct filter *narrow, const struct filter *wide)
{
	u64 missing = 0;

	for (u32 i = 0; i < FILTER_WORDS; i++) {
		missing |= wide->mask[i] & ~narrow->mask[i];
		missing |= (narrow->value[i] & wide->mask[i]) ^ wide->value[i];
	}
	return missing == 0;
}

u32
filter_extent(const struct filter *f)
{
	const u8 *mask = (const u8 *)f->mask;
	u32 extent = FILTER_WINDOW;

	while (extent > 0 && mask[extent - 1] == 0)
		extent--;
	return extent;
}
