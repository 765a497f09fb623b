// SPDX-License-Identifier: BSD-2-Clause
// What cluster/programs/heat does, with its rule for going on, on a plate of a few words:
// whatever dies, a round that is said to be done is what one alone computes.
//
// A node's program is in one stage at a time. Which stages know of a change of the group is
// as there: who computes goes on, in whatever group, until it publishes in vain or meets.
// What it loads of a lost page means nothing, and what it stores there goes nowhere
// (DSM_LOST_LATER).

#include <string.h>

#include "dsm/core/planted.h"
#include "harness/dsmsim/dsmsim.h"
#include "kernel/base/assert.h"

#define SAID 2u			// pages that say what is complete
#define ROWS 4u
#define STEPS 6u
#define ROUND_DONE 25u		// steps of other programs, for the run's end
#define PATIENCE_NS (100 * NS_PER_MS)

STATIC_ASSERT(HEAT_PAGES == SAID + 2 * ROWS && HEAT_PAGES <= PAGES_MAX);

enum stage {
	STAGE_JOIN,
	STAGE_GATHERED,		// meets
	STAGE_LOOK,		// the first: is anything lost?
	STAGE_MARK,		// the first: then the round begins anew
	STAGE_SETTLED,		// meets
	STAGE_LEARN,		// all: nothing is lost any more
	STAGE_BEGIN,
	STAGE_LOAD,
	STAGE_STORE,
	STAGE_WRITTEN,		// meets
	STAGE_SAY,		// the first: a step is complete
	STAGE_TOLD,		// meets
	STAGE_VERIFY,		// the first
	STAGE_VERIFIED,		// meets
};

enum going {
	WAITS,
	DONE,
	LEAVES,			// the group is another one
};

static bool
is_group(const struct node *node)
{
	return node->coh.phase == COH_OPEN && node->coh.epoch.id == node->heat.epoch;
}

static u32
plate(u32 step, u32 row)
{
	return SAID + step % 2 * ROWS + row;
}

// ---- what one alone computes

static u64
mix(u64 z)
{
	z = (z ^ (z >> 31)) * 0xd168aaad2c1b3c6dull;
	return z ^ (z >> 29);
}

static void
compute(u64 to[WORDS], u64 from[3][WORDS], u32 round, u32 step, u32 row)
{
	for (u32 i = 0; i < WORDS; i++)
		to[i] = !step ? mix(round << 16 | row << 8 | i | 1ull << 40)
			      : mix(from[0][i] + 3 * from[1][i] + 5 * from[2][i] + step);
}

static void
around(u64 to[3][WORDS], u64 rows[ROWS][WORDS], u32 row)
{
	for (u32 i = 0; i < 3; i++)
		memcpy(to[i], rows[(row + ROWS + i - 1) % ROWS], sizeof(to[i]));
}

static void
alone(u64 result[ROWS][WORDS], u32 round)
{
	static u64 rows[ROWS][WORDS];
	u64 from[3][WORDS];

	for (u32 step = 0; step <= STEPS; step++) {
		memcpy(rows, result, sizeof(rows));
		for (u32 row = 0; row < ROWS; row++) {
			around(from, rows, row);
			compute(result[row], from, round, step, row);
		}
	}
}

// ---- touching, publishing, meeting

static enum going
load(struct sim *sim, struct node *node, u32 page, u64 to[WORDS])
{
	enum coh_get got = coh_want(&node->coh, sim->now, page, false);

	if (got == COH_WAITS)
		return WAITS;
	for (u32 i = 0; i < WORDS; i++)
		to[i] = got == COH_LOST ? prng_u64(&sim->prng) : node->frames[page][i];
	return DONE;
}

static enum going
publish(struct sim *sim, struct node *node, u32 page)
{
	struct heat *h = &node->heat;
	enum coh_get got = coh_publish(&node->coh, sim->now, page, 0, WORDS * 8);

	if (got == COH_HERE || got == COH_ALONE)
		return DONE;
	if (got == COH_LOST && coh_want(&node->coh, sim->now, page, true) == COH_LOST)
		return LEAVES;
	return !is_group(node) && sim->now - h->since > PATIENCE_NS ? LEAVES : WAITS;
}

