// SPDX-License-Identifier: BSD-2-Clause
// The programs of shared memory's worlds: a few steps each. A step is begun at some time,
// and ends as soon as its pages are here. A store is of both words of a page, a load
// of both, so that halves show; what a step stores is a number of its own.

#include "harness/search/shared.h"
#include "kernel/base/assert.h"

struct step
program_step(u32 node)
{
	const struct node *n = &shared.node[node];
	const struct step *steps = shared.before ? shared.before[node]
						 : shared.start->program[node];
	u32 count = 0;

	if (shared.before && shared.only < node)
		return (struct step){ STEP_NONE, 0 };
	while (count < STEPS && steps[count].kind)
		count++;
	if (n->at < count)
		return steps[n->at];
	if (shared.settling && !shared.before && n->at < count + STEPS_AFTER)
		return (struct step){ STEP_READ, (u8)(n->at - count) };
	return (struct step){ STEP_NONE, 0 };
}

bool
program_is_over(u32 node)
{
	return program_step(node).kind == STEP_NONE;
}

// Whether the page is here. One that is lost is said to be, and reset.
static bool
is_here(struct coh *coh, u32 page, bool write)
{
	enum coh_get got = coh_want(coh, coh->now, page, write);

	if (got == COH_LOST)
		return coh_reset(coh, coh->now, page, 0) == COH_HERE &&
		       coh_want(coh, coh->now, page, write) == COH_HERE;
	return got == COH_HERE;
}

static bool
copy(struct node *n, u32 node, u32 page)
{
	u32 other = (page + 1) % PAGES;

	if (!is_here(&n->coh, page, true))
		return false;
	if (!n->held)
		coh_hold(&n->coh, page, n->coh.now + PAUSE_NS);
	n->held = true;
	if (!is_here(&n->coh, other, false))
		return false;
	witness_load(node, other);
	witness_store(node, page);
	return true;
}

static bool
publish(struct node *n, u32 node, u32 page)
{
	enum coh_get got = coh_publish(&n->coh, n->coh.now, page, 0, WORDS * 8);

	if (got == COH_HERE)
		witness_publish(node, page);
	if (got == COH_LOST)
		(void)is_here(&n->coh, page, true);
	return got == COH_HERE || got == COH_ALONE;
}

static bool
barrier(struct node *n, u32 node)
{
	if (n->coh.phase != COH_OPEN)
		return false;
	if (!n->held) {
		n->held = true;
		n->phase = n->coh.phase_mine + 1;
		coh_arrive(&n->coh, n->coh.now, n->phase);
	}
	if (!coh_released(&n->coh, n->phase))
		return false;
	witness_release(node, n->phase);
	return true;
}

static bool
run(struct node *n, u32 node, struct step step)
{
	switch (step.kind) {
	case STEP_READ:
		if (!is_here(&n->coh, step.page, false))
			return false;
		witness_load(node, step.page);
		return true;
	case STEP_WRITE:
		if (!is_here(&n->coh, step.page, true))
			return false;
		witness_store(node, step.page);
		return true;
	case STEP_COPY:
		return copy(n, node, step.page);
	case STEP_PUBLISH:
		return publish(n, node, step.page);
	case STEP_BARRIER:
		return barrier(n, node);
	default:
		coh_evict(&n->coh, n->coh.now, step.page);
		return true;
	}
}

bool
program_run(u32 node, u64 now)
{
	struct node *n = &shared.node[node];
	bool begun = n->begun;

	ASSERT(n->up);
	n->coh.now = now;
	if (!begun || !run(n, node, program_step(node)))
		return false;
	n->begun = n->held = false;
	n->at++;
	return true;
}
