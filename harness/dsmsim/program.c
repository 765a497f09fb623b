// SPDX-License-Identifier: BSD-2-Clause
// What runs on a node: one step after another, each when its pages are here. Some give
// a step up and take another one, as a program does that asks dsm_ready(); a node that
// is cut off lives on what it has.

#include "harness/dsmsim/dsmsim.h"
#include "kernel/base/assert.h"

#define STARVED_NS (3 * NS_PER_SECOND)

static void
plan_step(struct sim *sim, struct node *node)
{
	struct program *p = &node->program;
	const struct plan *plan = &sim->plan;
	u32 dice = sim_below(sim, 100);

	p->page = sim_below(sim, plan->pages);
	p->word = sim_below(sim, WORDS);
	p->other_page = sim_below(sim, plan->pages);
	p->other_word = sim_below(sim, WORDS);
	p->since = sim->now;
	p->held = false;
	p->both_at = 0;
	if (dice < plan->evictions)
		p->kind = STEP_EVICT;
	else if ((dice -= plan->evictions) < plan->copies)
		p->kind = STEP_COPY;
	else if ((dice -= plan->copies) < plan->publications)
		p->kind = STEP_PUBLISH;
	else if ((dice -= plan->publications) < plan->barriers)
		p->kind = STEP_BARRIER;
	else
		p->kind = sim_below(sim, 100) < plan->writes ? STEP_WRITE
							     : STEP_READ;
}

// Whether the page is here. One that is lost is said to be, and reset.
static bool
here(struct sim *sim, struct node *node, u32 page, bool write)
{
	enum coh_get got = coh_want(&node->coh, sim->now, page, write);

	if (got == COH_LOST) {
		sim->total.lost++;
		// Where pages stay lost for a while, others die meanwhile.
		if (sim->plan.faults & FAULT_PAIR && !sim_chance(sim, 5)) {
			node->program.next_at = sim->now + NS_PER_MS;
			return false;
		}
		return coh_reset(&node->coh, sim->now, page, 0) == COH_HERE &&
		       coh_want(&node->coh, sim->now, page, write) == COH_HERE;
	}
	return got == COH_HERE;
}

static void
load(struct sim *sim, struct node *node, u32 page, u32 word)
{
	check_read(sim, node, page, word, node->frames[page][word]);
	sim->total.reads++;
}

static void
store(struct sim *sim, struct node *node, u32 page, u32 word)
{
	u64 value = ++sim->value;

	node->frames[page][word] = value;
	check_write(sim, node, page, word, value);
	sim->total.writes++;
}

static bool
step_copy(struct sim *sim, struct node *node)
{
	struct program *p = &node->program;

	if (!here(sim, node, p->page, true)) {
		p->both_at = 0;
		return false;
	}
	// What dsm/map does while one instruction needs two pages.
	if (!p->held)
		coh_hold(&node->coh, p->page,
			 sim->now + (2 + node->index) * 2 * NS_PER_MS);
	p->held = true;
	if (!here(sim, node, p->other_page, false)) {
		p->both_at = 0;
		return false;
	}
	// The instruction runs a moment after its faults were served.
	if (!p->both_at) {
		p->both_at = sim->now + 50 * NS_PER_US;
		p->next_at = p->both_at;
	}
	if (sim->now < p->both_at)
		return false;
	load(sim, node, p->other_page, p->other_word);
	store(sim, node, p->page, p->word);
	sim->total.copies++;
	return true;
}

static bool
step_publish(struct sim *sim, struct node *node)
{
	struct program *p = &node->program;
	enum coh_get got = coh_publish(&node->coh, sim->now, p->page,
				       p->word * 8, 8);

	if (got == COH_HERE) {
		sim->total.publications++;
		check_published(sim, node, p->page);
	} else if (got == COH_LOST) {
		return here(sim, node, p->page, true) && false;
	}
	return got == COH_HERE || got == COH_ALONE;
}

// Phases count within an epoch; an instance that is asked to wait in another epoch
// goes on without.
static bool
step_barrier(struct sim *sim, struct node *node)
{
	struct program *p = &node->program;

	if (node->coh.phase != COH_OPEN)
		return false;
	if (p->phase_epoch != node->coh.epoch.id) {
		p->phase_epoch = node->coh.epoch.id;
		p->phase = 0;
	}
	if (!p->held) {
		p->held = true;
		p->phase = node->coh.phase_mine + 1;
		coh_arrive(&node->coh, sim->now, p->phase);
	}
	if (!p->phase)
		return true;
	if (!coh_released(&node->coh, p->phase))
		return false;
	check_released(sim, node, p->phase);
	sim->total.barriers++;
	return true;
}

static bool
step(struct sim *sim, struct node *node)
{
	struct program *p = &node->program;

	switch (p->kind) {
	case STEP_READ:
		if (!here(sim, node, p->page, false))
			return false;
		load(sim, node, p->page, p->word);
		return true;
	case STEP_WRITE:
		if (!here(sim, node, p->page, true))
			return false;
		store(sim, node, p->page, p->word);
		return true;
	case STEP_COPY:
		return step_copy(sim, node);
	case STEP_PUBLISH:
		return step_publish(sim, node);
	case STEP_BARRIER:
		return step_barrier(sim, node);
	default:
		coh_evict(&node->coh, sim->now, p->page);
		sim->total.evictions++;
		return true;
	}
}

// Everybody goes on meeting at barriers until all are done: others may wait there.
static bool
barrier_waits(const struct sim *sim, const struct node *node)
{
	for (u32 i = 0; i < sim->plan.nodes; i++) {
		const struct node *other = &sim->node[i];

		if (other != node && other->up &&
		    other->program.kind == STEP_BARRIER)
			return true;
	}
	return false;
}

void
program_run(struct sim *sim, struct node *node)
{
	struct program *p = &node->program;

	if (p->next_at > sim->now && p->kind == STEP_NONE)
		return;
	if (sim->plan.is_heat) {
		heat_run(sim, node);
		return;
	}
	p->next_at = ~0ull;
	if (p->kind == STEP_NONE) {
		if (p->done >= sim->plan.steps && !barrier_waits(sim, node)) {
			p->next_at = sim->now + 5 * NS_PER_MS;
			return;
		}
		plan_step(sim, node);
		if (p->done >= sim->plan.steps)
			p->kind = STEP_BARRIER;
	}
	if (!step(sim, node)) {
		// A program that asks dsm_ready() does something else meanwhile.
		if (p->kind != STEP_BARRIER && p->kind != STEP_PUBLISH &&
		    !p->both_at && sim_chance(sim, node->cut ? 900 : 100)) {
			p->kind = STEP_NONE;
			p->next_at = sim->now + NS_PER_MS;
			return;
		}
		if (sim->now - p->since > STARVED_NS &&
		    !(sim->plan.faults & FAULT_MEMBERS))
			sim_fail(sim, "node %u starves for page %u", node->index,
				 p->page);
		if (p->kind == STEP_BARRIER || p->kind == STEP_COPY)
			p->next_at = MIN(p->next_at, sim->now + NS_PER_MS);
		return;
	}
	p->kind = STEP_NONE;
	p->done++;
	sim->total.steps++;
	p->next_at = sim->now + (u64)sim_below(sim, 600 * sim->plan.pace) * NS_PER_US;
}
