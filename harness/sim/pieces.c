// SPDX-License-Identifier: BSD-2-Clause
// The oracle's account of PUTV: the word and all pieces change in one step, or nothing
// does. A page that holds some of it is as it was with those bytes put in, and no others.

#include <string.h>

#include "harness/sim/effect.h"
#include "kernel/base/assert.h"

// A stretch of the owner's pages, and what an operation puts there.
struct stretch {
	u64 at;
	u32 len;
	const u8 *bytes;
};

// The word, after being added to, and the pieces. Returns how many.
static u32
stretches(const struct model *model, const struct model_op *op, const u8 word[8],
	  const u8 *payload, struct stretch stretch[PIECES_MAX + 1])
{
	u64 start = model_target(model, op);

	for (u32 i = 0; i < op->pieces; i++) {
		stretch[i] = (struct stretch){ start + op->piece[i].offset,
					       op->piece[i].len, payload };
		payload += op->piece[i].len;
	}
	stretch[op->pieces] = (struct stretch){ start, 8, word };
	return op->pieces + 1;
}

// Puts in what lies in a unit. False: nothing does.
static bool
put(const struct stretch *stretch, u32 count, u32 unit, u8 *image)
{
	u64 first = (u64)unit * UNIT;
	bool any = false;

	for (u32 i = 0; i < count; i++) {
		u64 from = MAX(stretch[i].at, first);
		u64 to = MIN(stretch[i].at + stretch[i].len, first + UNIT);

		if (from >= to)
			continue;
		memcpy(image + (from - first), stretch[i].bytes + (from - stretch[i].at),
		       to - from);
		any = true;
	}
	return any;
}

bool
pieces_explain(const struct model *model, const struct model_op *op,
	       const struct store *store, const struct difference *d)
{
	u8 payload[UNIT], image[UNIT], word[8];
	struct stretch stretch[PIECES_MAX + 1];
	u64 start = model_target(model, op), was[2] = { 0 };
	u32 count;
	bool here = false;

	if (!model_in_range(model, op, op->submitted) || !model_is_aligned(op))
		return false;
	memcpy(was, store->shadow + start, 8);
	if (model_first_match(op, was) == NO_CLAUSE)
		return false;
	was[0] += op->add;
	memcpy(word, was, 8);
	model_payload(op, payload);
	count = stretches(model, op, word, payload, stretch);
	for (u32 unit = 0; unit < store->units; unit++) {
		memcpy(image, store->shadow + (u64)unit * UNIT, UNIT);
		if (!put(stretch, count, unit, image))
			continue;
		if (memcmp(image, store->real + (u64)unit * UNIT, UNIT))
			return false;
		here |= unit == d->unit;
	}
	return here;
}

// The part of a unit between the first and the last byte that differ, in one change.
void
pieces_accept(struct model *model, const struct model_op *op, struct store *store)
{
	u8 payload[UNIT], image[UNIT], word[8] = { 0 };
	struct stretch stretch[PIECES_MAX + 1];
	u32 count;

	model_payload(op, payload);
	count = stretches(model, op, word, payload, stretch);
	for (u32 unit = 0; unit < store->units; unit++) {
		const u8 *shadow = store->shadow + (u64)unit * UNIT;
		const u8 *real = store->real + (u64)unit * UNIT;
		u32 first = 0, end = UNIT;

		if (!put(stretch, count, unit, image) || !memcmp(real, shadow, UNIT))
			continue;
		while (real[first] == shadow[first])
			first++;
		while (real[end - 1] == shadow[end - 1])
			end--;
		history_accept(&model->history, store,
			       &(struct difference){ unit, first, end - first },
			       model->trace->now);
	}
}
