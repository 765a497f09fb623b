// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The directory word: 128 bits at a page's home that say who may have the page. It is
// passive: requesters change it by compare-and-swap, the home runs no code for it.
//
//	low:   version 32 | epoch 20 | owner 6 | 0 | lost 1 | from_owner 1 | state 2
//	high:  sharers, or in B the holders whose answers the owner waits for
//
//	U  nobody has it; the home's frame is its content
//	S  the sharers may read it; the home's frame is its content
//	M  the owner may write it; the home's frame is old
//	B  the owner is about to read (or write) it and has the holders give it up
//
// The top bit is set in M and B: "not to be read freely". So joining the sharers is
// one masked swap, with the page read in the same operation. Every other change
// compares the whole word. Each M and each B has a version of its own, one more than
// the word before, so an answer or a late message can be told from a fresh one.

#include "dsm/core/planted.h"

#define COH_MEMBERS_MAX 64u
#define COH_EPOCH_MAX 0xfffffu

enum coh_state {
	COH_U,
	COH_S,
	COH_M,
	COH_B,
};

struct coh_word {
	u64 low;
	u64 high;
};

// The same, taken apart.
struct coh_entry {
	u64 sharers;
	u32 version;
	u32 epoch;
	u8 owner;
	u8 state;		// enum coh_state
	bool from_owner;	// B: it was M before, and `sharers` is the owner then
	bool lost;		// U: nobody has the newest content
};

// One clause of the fabric's MCAS.
struct coh_clause {
	struct coh_word compare;
	struct coh_word compare_mask;
	struct coh_word swap;
	struct coh_word swap_mask;
};

#define COH_WORD_STATE_SHIFT 62
#define COH_WORD_FROM_OWNER (1ull << 61)
#define COH_WORD_LOST (1ull << 60)
#define COH_WORD_OWNER_SHIFT 52
#define COH_WORD_EPOCH_SHIFT 32

struct coh_word
coh_word_pack(const struct coh_entry *entry);
struct coh_entry
coh_word_unpack(struct coh_word word);

static inline bool
coh_word_same(struct coh_word a, struct coh_word b)
{
	return a.low == b.low && a.high == b.high;
}

// Versions wrap: a is older than b when it is at most half of them behind.
static inline bool
coh_older(u32 a, u32 b)
{
	return DSM_BUG_IS(PLAIN_ORDER) ? a < b : (i32)(a - b) < 0;
}

static inline u64
coh_bit(u32 member)
{
	return 1ull << (member % COH_MEMBERS_MAX);
}

// The clauses. Join: add a sharer to U or S of this epoch. Exact: this word, whole.
// Probe: nothing; the operation tells what is there.
struct coh_clause
coh_clause_join(u32 epoch, u32 member);
struct coh_clause
coh_clause_exact(struct coh_word from, struct coh_word to);
struct coh_clause
coh_clause_probe(void);

// Whether a clause fits, and what is there then.
bool
coh_clause_apply(const struct coh_clause *clause, struct coh_word old,
		 struct coh_word *next);
