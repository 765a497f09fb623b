// SPDX-License-Identifier: BSD-2-Clause
// A run: events in order of time, faults among them, then a calm in which everybody
// must get through. Each node hears of each other one at a time of its own. A fault takes a
// node only when a majority stays: without one nothing may go on, so nothing would be
// checked. Where faults come in pairs a second one follows at once; and programs may aim
// one at themselves, in the middle of what it must not harm.

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/dsmsim/dsmsim.h"
#include "kernel/base/assert.h"

#define STUCK_NS (20 * NS_PER_SECOND)
#define STEPS_MOST 3000000u
#define HELLO_MS 60u
#define REST_TIMES 8u		// so many times more between faults where pages rest

static u64 flapped;		// nodes that others take for dead

void
sim_fail(struct sim *sim, const char *format, ...)
{
	va_list list;

	if (sim->why[0])
		return;
	va_start(list, format);
	vsnprintf(sim->why, sizeof(sim->why), format, list);
	va_end(list);
}

void
sim_trace(const struct sim *sim, const char *format, ...)
{
	va_list list;

	if (!sim->plan.trace)
		return;
	printf("%10llu us  ", (unsigned long long)(sim->now / NS_PER_US));
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

u32
sim_below(struct sim *sim, u32 bound)
{
	return (u32)prng_below(&sim->prng, bound);
}

bool
sim_chance(struct sim *sim, u32 per_thousand)
{
	return sim_below(sim, 1000) < per_thousand;
}

void
sim_event(struct sim *sim, u64 after, enum sim_event kind, u32 node, u32 a, u32 b)
{
	ASSERT(sim->heap.count < EVENTS_MAX);
	heap_add(&sim->heap, (struct event){
		.at = sim->now + after, .kind = kind, .node = node, .a = a, .b = b,
	});
}

// ---- faults

static bool
is_there(const struct sim *sim, u32 node)
{
	return sim->node[node].up && !sim->node[node].paused &&
	       !sim->node[node].cut && !(flapped >> node & 1);
}

static u32
there(const struct sim *sim)
{
	u32 count = 0;

	for (u32 i = 0; i < sim->plan.nodes; i++)
		count += is_there(sim, i);
	return count;
}

void
sim_news(struct sim *sim)
{
	for (u32 i = 0; i < sim->plan.nodes * sim->plan.nodes; i++)
		sim_event(sim, (5 + sim_below(sim, 60)) * NS_PER_MS, EVENT_VIEW,
			  i % sim->plan.nodes, i / sim->plan.nodes, 0);
}

static bool
has_role(const struct sim *sim, u32 index, enum victim role)
{
	const struct node *node = &sim->node[index];

	switch (role) {
	case VICTIM_HOME:
		return node->coh.epoch.id &&
		       coh_home(&node->coh, 0, 0) == index;
	case VICTIM_OWNER:
		return node->holdings[0].bind == COH_BIND_WRITE;
	case VICTIM_READER:
		return node->holdings[0].bind == COH_BIND_READ;
	case VICTIM_COPY:
		return has_role(sim, index, VICTIM_HOME) ||
		       has_role(sim, index, VICTIM_OWNER);
	case VICTIM_REQUESTER:
		for (u32 i = 0; i < COH_TX_MAX; i++) {
			// fetch.c: holders are being asked
			if (node->coh.tx[i].kind && node->coh.tx[i].wait)
				return true;
		}
		return false;
	default:
		return true;
	}
}

// Without this node, does anybody know what there was? When nobody does, the region
// begins anew, and nothing could be checked.
static bool
others_know(const struct sim *sim, u32 except)
{
	bool anybody = false;

	for (u32 i = 0; i < sim->plan.nodes; i++) {
		bool knows = sim->node[i].up && sim->node[i].coh.cleared;

		if (knows && i != except && is_there(sim, i))
			return true;
		anybody |= knows;
	}
	return !anybody;
}

// Takes a node away if a majority is left; the role first looked for is the plan's.
static u32
victim(struct sim *sim)
{
	u32 start = sim_below(sim, sim->plan.nodes);

	if ((there(sim) - 1) * 2 <= sim->plan.nodes)
		return NODES_MAX;
	for (u32 pass = 0; pass < 2; pass++) {
		for (u32 n = 0; n < sim->plan.nodes; n++) {
			u32 i = (start + n) % sim->plan.nodes;

			if (is_there(sim, i) && others_know(sim, i) &&
			    (pass || has_role(sim, i, sim->plan.crash_at)))
				return i;
		}
	}
	return NODES_MAX;
}

enum fault_what {
	WHAT_CRASH,
	WHAT_PAUSE,
	WHAT_FLAP,
	WHAT_CUT,
	WHAT_UNDO,
	WHAT_AIMED,		// a crash of this node
};

static void
fault_begin(struct sim *sim)
{
	static const u32 bits[] = { FAULT_CRASH, FAULT_PAUSE, FAULT_FLAP,
				    FAULT_CUT };
	u32 what, node = victim(sim);

	if (node == NODES_MAX || !(sim->plan.faults & FAULT_TAKES))
		return;
	do {
		what = sim_below(sim, ARRAY_SIZE(bits));
	} while (!(sim->plan.faults & bits[what]));
	sim_trace(sim, "fault %u at node %u", what, node);
	if (what == WHAT_CRASH) {
		sim->node[node].up = false;
		sim->total.crashes++;
	} else if (what == WHAT_PAUSE) {
		sim->node[node].paused = true;
		sim->total.pauses++;
	} else if (what == WHAT_CUT) {
		sim->node[node].cut = true;
		sim->total.cuts++;
		node_view(sim, &sim->node[node]);
	} else {
		flapped |= 1ull << node;
		sim->total.flaps++;
	}
	sim_event(sim, (20 + sim_below(sim, 500)) * NS_PER_MS, EVENT_FAULT, node,
		  WHAT_UNDO, 0);
	sim_news(sim);
}

static void
fault_undo(struct sim *sim, u32 index)
{
	struct node *node = &sim->node[index];

	flapped &= ~(1ull << index);
	if (!node->up) {
		node_start(sim, node);
		sim->total.joins++;
	}
	node->paused = node->cut = false;
	node_pump(sim, node);
	sim_news(sim);
}

void
sim_aim(struct sim *sim, u32 node)
{
	if (!sim->calm)
		sim_event(sim, sim_below(sim, 200) * NS_PER_US, EVENT_FAULT, node, WHAT_AIMED,
			  0);
}

static void
fault_aimed(struct sim *sim, u32 node)
{
	if (!is_there(sim, node) || !others_know(sim, node) ||
	    (there(sim) - 1) * 2 <= sim->plan.nodes)
		return;
	sim_trace(sim, "node %u dies in the middle of something", node);
	sim->node[node].up = false;
	sim->total.crashes++;
	sim_event(sim, sim_below(sim, 500) * NS_PER_MS, EVENT_FAULT, node, WHAT_UNDO, 0);
	sim_news(sim);
}

static void
fault(struct sim *sim, const struct event *event)
{
	if (event->a == WHAT_UNDO) {
		fault_undo(sim, event->node);
		return;
	}
	if (event->a == WHAT_AIMED) {
		fault_aimed(sim, event->node);
		return;
	}
	if (!sim->faults_left) {
		sim->calm = true;
		return;
	}
	sim->faults_left--;
	fault_begin(sim);
	if (sim->plan.faults & FAULT_PAIR)
		fault_begin(sim);
	sim_event(sim, (10 + sim_below(sim, 250)) * NS_PER_MS *
		  (sim->plan.pace > 1 ? REST_TIMES : 1), EVENT_FAULT, 0, 0, 0);
}

// ---- events

// A node learns whether another one is there.
static void
view(struct sim *sim, u32 index, u32 about)
{
	struct node *node = &sim->node[index];

	if (!node->up || node->paused)
		return;
	if (about != index && (!is_there(sim, about) || node->cut)) {
		node->view &= ~coh_bit(about);
		// Its memory may still be at hand when it is there again.
		if (sim_chance(sim, 500))
			node->known &= ~coh_bit(about);
	} else if (!(node->view & coh_bit(about)) ||
		   node->view_life[about] != sim->node[about].life) {
		node->view |= coh_bit(about);
		sim_event(sim, sim_below(sim, HELLO_MS) * NS_PER_MS, EVENT_HELLO,
			  index, about, 0);
	}
	node_view(sim, node);
	node_pump(sim, node);
}

// It has said hello, and what it lends has come.
static void
hello(struct sim *sim, u32 index, u32 about)
{
	struct node *node = &sim->node[index];

	if (!node->up || !(node->view & coh_bit(about)))
		return;
	if (node->paused || node->cut || !is_there(sim, about)) {
		sim_event(sim, HELLO_MS * NS_PER_MS, EVENT_HELLO, index, about, 0);
		return;
	}
	node->known |= coh_bit(about);
	node->view_life[about] = sim->node[about].life;
	node_view(sim, node);
	node_pump(sim, node);
}

static void
happen(struct sim *sim, const struct event *event)
{
	struct node *node = &sim->node[event->node];

	switch (event->kind) {
	case EVENT_NODE:
		if (node->up && !node->paused && node->wake_at <= sim->now)
			node_pump(sim, node);
		break;
	case EVENT_EXEC:
		wire_exec(sim, event->a, event->b);
		break;
	case EVENT_END:
		wire_end(sim, event->a);
		break;
	case EVENT_LETTER:
		wire_letter(sim, event->a);
		break;
	case EVENT_VIEW:
		view(sim, event->node, event->a);
		break;
	case EVENT_HELLO:
		hello(sim, event->node, event->a);
		break;
	default:
		fault(sim, event);
	}
}

static bool
all_finished(const struct sim *sim)
{
	for (u32 i = 0; i < sim->plan.nodes; i++) {
		if (!node_has_finished(sim, &sim->node[i]) ||
		    sim->node[i].program.kind == STEP_BARRIER)
			return false;
	}
	return sim->calm;
}

static void
begin(struct sim *sim, const struct plan *plan)
{
	memset(sim, 0, sizeof(*sim));
	sim->plan = *plan;
	flapped = 0;
	prng_seed(&sim->prng, plan->seed);
	heap_init(&sim->heap, sim->events, EVENTS_MAX);
	check_begin();
	for (u32 i = 0; i < plan->nodes; i++) {
		if (plan->faults & FAULT_JOIN && i + 1 == plan->nodes)
			sim_event(sim, (100 + sim_below(sim, 400)) * NS_PER_MS,
				  EVENT_FAULT, i, WHAT_UNDO, 0);
		else
			node_start(sim, &sim->node[i]);
	}
	sim_news(sim);
	sim->faults_left = plan->faults & FAULT_TAKES ? 2 + sim_below(sim, 8) : 0;
	// Without faults that take nodes, those of the fabric last as long as these would.
	sim_event(sim, (sim->faults_left ? 150 : 300 + sim_below(sim, 900)) *
		  NS_PER_MS, EVENT_FAULT, 0, 0, 0);
}

static void
count(struct sim *sim)
{
	for (u32 i = 0; i < sim->plan.nodes; i++) {
		const struct coh_counters *c = &sim->node[i].coh.counters;

		sim->total.epochs += c->epochs;
		sim->total.revoked += c->revoked;
		sim->total.retries += c->retries;
	}
}

static void
say_stuck(struct sim *sim)
{
	char who[160] = "";
	size_t at = 0;

	for (u32 i = 0; i < sim->plan.nodes; i++) {
		const struct node *n = &sim->node[i];

		if (!node_has_finished(sim, n) && at + 40 < sizeof(who))
			at += (size_t)snprintf(who + at, sizeof(who) - at,
				" %u(step %u kind %u page %u phase %u)", i,
				n->program.done, n->program.kind, n->program.page,
				n->coh.phase);
	}
	sim_fail(sim, "stuck:%s", who);
}

bool
sim_run(struct sim *sim, const struct plan *plan)
{
	struct event event;
	u64 calm_at = 0;
	u32 steps = 0;

	begin(sim, plan);
	while (!sim->why[0] && !all_finished(sim)) {
		if (!heap_take(&sim->heap, &event)) {
			sim_fail(sim, "nothing will ever happen again");
			break;
		}
		sim->now = event.at;
		happen(sim, &event);
		check_states(sim);
		if (!sim->calm)
			calm_at = sim->now;
		if (sim->now - calm_at > STUCK_NS || ++steps == STEPS_MOST)
			say_stuck(sim);
	}
	if (!sim->why[0] && !(plan->flags & COH_PUBLISHED))
		check_order(sim);
	count(sim);
	return !sim->why[0];
}