// Stores, and publishes what was stored.
static enum going
write(struct sim *sim, struct node *node, u32 page, const u64 content[WORDS])
{
	struct heat *h = &node->heat;
	enum coh_get got;

	if (!h->is_stored) {
		got = coh_want(&node->coh, sim->now, page, true);
		if (got == COH_WAITS)
			return WAITS;
		if (got == COH_HERE)
			memcpy(node->frames[page], content, sizeof(node->frames[page]));
		coh_publish_anew(&node->coh, page);
		h->is_stored = true;
		h->since = sim->now;
	}
	if (publish(sim, node, page) == WAITS)
		return WAITS;
	h->is_stored = false;
	return coh_want(&node->coh, sim->now, page, false) == COH_LOST ? LEAVES : DONE;
}

static enum going
meet(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;

	if (!is_group(node))
		return LEAVES;
	if (!h->is_waiting)
		coh_arrive(&node->coh, sim->now, ++h->phase);
	h->is_waiting = !coh_released(&node->coh, h->phase);
	return h->is_waiting ? WAITS : DONE;
}

static enum going
reset(struct sim *sim, struct node *node, u32 page)
{
	enum coh_get got = coh_reset(&node->coh, sim->now, page, node->heat.epoch);

	return got == COH_HERE ? DONE : got == COH_LOST ? LEAVES : WAITS;
}

void
heat_check_reset(struct sim *sim, const struct node *node, u32 page, u32 epoch)
{
	const struct heat *h = &node->heat;
	bool asks = h->stage == STAGE_MARK || h->stage == STAGE_LEARN ||
		    h->stage == STAGE_JOIN;	// left meanwhile

	if (h->epoch != epoch || !asks)
		sim_fail(sim, "node %u has reset page %u in epoch %u, and has not asked for "
			 "it there", node->index, page, epoch);
}

// ---- stages: each is done for h->at from 0 to its end

static enum going
look(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	enum coh_get got = coh_want(&node->coh, sim->now, h->at, false);
	u64 said;

	if (got == COH_WAITS)
		return WAITS;
	said = node->frames[h->at][0];
	if (h->at < SAID && got == COH_HERE) {
		h->is_anew |= h->at && said != h->said && !DSM_BUG_IS(SAID_BY_HALF);
		h->said = MAX(h->said, said);
	}
	h->is_anew |= got == COH_LOST;
	return DONE;
}

static enum going
mark(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	enum going going = h->is_stored ? DONE : reset(sim, node, h->at);

	if (going != DONE || h->at >= SAID)
		return going;
	if (!h->at && !h->is_stored && sim_chance(sim, 500))
		sim_aim(sim, node->index);
	h->said = h->said >> 32 << 32;
	return write(sim, node, h->at, (u64[WORDS]){ h->said });
}

static enum going
begin(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	u64 said[WORDS];

	if (load(sim, node, 0, said) == WAITS)
		return WAITS;
	h->round = MAX((u32)(said[0] >> 32), 1u);
	h->step = (u32)said[0];
	if (h->step > STEPS) {
		h->round++;
		h->step = 0;
	}
	sim_trace(sim, "node %u goes on with round %u from step %u", node->index, h->round,
		  h->step);
	return DONE;
}

// Its own rows: h->at counts them, and what each is made from.
static enum going
load_rows(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	u32 row = (h->row + ROWS + h->at - 1) % ROWS;

	return h->step ? load(sim, node, plate(h->step - 1, row), h->from[h->at]) : DONE;
}

static enum going
store_row(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	u64 to[WORDS];

	compute(to, h->from, h->round, h->step, h->row);
	return write(sim, node, plate(h->step, h->row), to);
}

static enum going
say(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	u64 said = (u64)h->round << 32 | (h->step + 1);

	return write(sim, node, h->at, (u64[WORDS]){ said });
}

