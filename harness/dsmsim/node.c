// SPDX-License-Identifier: BSD-2-Clause
// A node: a core, its memory, what it believes of the others, and a program. One that
// was fenced starts again as another life, with nothing, as dsm/map does.

#include <string.h>

#include "harness/dsmsim/dsmsim.h"
#include "kernel/base/assert.h"

void
node_start(struct sim *sim, struct node *node)
{
	u32 index = (u32)(node - sim->node), done = node->program.done;
	struct coh_config config = {
		.pages = sim->plan.pages,
		.page_size = WORDS * 8,
		.self = index,
		.life = ++sim->lives,
		.flags = sim->plan.flags,
		.first_version = sim->plan.first_version,
		.hold_ns = NS_PER_MS,
		.retry_ns = 200 * NS_PER_US,
		.tick_ns = 5 * NS_PER_MS,
		.settle_ns = 10 * NS_PER_MS,
		.form_ns = 50 * NS_PER_MS,
		.seed = prng_u64(&sim->prng),
	};
	struct coh_memory memory = {
		.words = node->words, .holdings = node->holdings,
		.pages = node->pages, .gathers = node->gathers,
		.scratch = node->scratch,
	};

	memset(node, 0, sizeof(*node));
	node->up = true;
	node->index = index;
	node->life = config.life;
	node->wake_at = ~0ull;
	node->program.done = done;
	coh_init(&node->coh, &config, &memory, sim->now);
	sim_trace(sim, "node %u starts, life %u", index, node->life);
}

// What the node is told of who is there; it lends its memory to them. It decides while
// it believes a majority alive and reaches them: leases end before anybody is given up.
void
node_view(struct sim *sim, struct node *node)
{
	u64 alive = 0;
	u32 life[COH_MEMBERS_MAX] = { 0 };
	u32 reached = 0;

	for (u32 i = 0; i < sim->plan.nodes; i++) {
		if (!(node->view >> i & 1))
			continue;
		reached += i == node->index || (!node->cut && !sim->node[i].cut);
		if (i != node->index && !(node->known >> i & 1))
			continue;
		alive |= coh_bit(i);
		life[i] = i == node->index ? node->life : node->view_life[i];
		if (i != node->index && node->lent[i] != life[i] &&
		    node->banned[i] != life[i] && life[i] > node->lent[i])
			node->lent[i] = life[i];
	}
	coh_alive(&node->coh, sim->now, node->view | alive, alive, life,
		  reached * 2 > sim->plan.nodes);
}

static void
restart_when_fenced(struct sim *sim, struct node *node)
{
	if (node->coh.phase != COH_FENCED)
		return;
	sim->total.fenced++;
	node_start(sim, node);
	sim_news(sim);
}

static void
trace_round(struct sim *sim, struct node *node)
{
	const struct coh *coh = &node->coh;
	u64 place = (u64)coh->epoch.id << 8 | coh->phase;

	if (place != node->place)
		sim_trace(sim, "node %u in epoch %u %llx, round %u", node->index,
			  coh->epoch.id, (unsigned long long)coh->epoch.members,
			  coh->phase);
	node->place = place;
}

void
node_pump(struct sim *sim, struct node *node)
{
	struct coh_action action;
	u64 due;

	ASSERT(node->up && !node->paused);
	restart_when_fenced(sim, node);
	for (u32 rounds = 0; rounds < 64; rounds++) {
		u32 actions = 0;

		while (coh_next(&node->coh, sim->now, &action)) {
			wire_do(sim, node, &action);
			trace_round(sim, node);
			actions++;
			ASSERT(actions < 10000);
		}
		coh_check(&node->coh);
		program_run(sim, node);
		if (!actions)
			break;
	}
	due = MIN(coh_due(&node->coh), node->program.next_at);
	if (due < node->wake_at || node->wake_at <= sim->now) {
		node->wake_at = MAX(due, sim->now + NS_PER_US);
		sim_event(sim, node->wake_at - sim->now, EVENT_NODE, node->index, 0,
			  0);
	}
}

bool
node_has_finished(const struct sim *sim, const struct node *node)
{
	return node->up && node->program.done >= sim->plan.steps;
}
