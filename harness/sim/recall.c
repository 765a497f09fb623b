// SPDX-License-Identifier: BSD-2-Clause
// Polite requests: what the owner's and the holder's host do with them. One in two
// holders gives back, by a DROP or a RELEASE like any other (harness/sim/work.c).

#include "harness/sim/recall.h"
#include "harness/sim/export.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

#define LONGEST_NS (300 * NS_PER_MS)

void
recall_boot(struct sim_node *node)
{
	for (u32 i = 0; i < RECALLS; i++)
		node->recall[i].used = false;
	node->taking = CAP_NIL;
}

void
recall_begin(struct sim_node *node)
{
	u32 tree_node = export_pick(node), place = 0, had;
	struct sim_recall *r;
	struct rcap_ask ask = {
		.count = sim_below(2) ? ~0ull : 1 + sim_below(2),
		.deadline = node_now(node) + sim_below(LONGEST_NS),
	};

	while (place < RECALLS && node->recall[place].used)
		place++;
	if (place == RECALLS || tree_node == CAP_NIL ||
	    node->entry[tree_node] == RCAP_NONE || node->row[tree_node] == AUTHORITY_NONE)
		return;
	r = &node->recall[place];
	*r = (struct sim_recall){
		.used = true, .node = tree_node, .row = node->row[tree_node],
		.deadline = ask.deadline,
	};
	had = (u32)node->pool[tree_node].count;
	r->keep = (u32)(had - MIN(ask.count, had));
	ask.tag = place;
	ask.entry = node->entry[tree_node];
	if (rcap_recall(node->rcap, node_now(node), &ask) != CODE_NONE)
		r->used = false;
	else
		TRACE(node_index(node), "asks for row %lu back but for %lu units by %lu",
		      r->row, r->keep, ask.deadline);
}

// V1.
void
export_on_time(const struct sim_node *node)
{
	for (u32 i = 0; i < RECALLS; i++) {
		if (node->recall[i].used && node->recall[i].deadline <= node_now(node))
			sim_failed(node_index(node), "a holder keeps its owner waiting");
	}
}

bool
recall_takes(const struct sim_node *node, u32 tree_node)
{
	return node->taking == tree_node;
}

void
rcap_host_recalled(void *host, const struct rcap_recalled *recalled)
{
	struct sim_node *node = host;
	struct sim_recall *r = &node->recall[recalled->tag];

	ASSERT(recalled->tag < RECALLS);
	if (!r->used)
		sim_failed(node_index(node), "what nobody asked for came back");
	r->used = false;
	TRACE(node_index(node), "row %lu is back, %lu by force", r->row, recalled->taken);
	if (!recalled->taken) {
		sim.result->given++;
		return;
	}
	sim.result->taken++;
	if (node_now(node) < r->deadline)
		sim_failed(node_index(node), "something was taken before its deadline");
	if (!authority_holds(&sim.model.authority, r->row, sim.trace.now))
		sim_failed(node_index(node), "what was revoked was taken");
	if (authority_units(&sim.model.authority, r->row, sim.trace.now) !=
	    r->keep + recalled->taken)
		sim_failed(node_index(node), "something else was taken than was left");
	sim.model.authority.cap[r->row].taken = true;
	node->taking = r->node;
}

static struct held *
find_held(struct sim_node *node, u32 environment, u32 row)
{
	for (u32 env = 0; env < ENVS; env++) {
		for (u32 i = 0; i < HELD_MAX && node->env[env].id == environment; i++) {
			struct held *held = &node->env[env].held[i];

			if (held->used && held->row == row)
				return held;
		}
	}
	return NULL;
}

enum wire_code
rcap_host_asked(void *host, const struct rcap_remote *remote,
		const struct wire_recall *recall, u64 deadline)
{
	struct sim_node *node = host;
	u32 owner = node_of_peer(node, remote->peer);
	u32 row = authority_find(&sim.model.authority, owner,
				 node_boot_of(owner, remote->incarnation), remote->slot,
				 remote->generation);
	const struct party *holder;
	struct held *held;

	(void)deadline;
	if (row == AUTHORITY_NONE)
		sim_failed(node_index(node), "somebody is asked for what never was");
	holder = &sim.model.authority.cap[row].holder;
	if (holder->node != node_index(node) || holder->boot != node->boot ||
	    holder->env != recall->environment)
		sim_failed(node_index(node), "somebody is asked for another's");
	if (recall->gone &&
	    authority_holds(&sim.model.authority, row, sim.trace.now + 1) &&
	    authority_units(&sim.model.authority, row, sim.trace.now + 1) > recall->keep)
		sim_failed(node_index(node), "what is held is told to be gone");
	sim.model.authority.cap[row].told |= recall->gone;
	held = find_held(node, recall->environment, row);
	if (!held)
		return CODE_ENTRY;
	if (sim_below(2)) {
		held->asked = true;
		held->keep = (u32)recall->keep;
	}
	return CODE_NONE;
}

// Its owner and its holder live on, and what it was told in is spoken by both.
static bool
can_be_told(const struct sim_node *node, const struct authority_cap *row)
{
	const struct sim_node *holder = &sim.node[row->holder.node];

	return row->owner == node_index(node) && row->owner_boot == node->boot &&
	       row->holder.boot == holder->boot && !node->behind && !node->other &&
	       !holder->behind && !holder->other;
}

// V4.
void
recall_account(const struct sim_node *node)
{
	u64 untold = rcap_counters(node->rcap)->untold;

	for (u32 i = 0; i < sim.model.authority.count; i++) {
		const struct authority_cap *row = &sim.model.authority.cap[i];

		if (!row->taken || row->told || !can_be_told(node, row))
			continue;
		if (!untold)
			sim_failed(node_index(node), "what was taken by force was not told");
		untold--;
	}
}
