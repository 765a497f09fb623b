// SPDX-License-Identifier: BSD-2-Clause
// The audit of claims and of their trie: every invariant of claim.h and trie.h, by
// walks that the kernel has no time for.

#include "kernel/filter/check_rig.h"
#include "kernel/base/assert.h"

static bool
sends(u32 claim)
{
	return claim % CLAIMS_A_RING == CLAIM_SEND;
}

static u32
entry_of(u32 claim)
{
	return claim / CLAIMS_A_RING * RING_FILTERS_MAX + claim % CLAIMS_A_RING;
}

static bool
alike(const struct claims *c, u32 claim, bool sending, u64 mac)
{
	return c->claim[claim].used && sends(claim) == sending &&
	       c->claim[claim].mac == mac;
}

static u32
check_test(const struct trie *t, u32 index)
{
	const struct trie_test *test = &t->test[index];
	u32 children = 0, only = 0;

	ASSERT(test->children > 0 && test->mask && test->offset < FILTER_WINDOW);
	for (u32 i = TRIE_ROOTS; i < TRIE_NODES_MAX; i++) {
		const struct trie_node *n = &t->node[i];

		if (n->test != index || (n->tests == TRIE_NIL &&
					 n->entries == TRIE_NIL))
			continue;
		ASSERT((n->value & ~test->mask) == 0);			// T2
		ASSERT(trie_child(t, test, index, n->value) == i);
		only ^= i;
		children++;
	}
	ASSERT(children == test->children && only == test->only);	// T1
	return children;
}

static void
check_trie(const struct trie *t)
{
	u32 nodes = TRIE_ROOTS, tests = 0;

	for (u32 i = 0; i < TRIE_NODES_MAX; i++) {
		const struct trie_node *n = &t->node[i];
		u32 index = n->tests;

		for (; index != TRIE_NIL; index = t->test[index].next) {
			ASSERT(t->test[index].node == i);
			nodes += check_test(t, index);
			tests++;
		}
	}
	for (u32 i = t->free_node; i != TRIE_NIL; i = t->node[i].chain) {
		ASSERT(t->node[i].tests == TRIE_NIL);
		ASSERT(t->node[i].entries == TRIE_NIL);			// T1
		nodes++;
	}
	for (u32 i = t->free_test; i != TRIE_NIL; i = t->test[i].next)
		tests++;
	ASSERT(nodes == TRIE_NODES_MAX && tests == TRIE_NODES_MAX);	// T3
}

static void
check_claim(const struct claims *c, u32 i)
{
	const struct claim *x = &c->claim[i];

	for (u32 j = 0; j < CLAIMS_MAX; j++) {
		const struct claim *y = &c->claim[j];

		if (j / CLAIMS_A_RING == i / CLAIMS_A_RING || y->number > x->number ||
		    !alike(c, j, sends(i), x->mac))
			continue;
		ASSERT(sends(i) || !filter_overlap(&x->filter, &y->filter) ||
		       filter_within(&x->filter, &y->filter));		// M1
	}
	if (x->under == CLAIM_NONE)
		return;
	ASSERT(alike(c, x->under, sends(i), x->mac));			// M2
	ASSERT(c->claim[x->under].number < x->number);
	ASSERT(sends(i) ||
	       filter_within(&x->filter, &c->claim[x->under].filter));
}

void
claims_check(const struct claims *c)
{
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		if (c->claim[i].used)
			check_claim(c, i);
		ASSERT(c->claim[i].used || sends(i) ||
		       (c->trie.entry[entry_of(i)].end[TRIE_ONE] == TRIE_NIL &&
			c->trie.entry[entry_of(i)].end[TRIE_GROUP] == TRIE_NIL)); // M3
	}
	check_trie(&c->trie);
}
