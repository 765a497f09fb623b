// SPDX-License-Identifier: BSD-2-Clause
// Ownership of frames: a state for each, and a count of the free ones. The
// search is next fit, because programs allocate large runs rarely and single
// frames (page tables) often. Invariants are in own.h.

#include "kernel/own/own.h"
#include "kernel/base/assert.h"

void
own_init(struct own *own, struct frame_info *table, u64 count)
{
	ASSERT(count > 0);
	*own = (struct own){ .frame = table, .count = count };
	for (u64 i = 0; i < count; i++) {
		table[i] = (struct frame_info){
			.owner = OWNER_NONE,
			.state = FRAME_RESERVED,
		};
	}
}

void
own_add(struct own *own, u64 frame)
{
	if (frame >= own->count || own->frame[frame].state != FRAME_RESERVED)
		return;
	own->frame[frame].state = FRAME_FREE;
	own->free++;
}

// Length of the free run at `base`, at most `most`.
static u64
free_run(const struct own *own, u64 base, u64 most)
{
	u64 run = 0;

	while (run < most && base + run < own->count &&
	       own->frame[base + run].state == FRAME_FREE)
		run++;
	return run;
}

static u64
search(const struct own *own, u64 from, u64 to, u64 count)
{
	while (from < to) {
		u64 run = free_run(own, from, count);

		if (run == count)
			return from;
		from += run + 1;
	}
	return FRAME_ANY;
}

u64
own_find(const struct own *own, u64 base, u64 count)
{
	ASSERT(count > 0);
	if (count > own->free)
		return FRAME_ANY;
	if (base != FRAME_ANY) {
		if (base >= own->count || free_run(own, base, count) < count)
			return FRAME_ANY;
		return base;
	}

	u64 found = search(own, own->next, own->count, count);

	return found != FRAME_ANY ? found : search(own, 0, own->next, count);
}

void
own_take(struct own *own, u64 base, u64 count, u16 owner,
	 enum frame_state state)
{
	ASSERT(state != FRAME_FREE && state != FRAME_LIMBO);
	ASSERT((state == FRAME_RESERVED) == (owner == OWNER_NONE));
	for (u64 f = base; f < base + count; f++) {
		ASSERT(own->frame[f].state == FRAME_FREE);
		own->frame[f].state = (u8)state;
		own->frame[f].owner = owner;
	}
	own->free -= count;
	own->next = base + count < own->count ? base + count : 0;
}

void
own_release(struct own *own, u64 base, u64 count)
{
	ASSERT(base < own->count && count <= own->count - base);
	for (u64 f = base; f < base + count; f++) {
		struct frame_info *frame = &own->frame[f];

		ASSERT(frame->state == FRAME_OWNED || frame->state == FRAME_TABLE);
		frame->owner = OWNER_NONE;
		frame->state = frame->pins ? FRAME_LIMBO : FRAME_FREE;
		own->free += frame->state == FRAME_FREE;
	}
}

void
own_pin(struct own *own, u64 base, u64 count)
{
	ASSERT(base < own->count && count <= own->count - base);
	for (u64 f = base; f < base + count; f++) {
		ASSERT(own->frame[f].state != FRAME_FREE);
		own->frame[f].pins++;
		ASSERT(own->frame[f].pins != 0);
	}
}

void
own_unpin(struct own *own, u64 base, u64 count)
{
	ASSERT(base < own->count && count <= own->count - base);
	for (u64 f = base; f < base + count; f++) {
		struct frame_info *frame = &own->frame[f];

		ASSERT(frame->pins > 0);
		frame->pins--;
		if (frame->pins == 0 && frame->state == FRAME_LIMBO) {
			frame->state = FRAME_FREE;
			own->free++;
		}
	}
}

void
own_check(const struct own *own)
{
	u64 free = 0;

	for (u64 f = 0; f < own->count; f++) {
		const struct frame_info *frame = &own->frame[f];

		ASSERT(frame->state <= FRAME_LIMBO);
		free += frame->state == FRAME_FREE;
		if (frame->state == FRAME_FREE) {			// O2
			ASSERT(frame->owner == OWNER_NONE && !frame->pins);
		} else if (frame->state == FRAME_LIMBO) {		// O3
			ASSERT(frame->pins > 0);
		}
	}
	ASSERT(free == own->free);					// O1
}
