// SPDX-License-Identifier: BSD-2-Clause
// The fabric: operations run at the target when they arrive, if the target lent its
// memory to this life of the sender, and end at the sender later. One that lapses ends
// as unknown, whether it ran, ran by half, or did not.

#include <string.h>

#include "harness/dsmsim/dsmsim.h"
#include "kernel/base/assert.h"

#define LAPSE_NS (60 * NS_PER_MS)

static u64
delay(struct sim *sim)
{
	u64 ns = 5 * NS_PER_US + sim_below(sim, 100) * NS_PER_US;

	if (!sim->calm && sim->plan.faults & FAULT_DELAY && sim_chance(sim, 60))
		ns += sim_below(sim, 20) * NS_PER_MS;
	return ns;
}

static bool
may_reach(const struct sim *sim, const struct operation *op)
{
	const struct node *to = &sim->node[op->action.member];

	return to->up && !to->paused && to->life == op->to_life &&
	       !to->cut && !sim->node[op->from].cut &&
	       to->lent[op->from] == op->from_life;
}

static void
run_swap(struct sim *sim, struct operation *op, struct node *to)
{
	struct coh_word *word = &to->words[op->action.page], next;
	struct coh_entry before = coh_word_unpack(*word), after;

	op->result.old = *word;
	op->result.matched = coh_clause_apply(&op->action.clause, *word, &next);
	if (!op->result.matched)
		return;
	*word = next;
	after = coh_word_unpack(next);
	sim_trace(sim, "word %u at %u: %u/%u owner %u sharers %llx epoch %u by %u",
		  op->action.page, to->index, after.state, after.version,
		  after.owner, (unsigned long long)after.sharers, after.epoch,
		  op->from);
	if (!before.lost || after.lost)
		return;
	if (sim->plan.is_heat)
		heat_check_reset(sim, &sim->node[op->from], op->action.page, after.epoch);
	else
		check_reset(sim, to, op->action.page,
			    to->frames[op->action.page]);
}

// Words of the page from `first` on, as they are now.
static void
copy(u64 *to, const u64 *from, u32 first, u32 end)
{
	for (u32 i = first; i < end; i++)
		to[i] = from[i];
}

static void
read_words(struct operation *op, const struct node *from, u32 first, u32 end)
{
	copy(op->data, from->frames[op->action.page], first, end);
	op->read = end;
}

static void
run_half(struct sim *sim, struct operation *op, u32 half)
{
	const struct coh_action *a = &op->action;
	struct node *to = &sim->node[a->member], *from = &sim->node[op->from];
	u32 first = half ? WORDS / 2 : 0, end = half ? WORDS : WORDS / 2;

	switch (a->what) {
	case COH_DO_SWAP:
		if (!half)
			run_swap(sim, op, to);
		else if (a->chain && op->result.matched)
			read_words(op, to, 0, WORDS);
		break;
	case COH_DO_READ:
		read_words(op, to, first, end);
		break;
	case COH_DO_WRITE:
		// What the sender's memory holds when it is sent.
		if (from->life == op->from_life)
			copy(op->data, from->frames[a->page], first, end);
		copy(to->frames[a->page], op->data, MAX(first, a->offset / 8),
		     MIN(end, (a->offset + a->length) / 8));
		break;
	case COH_DO_NOTE:
		if (!half)
			to->holdings[a->page].shadow = a->note;
		break;
	default:
		if (!half)
			memcpy(op->table, &to->holdings[a->page],
			       a->count * sizeof(struct coh_holding));
	}
}

void
wire_exec(struct sim *sim, u32 index, u32 half)
{
	struct operation *op = &sim->ops[index];

	if (op->runs && !may_reach(sim, op)) {
		op->runs = false;
		op->result.outcome = half || sim_chance(sim, 500) ? COH_UNKNOWN
								  : COH_NOT_DONE;
	}
	if (op->runs)
		run_half(sim, op, half);
}

static void
deliver(struct operation *op, struct node *node)
{
	const struct coh_action *a = &op->action;

	if (a->what == COH_DO_READ ||
	    (a->what == COH_DO_SWAP && a->chain && op->result.matched))
		copy(node->frames[a->page], op->data, 0, op->read);
	if (a->what == COH_DO_TABLE)
		memcpy(node->scratch, op->table,
		       a->count * sizeof(struct coh_holding));
}

