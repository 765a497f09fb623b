// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Classification of frames, as a sans-IO core: all filters of a node in one trie, so
// that what many have in common is asked once (DPF: Engler and Kaashoek, SIGCOMM '96).
//
// A filter comes down to one (mask, value) for each 64-bit word that it looks at.
// On the way from the root a node asks tests, a word and a mask each; the word of the
// frame, and-ed with the mask, leads to the child of that value: by one compare when
// there is one child, by a keyed hash when there are more. Filters that ask the same
// of the same words share their way, and a hundred that differ in a port differ
// in the last step only. A node has more than one test where filters ask different
// things; all of them are followed.
//
// There are two roots. From TRIE_ONE the first step is the destination address, for
// frames to one; from TRIE_GROUP, which has no address, go frames to many.
//
// Bounds: a filter makes at most TRIE_LEVELS nodes below each root. A frame visits a
// node at most once, and of those under TRIE_ONE only nodes of filters with its
// address: who has another cannot make it dearer. Putting a filter in or out takes at
// most TRIE_LEVELS steps, each over the tests of one node and one hash chain.
//
// Invariants, checked by check_rig.c:
//   T1  a node other than a root has a test or an entry; a test has a child
//   T2  a child's value lies within its test's mask, and is in the chain of its hash
//   T3  used and free nodes are all nodes; the same for tests
//
// Not reentrant; the host serialises, so a frame sees each filter wholly or not.

#include "kernel/abi/layout.h"
#include "kernel/abi/ring.h"
#include "kernel/filter/filter.h"

#define TRIE_ENTRIES_MAX (RINGS_MAX * RING_FILTERS_MAX)
#define TRIE_LEVELS (FILTER_WORDS + 1u)
#define TRIE_ROOTS 2u
#define TRIE_NODES_MAX (TRIE_ROOTS * (1u + TRIE_ENTRIES_MAX * TRIE_LEVELS))
#define TRIE_BUCKETS 4096u
#define TRIE_NIL 0xffffu

enum trie_root {
	TRIE_ONE,
	TRIE_GROUP,
};

struct trie_node {
	u64 value;
	u16 test;		// that it is a child of; TRIE_NIL: a root
	u16 chain;		// next in its hash bucket, or in the free list
	u16 tests;		// first of those that it asks
	u16 entries;		// first of the filters that end here, newest first
	u16 weight;		// bits that the way here fixes
};

struct trie_test {
	u64 mask;
	u16 node;		// that asks
	u16 next;		// of the same node, or in the free list
	u16 children;		// 0: free
	u16 only;		// exclusive or of the children: with one, that one
	u8 offset;		// of the word in the window, in bytes
};

struct trie {
	u64 key;		// of the hash, odd
	u16 free_node;
	u16 free_test;
	struct trie_node node[TRIE_NODES_MAX];
	struct trie_test test[TRIE_NODES_MAX];
	u16 bucket[TRIE_BUCKETS];
	struct {
		u16 end[TRIE_ROOTS];	// node where it ends; TRIE_NIL: not in
		u16 next[TRIE_ROOTS];	// at the same node
	} entry[TRIE_ENTRIES_MAX];
};

// An empty trie; `key` is any number that nobody can guess.
void
trie_init(struct trie *t, u64 key);

// Puts a filter in under a number below TRIE_ENTRIES_MAX that is not in use: for
// frames to `mac` (egress_mac()), and for those to a group.
void
trie_put(struct trie *t, u32 entry, u64 mac, const struct filter *f);

// Takes it out.
void
trie_take(struct trie *t, u32 entry);

// A walk over the nodes that a window leads to.
struct trie_walk {
	u32 node;		// TRIE_NIL: over
	bool branched;		// some node on the way asks more than one test
};

// The child that a window leads to, or TRIE_NIL.
static inline u32
trie_child(const struct trie *t, const struct trie_test *test, u32 index, u64 word)
{
	u32 child = test->only;

	word &= test->mask;
	if (likely(test->children == 1))
		return t->node[child].value == word ? child : TRIE_NIL;
	child = t->bucket[(word + index) * t->key >> 52];
	while (child != TRIE_NIL &&
	       (t->node[child].value != word || t->node[child].test != index))
		child = t->node[child].chain;
	return child;
}

// Goes on to the next node, depth first. `window` has FILTER_WINDOW bytes.
static inline void
trie_step(const struct trie *t, struct trie_walk *w, const u8 *window)
{
	u32 index = t->node[w->node].tests;

	for (;;) {
		u32 child, up;

		while (index == TRIE_NIL) {
			up = w->branched ? t->node[w->node].test : TRIE_NIL;
			if (up == TRIE_NIL) {
				w->node = TRIE_NIL;
				return;
			}
			w->node = t->test[up].node;
			index = t->test[up].next;
		}
		const struct trie_test *test = &t->test[index];
		u64 word;

		__builtin_memcpy(&word, window + test->offset, 8);
		w->branched |= test->next != TRIE_NIL;
		child = trie_child(t, test, index, word);
		if (child != TRIE_NIL) {
			w->node = child;
			return;
		}
		index = test->next;
	}
}

// The entry that fixes most bits among those that accept a frame to one; of equal
// ones the newest. TRIE_NIL: none.
must_check static inline u32
trie_one(const struct trie *t, const u8 *window)
{
	struct trie_walk w = { TRIE_ONE, false };
	u32 found = TRIE_NIL, weight = 0;

	for (; w.node != TRIE_NIL; trie_step(t, &w, window)) {
		const struct trie_node *node = &t->node[w.node];

		if (node->entries != TRIE_NIL && node->weight >= weight) {
			found = node->entries;
			weight = node->weight;
		}
	}
	return found;
}

// Rings whose entries accept a frame to a group, as bits; entry n is one of ring
// n / RING_FILTERS_MAX.
must_check u32
trie_group(const struct trie *t, const u8 *window);
