// SPDX-License-Identifier: BSD-2-Clause
// Pools of pages. What others took out of one is still its owner's; nodes of the tree
// say that it is taken, and it is free when they are gone.

#include <string.h>

#include "harness/sim/export.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

// The page is in somebody's hands, or will be when what was withdrawn is cleaned up.
static u32
hands(const struct sim_node *node, u64 page)
{
	u32 count = 0;

	for (u32 i = 0; i < TREE_NODES; i++) {
		const struct cap *cap = &node->pool[i];

		count += node->allocated[i] && page >= cap->base &&
			 page < cap->base + cap->count;
	}
	return count;
}

void
export_check_pools(const struct sim_node *node)
{
	for (u32 i = 0; i < TREE_NODES; i++)
		ASSERT(!node->allocated[i] || node->pool[i].type == CAP_FRAMES);
	for (u64 page = OWN_PAGES; page < PAGES; page++) {
		if (hands(node, page) > 1)
			sim_failed(node_index(node), "a page of a pool is in two hands");
	}
}

static bool
cleans_up(const struct sim_node *node)
{
	for (u32 i = 0; i < CLEANS; i++) {
		if (node->clean[i].used)
			return true;
	}
	return false;
}

// What somebody else has left there is gone, and whoever reads sees zeroes.
static void
clear(struct sim_node *node, u64 page, u32 count)
{
	u32 index = node_index(node);

	model_look(&sim.model, index, STORE_PAGES, sim.trace.now);
	memset(node->memory[page], 0, (u64)count * UNIT);
	model_wrote(&sim.model, index, STORE_PAGES);
}

enum wire_code
rcap_host_alloc(void *host, u32 parent, const struct wire_alloc *wanted,
		struct rcap_taken *taken)
{
	struct sim_node *node = host;
	u64 page = wanted->base, end = wanted->base + wanted->range;
	enum wire_code code;
	u32 run = 0;

	if (wanted->base < OWN_PAGES || end > PAGES)
		sim_failed(node_index(node), "pages were taken that are no pool's");
	for (; page < end && run < wanted->count; page++)
		run = hands(node, page) ? 0 : run + 1;
	if (run < wanted->count) {
		taken->later = cleans_up(node);
		return CODE_FRAMES;
	}
	taken->base = page - wanted->count;
	code = rcap_host_derive(host, parent, wanted->rights, taken->base, wanted->count,
				&taken->node, &taken->node_generation);
	if (code != CODE_NONE)
		return code;
	node->allocated[taken->node] = true;
	clear(node, taken->base, wanted->count);
	return CODE_NONE;
}