static enum going
verify(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	static u64 right[ROWS][WORDS];
	enum going going = load(sim, node, plate(STEPS, h->at), h->from[0]);

	if (going != DONE || !is_group(node))
		return going;
	alone(right, h->round);
	if (memcmp(right[h->at], h->from[0], sizeof(right[0])) != 0)
		sim_fail(sim, "row %u of round %u is wrong", h->at, h->round);
	return DONE;
}

static enum going
learn(struct sim *sim, struct node *node)
{
	return reset(sim, node, node->heat.at);
}

// ---- from stage to stage

static const struct {
	enum going (*run)(struct sim *sim, struct node *node);
	u32 count;		// times
	bool first_only;
} stages[] = {
	[STAGE_GATHERED] = { meet, 1, false },
	[STAGE_LOOK] = { look, HEAT_PAGES, true },
	[STAGE_MARK] = { mark, HEAT_PAGES, true },
	[STAGE_SETTLED] = { meet, 1, false },
	[STAGE_LEARN] = { learn, HEAT_PAGES, false },
	[STAGE_BEGIN] = { begin, 1, false },
	[STAGE_LOAD] = { load_rows, 3, false },
	[STAGE_STORE] = { store_row, 1, false },
	[STAGE_WRITTEN] = { meet, 1, false },
	[STAGE_SAY] = { say, SAID, true },
	[STAGE_TOLD] = { meet, 1, false },
	[STAGE_VERIFY] = { verify, ROWS, true },
	[STAGE_VERIFIED] = { meet, 1, false },
};

static bool
join(struct node *node)
{
	struct heat *h = &node->heat;
	const struct coh_epoch *e = &node->coh.epoch;

	if (node->coh.phase != COH_OPEN)
		return false;
	*h = (struct heat){
		.stage = STAGE_GATHERED,
		.epoch = e->id,
		.rank = (u32)__builtin_popcountll(e->members & (coh_bit(node->index) - 1)),
		.count = (u32)__builtin_popcountll(e->members),
	};
	return true;
}

// To this instance's first row of a step; past its last one, to the others.
static void
to_row(struct heat *h, u32 row)
{
	h->row = row;
	h->stage = row < ROWS * (h->rank + 1) / h->count ? STAGE_LOAD : STAGE_WRITTEN;
}

static void
to_step(struct heat *h, u32 step)
{
	h->step = step;
	if (step <= STEPS)
		to_row(h, ROWS * h->rank / h->count);
	else
		h->stage = STAGE_VERIFY;
}

static void
next_stage(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;

	h->at = 0;
	switch (h->stage++) {
	case STAGE_LOOK:
		h->stage = h->is_anew ? STAGE_MARK : STAGE_SETTLED;
		sim->total.anew += h->is_anew;
		break;
	case STAGE_BEGIN:
		to_step(h, h->step);
		break;
	case STAGE_STORE:
		to_row(h, h->row + 1);
		break;
	case STAGE_TOLD:
		to_step(h, h->step + 1);
		break;
	case STAGE_VERIFIED:
		sim->total.rounds++;
		node->program.done += ROUND_DONE;
		h->round++;
		to_step(h, 0);
		break;
	default:
		break;
	}
}

static enum going
run_stage(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	bool is_mine = !stages[h->stage].first_only || !h->rank;
	enum going going = DONE;

	if (is_mine)
		going = stages[h->stage].run(sim, node);
	if (going == DONE && (!is_mine || ++h->at == stages[h->stage].count))
		next_stage(sim, node);
	return going;
}

void
heat_run(struct sim *sim, struct node *node)
{
	struct heat *h = &node->heat;
	enum going going = DONE;

	while (h->stage != STAGE_JOIN || join(node)) {
		going = run_stage(sim, node);
		if (going == LEAVES)
			h->stage = STAGE_JOIN;
		else if (going == WAITS || sim_chance(sim, 300))
			break;
	}
	node->program.next_at = sim->now + (1 + sim_below(sim, 1000)) * NS_PER_US;
}
