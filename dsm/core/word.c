// SPDX-License-Identifier: BSD-2-Clause
// The directory word's layout and the clauses on it: pure functions.

#include "dsm/core/word.h"
#include "dsm/core/planted.h"
#include "kernel/base/assert.h"

#define STATE_BUSY_BIT (1ull << 63)
#define EPOCH_BITS ((u64)COH_EPOCH_MAX << COH_WORD_EPOCH_SHIFT)
#define OWNER_MASK (COH_MEMBERS_MAX - 1)

STATIC_ASSERT(COH_MEMBERS_MAX == 64);

struct coh_word
coh_word_pack(const struct coh_entry *e)
{
	ASSERT(e->epoch <= COH_EPOCH_MAX && e->owner < COH_MEMBERS_MAX);
	ASSERT(e->state <= COH_B && (!e->lost || e->state == COH_U));
	return (struct coh_word){
		.low = e->version | (u64)e->epoch << COH_WORD_EPOCH_SHIFT |
		       (u64)e->owner << COH_WORD_OWNER_SHIFT |
		       (e->lost ? COH_WORD_LOST : 0) |
		       (e->from_owner ? COH_WORD_FROM_OWNER : 0) |
		       (u64)e->state << COH_WORD_STATE_SHIFT,
		.high = e->sharers,
	};
}

struct coh_entry
coh_word_unpack(struct coh_word word)
{
	return (struct coh_entry){
		.sharers = word.high,
		.version = (u32)word.low,
		.epoch = (u32)(word.low >> COH_WORD_EPOCH_SHIFT) & COH_EPOCH_MAX,
		.owner = (u8)(word.low >> COH_WORD_OWNER_SHIFT & OWNER_MASK),
		.state = (u8)(word.low >> COH_WORD_STATE_SHIFT),
		.from_owner = word.low & COH_WORD_FROM_OWNER,
		.lost = word.low & COH_WORD_LOST,
	};
}

struct coh_clause
coh_clause_join(u32 epoch, u32 member)
{
	ASSERT(epoch <= COH_EPOCH_MAX && member < COH_MEMBERS_MAX);
	return (struct coh_clause){
		.compare.low = (u64)epoch << COH_WORD_EPOCH_SHIFT,
		.compare_mask.low = EPOCH_BITS | STATE_BUSY_BIT | COH_WORD_LOST,
		.swap = { (u64)COH_S << COH_WORD_STATE_SHIFT, coh_bit(member) },
		.swap_mask = { (u64)COH_B << COH_WORD_STATE_SHIFT,
			       coh_bit(member) },
	};
}

struct coh_clause
coh_clause_exact(struct coh_word from, struct coh_word to)
{
	ASSERT(!coh_word_same(from, to));
	return (struct coh_clause){
		.compare = from,
		.compare_mask = { ~0ull, DSM_BUG_IS(CLAIM_LOOSE) ? 0 : ~0ull },
		.swap = to,
		.swap_mask = { ~0ull, ~0ull },
	};
}

struct coh_clause
coh_clause_probe(void)
{
	// No word is all ones: epoch and version are never both at their end.
	return (struct coh_clause){
		.compare = { ~0ull, ~0ull },
		.compare_mask = { ~0ull, ~0ull },
	};
}

bool
coh_clause_apply(const struct coh_clause *c, struct coh_word old,
		 struct coh_word *next)
{
	*next = old;
	if (((old.low ^ c->compare.low) & c->compare_mask.low) ||
	    ((old.high ^ c->compare.high) & c->compare_mask.high))
		return false;
	next->low = (old.low & ~c->swap_mask.low) |
		    (c->swap.low & c->swap_mask.low);
	next->high = (old.high & ~c->swap_mask.high) |
		     (c->swap.high & c->swap_mask.high);
	return true;
}