void
wire_end(struct sim *sim, u32 index)
{
	struct operation *op = &sim->ops[index];
	struct node *node = &sim->node[op->from];

	ASSERT(op->used);
	if (node->up && node->life == op->from_life && node->paused) {
		sim_event(sim, 10 * NS_PER_MS, EVENT_END, op->from, index, 0);
		return;
	}
	op->used = false;
	if (!node->up || node->life != op->from_life)
		return;
	if (op->result.outcome == COH_DONE ||
	    (op->result.outcome == COH_UNKNOWN && sim_chance(sim, 300)))
		deliver(op, node);	// of one that lapsed, what had come
	if (op->result.outcome != COH_DONE)
		sim->total.unknown++;
	coh_done(&node->coh, sim->now, op->action.tag, &op->result);
	node_pump(sim, node);
}

// This node's own memory: at once.
static void
local(struct sim *sim, struct node *node, const struct coh_action *action)
{
	static struct operation op;

	op = (struct operation){
		.action = *action, .from = node->index,
		.from_life = node->life, .to_life = node->life,
	};
	ASSERT(!action->chain);
	if (action->what == COH_DO_SWAP)
		run_half(sim, &op, 0);
	coh_done(&node->coh, sim->now, action->tag, &op.result);
}

static void
send(struct sim *sim, struct node *node, const struct coh_action *action)
{
	u32 i = 0;

	if (action->member >= sim->plan.nodes ||
	    (!sim->calm && sim->plan.faults & FAULT_DROP && sim_chance(sim, 80))) {
		sim->total.drops++;
		return;
	}
	while (i < LETTERS_MAX && sim->posts[i].used)
		i++;
	if (i == LETTERS_MAX) {
		sim_fail(sim, "letters without end");
		return;
	}
	sim->posts[i] = (struct post){
		.letter = *action->letter, .length = action->length,
		.from = node->index, .to = action->member,
		.to_life = sim->node[action->member].life, .used = true,
	};
	sim_event(sim, delay(sim) * (sim_chance(sim, 30) ? 8 : 1), EVENT_LETTER,
		  action->member, i, 0);
}

void
wire_letter(struct sim *sim, u32 index)
{
	struct post *post = &sim->posts[index];
	struct node *to = &sim->node[post->to];

	ASSERT(post->used);
	// A node that stands still has few buffers.
	if (to->up && to->paused && to->life == post->to_life &&
	    index < LETTERS_MAX / 4) {
		sim_event(sim, 10 * NS_PER_MS, EVENT_LETTER, post->to, index, 0);
		return;
	}
	post->used = false;
	if (!to->up || to->paused || to->cut || sim->node[post->from].cut ||
	    to->life != post->to_life)
		return;
	coh_message(&to->coh, sim->now, post->from, &post->letter, post->length);
	node_pump(sim, to);
}

static void
submit(struct sim *sim, struct node *node, const struct coh_action *action)
{
	u64 first = delay(sim), second = first + delay(sim) / 4;
	u64 end = second + delay(sim);
	struct operation *op;
	bool lapses = !sim->calm && sim->plan.faults & FAULT_LAPSE &&
		      sim_chance(sim, 25);
	u32 halves = lapses ? sim_below(sim, 3) : 2, i = 0;

	while (sim->ops[i].used)
		i++;
	ASSERT(i + 1 < OPS_MAX);
	op = &sim->ops[i];
	*op = (struct operation){
		.action = *action, .from = node->index,
		.from_life = node->life,
		.to_life = node->coh.epoch.life[action->member], .used = true,
		.runs = true,
		.result.outcome = lapses ? COH_UNKNOWN : COH_DONE,
	};
	if (lapses || !may_reach(sim, op))
		end = second + LAPSE_NS;
	if (halves > 0)
		sim_event(sim, first, EVENT_EXEC, node->index, i, 0);
	if (halves > 1)
		sim_event(sim, second, EVENT_EXEC, node->index, i, 1);
	sim_event(sim, end, EVENT_END, node->index, i, 0);
}

void
wire_do(struct sim *sim, struct node *node, const struct coh_action *action)
{
	switch (action->what) {
	case COH_DO_MAP:
		sim_trace(sim, "node %u maps %u as %u", node->index, action->page,
			  action->bind);
		break;
	case COH_DO_SEND:
		send(sim, node, action);
		break;
	case COH_DO_FENCE:
		node->banned[action->member] = action->count;
		if (!action->count)
			node_view(sim, node);
		else if (node->lent[action->member] == action->count)
			node->lent[action->member] = 0;
		break;
	default:
		if (action->member == node->index)
			local(sim, node, action);
		else
			submit(sim, node, action);
	}
}
