// SPDX-License-Identifier: BSD-2-Clause
// Command slots of an AHCI port; the contract is in ahci_slots.h. A slot's place is a bit
// in one of six sets, so that each step is a few operations on words.

#include "kernel/dev/ahci_slots.h"
#include "kernel/base/assert.h"

static u32
count_bits(u32 set)
{
	u32 count = 0;

	for (; set; set &= set - 1)
		count++;
	return count;
}

static u32
lowest(u32 set)
{
	ASSERT(set != 0);
	return (u32)__builtin_ctz(set);
}

void
ahci_slots_init(struct ahci_slots *s, u32 depth, bool queued)
{
	ASSERT(depth > 0 && depth <= AHCI_SLOTS_MAX);
	*s = (struct ahci_slots){
		.depth = depth,
		.queued = queued,
		.free = depth == AHCI_SLOTS_MAX ? ~0u : (1u << depth) - 1,
	};
}

u32
ahci_slots_room(const struct ahci_slots *s)
{
	return count_bits(s->free);
}

u32
ahci_slots_add(struct ahci_slots *s, enum ahci_kind kind, u32 cookie)
{
	u32 slot = lowest(s->free), bit = 1u << slot;

	ASSERT(s->count < s->depth);
	s->free &= ~bit;
	s->waiting |= bit;
	s->flushes = kind == AHCI_FLUSH ? s->flushes | bit : s->flushes & ~bit;
	s->cookie[slot] = cookie;
	s->queue[(s->first + s->count) % AHCI_SLOTS_MAX] = (u8)slot;
	s->count++;
	return slot;
}

bool
ahci_slots_next(struct ahci_slots *s, u32 *slot, bool *queued)
{
	if (s->alone || (s->suspect == 0 && s->count == 0))
		return false;

	u32 next = s->suspect ? lowest(s->suspect) : s->queue[s->first];
	u32 bit = 1u << next;
	bool together = s->queued && !((s->suspect | s->flushes) & bit);

	if (!together && s->active)
		return false;
	if (s->suspect) {
		s->suspect &= ~bit;
	} else {
		s->first = (s->first + 1) % AHCI_SLOTS_MAX;
		s->count--;
		s->waiting &= ~bit;
	}
	s->active |= bit;
	s->alone = !together;
	*slot = next;
	*queued = together;
	return true;
}

void
ahci_slots_finished(struct ahci_slots *s, u32 still)
{
	s->succeeded |= s->active & ~still;
	s->active &= still;
	if (!s->active)
		s->alone = false;
}

void
ahci_slots_error(struct ahci_slots *s)
{
	if (s->alone)
		s->failed |= s->active;
	else
		s->suspect |= s->active;
	s->active = 0;
	s->alone = false;
}

bool
ahci_slots_take(struct ahci_slots *s, u32 *cookie, bool *succeeded)
{
	u32 ended = s->succeeded | s->failed;

	if (!ended)
		return false;

	u32 slot = lowest(ended), bit = 1u << slot;

	*cookie = s->cookie[slot];
	*succeeded = s->succeeded & bit;
	s->succeeded &= ~bit;
	s->failed &= ~bit;
	s->free |= bit;
	return true;
}

void
ahci_slots_abandon(struct ahci_slots *s)
{
	s->failed |= s->waiting | s->suspect | s->active;
	s->waiting = s->suspect = s->active = 0;
	s->count = 0;
	s->alone = false;
}

void
ahci_slots_check(const struct ahci_slots *s)
{
	const u32 sets[] = { s->free,	s->waiting,   s->suspect,
			     s->active, s->succeeded, s->failed };
	u32 seen = 0;

	for (u32 i = 0; i < ARRAY_SIZE(sets); i++) {
		ASSERT((seen & sets[i]) == 0);				// A1
		seen |= sets[i];
	}
	ASSERT(count_bits(seen) == s->depth);
	ASSERT(!s->alone || count_bits(s->active) == 1);		// A2
	ASSERT(!(s->active & s->flushes) || s->alone);
	seen = 0;
	for (u32 i = 0; i < s->count; i++)
		seen |= 1u << s->queue[(s->first + i) % AHCI_SLOTS_MAX];
	ASSERT(seen == s->waiting && count_bits(seen) == s->count);	// A3
}
