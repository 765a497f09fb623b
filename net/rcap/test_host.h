// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The host of a node of the rig (test_rig.h): a small derivation tree, what was taken
// out of pools, a disk whose operations take their time, and lists of what the core told
// it. Included by test_rig.c and by nobody else: a program has these functions once.

#include <string.h>

#include "kernel/base/assert.h"
#include "net/rcap/test_rig.h"

#define NODE(host) ((struct rig_node *)(host))

bool
rcap_host_walk(void *host, u32 node, u32 node_generation, u8 *rights)
{
	const struct rig_tree_node *tree = NODE(host)->tree;

	NODE(host)->walks++;
	if (!tree[node].used || tree[node].generation != node_generation)
		return false;
	for (; node != RCAP_NONE; node = tree[node].parent) {
		if (tree[node].revoked)
			return false;
		*rights &= tree[node].rights;
	}
	return true;
}

bool
rcap_host_below(void *host, u32 node, u32 above)
{
	ASSERT(NODE(host)->tree[node].used);
	while (node != RCAP_NONE && (node = NODE(host)->tree[node].parent) != above)
		;
	return node == above;
}

static u32
tree_add(struct rig_node *n, u32 parent)
{
	for (u32 i = 0; i < RIG_TREE; i++) {
		if (n->tree[i].used)
			continue;
		n->tree[i] = (struct rig_tree_node){
			.used = true, .parent = parent, .entry = RCAP_NONE,
			.generation = n->tree[i].generation + 1,
			.rights = WIRE_RIGHTS,
		};
		return i;
	}
	return RCAP_NONE;
}

enum wire_code
rcap_host_derive(void *host, u32 parent, u32 rights, u64 base, u64 count,
		 u32 *node, u32 *node_generation)
{
	(void)rights;
	(void)base;
	(void)count;
	*node = tree_add(host, parent);
	if (*node == RCAP_NONE)
		return CODE_TABLE;
	*node_generation = NODE(host)->tree[*node].generation;
	return CODE_NONE;
}

void
rcap_host_revoke(void *host, u32 node, bool self)
{
	struct rig_node *n = host;

	n->tree[node].revoked |= self;
	for (u32 i = 0; i < RIG_TREE; i++) {
		if (n->tree[i].used && n->tree[i].parent == node)
			n->tree[i].revoked = true;
	}
	rcap_revoked(n->rcap);
}

void
rcap_host_protect(void *host, u32 node, u8 rights)
{
	NODE(host)->tree[node].rights &= rights;
	rcap_revoked(NODE(host)->rcap);
}

static bool
overlaps(struct rig_node *n, u64 base, u64 count)
{
	for (u32 i = 0; i < RIG_TREE; i++) {
		const struct rig_tree_node *t = &n->tree[i];
		u8 rights = WIRE_RIGHTS;

		if (t->used && t->taken && t->base < base + count &&
		    base < t->base + t->count &&
		    (n->unclean || rcap_host_walk(n, i, t->generation, &rights)))
			return true;
	}
	return false;
}

enum wire_code
rcap_host_alloc(void *host, u32 parent, const struct wire_alloc *wanted,
		struct rcap_taken *taken)
{
	struct rig_node *n = host;
	u64 end = wanted->base + wanted->range;

	for (u64 at = wanted->base; at + wanted->count <= end; at++) {
		if (overlaps(n, at, wanted->count))
			continue;
		taken->node = tree_add(n, parent);
		if (taken->node == RCAP_NONE)
			return CODE_TABLE;
		n->tree[taken->node].taken = true;
		n->tree[taken->node].base = taken->base = at;
		n->tree[taken->node].count = wanted->count;
		taken->node_generation = n->tree[taken->node].generation;
		memset(n->memory + at * 4096, 0, wanted->count * 4096ull);
		return CODE_NONE;
	}
	taken->later = n->unclean;
	return CODE_FRAMES;
}

enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant)
{
	const struct rcap_secret *secret = rcap_granted(NODE(host)->rcap);
	struct rig_node *n = host;

	if (grant->environment == 0)
		return CODE_ENVIRONMENT;
	if (n->places == n->places_max)
		return CODE_PLACE;
	n->place[n->places++] = (struct rig_place){
		*remote, *grant, secret ? *secret : (struct rcap_secret){ .at = 0 }, secret,
	};
	return CODE_NONE;
}

void
rcap_host_grant_ended(void *host, u32 entry, u32 node, u32 node_generation,
		      enum wire_code code)
{
	struct rig_node *n = host;

	ASSERT(n->tree[node].generation == node_generation);
	n->grants_ended++;
	n->grant_code = code;
	n->tree[node].entry = entry;
	if (code != CODE_NONE)
		n->tree[node].used = false;
}

void
rcap_host_message(void *host, const struct rcap_message *message)
{
	NODE(host)->message[NODE(host)->messages++ % RIG_PLACES] = *message;
}

// A program that counts its runs and sums the bytes of its messages.
enum wire_code
rcap_host_invoke(void *host, const struct rcap_message *message, const u8 *bytes,
		 u64 result[2], u64 *took_ns)
{
	struct rig_node *n = host;

	if (!n->handles)
		return CODE_HANDLER;
	for (u32 i = 0; i < message->length; i++)
		n->invoked_sum += bytes[i];
	*took_ns = n->invoke_ns;
	result[0] = ++n->invoked;
	result[1] = n->invoked_sum;
	return CODE_NONE;
}

void
rcap_host_changed(void *host, u64 local, u32 len)
{
	ASSERT(local + len <= RIG_PAGES * 4096u);
	NODE(host)->changed++;
}

bool
rcap_host_block(void *host, u32 ticket, enum wire_op op, u64 block, u32 count,
		u8 *page)
{
	struct rig_node *n = host;

	for (u32 i = 0; i < ARRAY_SIZE(n->block) && !n->block_full; i++) {
		if (n->block[i].used)
			continue;
		n->block[i] = (struct rig_block){
			true, ticket, op, block, count, page,
			n->rig->now + n->block_ns
		};
		return true;
	}
	return false;
}

bool
rcap_host_able(void *host, enum wire_op op)
{
	ASSERT(op == OP_BLOCK_TRIM || op == OP_BLOCK_ZERO);
	return !NODE(host)->unable;
}

bool
rcap_host_cas16(void *host, u64 *at, u64 expected[2], const u64 desired[2])
{
	bool same = at[0] == expected[0] && at[1] == expected[1];

	(void)host;
	expected[0] = at[0];
	expected[1] = at[1];
	if (same) {
		at[0] = desired[0];
		at[1] = desired[1];
	}
	return same;
}

u8 *
rcap_host_buffer(void *host)
{
	return NODE(host)->starved ? NULL : NODE(host)->buffer;
}

bool
rcap_host_room(void *host)
{
	return !NODE(host)->starved && !NODE(host)->engaged;
}
