// SPDX-License-Identifier: BSD-2-Clause
// Putting filters into the trie and taking them out. The contract and the way that a
// frame goes are in trie.h.
//
// The buckets are chosen by a product with a secret odd key, so that nobody can
// choose values that meet in one. No count of a node's users is kept: a node that
// has no test and no entry left has no user, and goes.

#include "kernel/filter/trie.h"
#include "kernel/base/assert.h"

#define MAC_MASK 0xffffffffffffull
#define GROUP_BIT 1ull			// the first bit on the wire

STATIC_ASSERT(TRIE_NODES_MAX < TRIE_NIL);
STATIC_ASSERT(TRIE_BUCKETS == 1u << (64 - 52));
STATIC_ASSERT(RINGS_MAX <= 32);

void
trie_init(struct trie *t, u64 key)
{
	t->key = key | 1;
	t->free_node = TRIE_ROOTS;
	t->free_test = 0;
	for (u32 i = 0; i < TRIE_NODES_MAX; i++) {
		bool last = i + 1 == TRIE_NODES_MAX;

		t->node[i] = (struct trie_node){
			.test = TRIE_NIL,
			.chain = last ? TRIE_NIL : (u16)(i + 1),
			.tests = TRIE_NIL,
			.entries = TRIE_NIL,
		};
		t->test[i] = (struct trie_test){
			.next = last ? TRIE_NIL : (u16)(i + 1),
		};
	}
	for (u32 i = 0; i < TRIE_BUCKETS; i++)
		t->bucket[i] = TRIE_NIL;
	for (u32 i = 0; i < TRIE_ENTRIES_MAX; i++) {
		for (u32 root = 0; root < TRIE_ROOTS; root++)
			t->entry[i].end[root] = TRIE_NIL;
	}
}

static u16 *
bucket_of(struct trie *t, u32 test, u64 value)
{
	return &t->bucket[(value + test) * t->key >> 52];
}

// The test of `node` for that word and mask, made when there is none.
static u32
test_for(struct trie *t, u32 node, u32 word, u64 mask)
{
	u32 index = t->node[node].tests;

	while (index != TRIE_NIL &&
	       (t->test[index].offset != 8 * word || t->test[index].mask != mask))
		index = t->test[index].next;
	if (index != TRIE_NIL)
		return index;
	index = t->free_test;
	ASSERT(index != TRIE_NIL && t->test[index].children == 0);
	t->free_test = t->test[index].next;
	t->test[index] = (struct trie_test){
		.mask = mask,
		.node = (u16)node,
		.next = t->node[node].tests,
		.offset = (u8)(8 * word),
	};
	t->node[node].tests = (u16)index;
	return index;
}

// The child of a test for that value, made when there is none.
static u32
child_for(struct trie *t, u32 index, u64 value)
{
	struct trie_test *test = &t->test[index];
	u32 child = test->children ? trie_child(t, test, index, value) : TRIE_NIL;
	u16 *bucket = bucket_of(t, index, value);

	ASSERT((value & ~test->mask) == 0);			// T2
	if (child != TRIE_NIL)
		return child;
	child = t->free_node;
	ASSERT(child != TRIE_NIL && child >= TRIE_ROOTS);
	t->free_node = t->node[child].chain;
	t->node[child] = (struct trie_node){
		.value = value,
		.test = (u16)index,
		.chain = *bucket,
		.tests = TRIE_NIL,
		.entries = TRIE_NIL,
		.weight = (u16)(t->node[test->node].weight +
				__builtin_popcountll(test->mask)),
	};
	*bucket = (u16)child;
	test->children++;
	test->only ^= (u16)child;
	return child;
}

// Makes the way of a filter from one root whose first step asks `mask` of word 0.
static void
put_below(struct trie *t, enum trie_root root, u32 entry, u64 mask, u64 value,
	  const struct filter *f)
{
	u32 node = root;

	if ((f->value[0] ^ value) & f->mask[0] & mask)
		return;			// no frame of this root meets it
	node = child_for(t, test_for(t, node, 0, mask), value);
	for (u32 word = 0; word < FILTER_WORDS; word++) {
		u64 rest = f->mask[word] & ~(word == 0 ? mask : 0);

		if (rest)
			node = child_for(t, test_for(t, node, word, rest),
					 f->value[word] & rest);
	}
	t->entry[entry].end[root] = (u16)node;
	t->entry[entry].next[root] = t->node[node].entries;
	t->node[node].entries = (u16)entry;
}

void
trie_put(struct trie *t, u32 entry, u64 mac, const struct filter *f)
{
	ASSERT(entry < TRIE_ENTRIES_MAX && (mac & ~MAC_MASK) == 0);
	for (u32 root = 0; root < TRIE_ROOTS; root++)
		ASSERT(t->entry[entry].end[root] == TRIE_NIL);
	put_below(t, TRIE_ONE, entry, MAC_MASK, mac, f);
	put_below(t, TRIE_GROUP, entry, GROUP_BIT, GROUP_BIT, f);
}

static void
free_test(struct trie *t, u32 index)
{
	u16 *at = &t->node[t->test[index].node].tests;

	for (u32 i = 0; *at != index; i++) {
		ASSERT(i < TRIE_NODES_MAX && *at != TRIE_NIL);
		at = &t->test[*at].next;
	}
	*at = t->test[index].next;
	t->test[index].next = t->free_test;
	t->free_test = (u16)index;
}

// Frees a node, and the test that it was the last child of; returns who asked it.
static u32
free_node(struct trie *t, u32 node)
{
	u32 index = t->node[node].test;
	struct trie_test *test = &t->test[index];
	u16 *at = bucket_of(t, index, t->node[node].value);

	for (u32 i = 0; *at != node; i++) {
		ASSERT(i < TRIE_NODES_MAX && *at != TRIE_NIL);
		at = &t->node[*at].chain;
	}
	*at = t->node[node].chain;
	t->node[node].chain = t->free_node;
	t->free_node = (u16)node;
	test->only ^= (u16)node;
	if (--test->children == 0)
		free_test(t, index);
	return test->node;
}

void
trie_take(struct trie *t, u32 entry)
{
	ASSERT(entry < TRIE_ENTRIES_MAX);
	for (u32 root = 0; root < TRIE_ROOTS; root++) {
		u32 node = t->entry[entry].end[root];
		u16 *at;

		if (node == TRIE_NIL)
			continue;
		at = &t->node[node].entries;
		for (u32 i = 0; *at != entry; i++) {
			ASSERT(i < TRIE_ENTRIES_MAX && *at != TRIE_NIL);
			at = &t->entry[*at].next[root];
		}
		*at = t->entry[entry].next[root];
		t->entry[entry].end[root] = TRIE_NIL;
		while (node != root && t->node[node].tests == TRIE_NIL &&
		       t->node[node].entries == TRIE_NIL)	// T1
			node = free_node(t, node);
	}
}

u32
trie_group(const struct trie *t, const u8 *window)
{
	struct trie_walk w = { TRIE_GROUP, false };
	u32 rings = 0;

	for (; w.node != TRIE_NIL; trie_step(t, &w, window)) {
		u32 entry = t->node[w.node].entries;

		for (; entry != TRIE_NIL; entry = t->entry[entry].next[TRIE_GROUP])
			rings |= 1u << entry / RING_FILTERS_MAX;
	}
	return rings;
}
