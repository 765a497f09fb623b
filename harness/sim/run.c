// SPDX-License-Identifier: BSD-2-Clause
// One seed: the event loop, the two phases, the accounts at the end.
//
//	safety		nodes work while things go wrong
//	healed		nothing goes wrong any more; they work on for a second
//	quiet		SETTLE_NS: no new work; all that is open is answered
//	probe		each environment uses all that it holds: every session is up
//			again, and nothing is refused without a reason
//	end		memory, frames, capabilities, credits and invariants are
//			accounted for
//
// A seed in which too little was done is a failure too: a check of nothing
// passes.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/sim/adversary.h"
#include "harness/sim/disk.h"
#include "harness/sim/export.h"
#include "harness/sim/held.h"
#include "harness/sim/node.h"
#include "harness/sim/planted.h"
#include "harness/sim/points.h"
#include "harness/sim/recall.h"
#include "harness/sim/record.h"
#include "harness/sim/registers.h"
#include "harness/sim/seen.h"
#include "harness/sim/work.h"
#include "kernel/base/assert.h"
#include "kernel/base/poison.h"

#define AUDIT_NS (50 * NS_PER_MS)
#define WORK_ON_NS NS_PER_SECOND
#define SETTLE_NS (4 * NS_PER_SECOND)
#define SETTLE_HUGE_NS (5 * NS_PER_SECOND / 2)	// no longer than anything may take
#define SETTLE_LEAST_NS (NS_PER_SECOND / 4)	// longer than any frame is on its way
#define PROBE_NS NS_PER_SECOND
#define HIDDEN_EACH 8u		// seeds: in the last of them, nodes hide what they say
#define SHOWN_LINES 60u
#define DONE_LEAST_EACH 3u	// operations DONE, for each node

struct sim sim;

static u64 durable[SIM_NODES_MAX][BLOCKS];
static struct change *newest[SIM_NODES_MAX][PAGES + BLOCKS];
static u8 shadow[SIM_NODES_MAX][(PAGES + BLOCKS) * UNIT];

// When each phase of the running seed ends.
struct phases {
	u64 heal, quiet, probe;
	u32 probes_from;	// the first operation of the probe
};

static struct phases phases;

void
sim_event(u64 at, enum sim_event kind, u32 node, u32 a, u32 b)
{
	heap_add(&sim.heap, (struct event){ .at = MAX(at, sim.trace.now), .kind = kind,
					    .node = node, .a = a, .b = b });
}

// ---- how a seed fails

static void
print_again(void)
{
	const struct run_options *o = &sim.options;

	printf("again: make sim SEEDS=%" PRIu64 " NODES=%s FAULTS=%s", o->seed,
	       o->nodes_text, o->faults_text);
	if (o->planted)
		printf(" BUG=%s", planted_names[o->planted]);
	if (o->idle)
		printf(" IDLE=1");
	printf(" TRACE=1\n");
}

noreturn_ static void
fail(void)
{
	fflush(stdout);
	exit(1);
}

// The last lines of the time-line, and how to see all of it.
noreturn_ static void
show_and_fail(void)
{
	record_end();
	print_again();
	if (!sim.options.live) {
		printf("the last of %" PRIu64 " lines of its time-line:\n",
		       sim.trace.lines);
		trace_print(&sim.trace, SHOWN_LINES);
	}
	fail();
}

static void
print_op(const struct model *model, u32 index)
{
	const struct model_op *op = &model->op[index];

	printf("op %u, %s of n%u (boot %u, environment %u) on n%u (boot %u), "
	       "row %d, bytes %" PRIu64 "+%u",
	       index, model_kind_word(op->kind), op->by.node, op->by.boot, op->by.env,
	       op->owner, op->owner_boot, (int)op->cap, op->offset, op->len);
}

void
model_failed(const struct model *model, u32 op, const char *what)
{
	printf("seed %" PRIu64 " failed at %.6f s: ", sim.options.seed,
	       (double)sim.trace.now / 1e9);
	if (op < model->ops) {
		print_op(model, op);
		printf(": ");
	}
	printf("%s\n", what);
	show_and_fail();
}

void
sim_failed(u32 node, const char *what)
{
	printf("seed %" PRIu64 " failed at %.6f s: ", sim.options.seed,
	       (double)sim.trace.now / 1e9);
	if (node != TRACE_NO_NODE)
		printf("n%u: ", node);
	printf("%s\n", what);
	show_and_fail();
}

void
assert_failed(const char *expression, const char *file, int line)
{
	printf("seed %" PRIu64 " failed at %.6f s: %s:%d: broken invariant: %s\n",
	       sim.options.seed, (double)sim.trace.now / 1e9, file, line, expression);
	show_and_fail();
}

// ---- the beginning

static void
set_store(u32 node, enum model_store kind, u8 *real, u8 *mirror, u32 units)
{
	u32 first = kind == STORE_PAGES ? 0 : PAGES;

	sim.store[node * STORE_COUNT + kind] = (struct store){
		.real = real, .shadow = mirror, .newest = &newest[node][first],
		.durable = durable[node], .units = units };
}

static void
clear_node(u32 index)
{
	struct sim_node *node = &sim.node[index];
	void *links = node->memory_links, *rcap = node->memory_rcap;

	poison_set(node, sizeof(*node), false);	// free capabilities are
	memset(node, 0, sizeof(*node));
	node->memory_links = links;
	node->memory_rcap = rcap;
	sim.boot[index] = 0;
	memset(durable[index], 0, sizeof(durable[index]));
	memset(newest[index], 0, sizeof(newest[index]));
	memset(shadow[index], 0, sizeof(shadow[index]));
	memset(sim.heard[index], 0, sizeof(sim.heard[index]));
	set_store(index, STORE_PAGES, node->memory[0], shadow[index], PAGES);
	set_store(index, STORE_DISK, node->disk[0], shadow[index] + PAGES * UNIT, BLOCKS);
}

// Buffers for three frames of each other node: with less than that somebody may
// have to wait for as long as the others have something to say. Or plenty.
static u16
draw_pool(void)
{
	const u16 pools[] = { (u16)MAX(12u, 3 * (sim.nodes - 1)), 32, 256 };

	return MAX(pools[sim_below(3)], pools[0]);
}

// Tables that everybody fits, or that can be full.
static void
draw_tables(void)
{
	bool large = sim.nodes > LARGE, few = sim.nodes <= 16;
	bool few_handshakes = !sim_below(4) && few, few_agreements = !sim_below(4) && few;

	sim.handshakes = large ? 64 : few_handshakes ? 3 : 8;
	sim.agreements = large ? 4000 : few_agreements ? 4 : 100;
	sim.places = (u16)(sim.nodes - 1);
	if (!few || sim_below(2))
		sim.places = (u16)(sim.nodes + 1 + MEMBERS_MORE);
}

// Mostly so that a seed is soon over; one in 32 has much to do at a time.
static u64
draw_work(void)
{
	u64 pause = 30 + sim_below(60), busy = !sim_below(32);

	return (sim.nodes > 16 ? 400 : busy ? 12 : pause) * NS_PER_MS;
}

// What the seed is like, before anything happens.
static void
draw_shape(void)
{
	const struct run_options *o = &sim.options;
	bool large, huge;

	sim.nodes = o->nodes_least +
		    (u32)sim_below(o->nodes_most - o->nodes_least + 1);
	large = sim.nodes > 16;
	huge = sim.nodes > HUGE;
	sim.mtu = sim_below(4) ? 1500 : 9000;
	sim.hidden = o->seed % HIDDEN_EACH == HIDDEN_EACH - 1;
	sim.grant_pool = draw_pool();
	sim.landing_pool = draw_pool();
	draw_tables();
	sim.work_ns = draw_work();
	phases.heal = 3 * NS_PER_SECOND + sim_below(large ? 1 : 3 * NS_PER_SECOND);
	phases.quiet = phases.heal + WORK_ON_NS;
	phases.probe = phases.quiet + (huge ? SETTLE_HUGE_NS : SETTLE_NS);
	phases.probes_from = MODEL_OPS_MAX;
}

static void
start_seed(const struct run_options *options, struct run_result *result)
{
	static struct event events[EVENTS_MAX];
	static u8 *history;

	if (!history)
		history = malloc(HISTORY_BYTES);
	if (!history)
		sim_failed(TRACE_NO_NODE, "out of memory");
	sim.options = *options;
	sim.result = result;
	*result = (struct run_result){ 0 };
	heap_init(&sim.heap, events, EVENTS_MAX);
	trace_init(&sim.trace, options->live);
	prng_seed(&sim.prng, options->seed);
	prng_seed(&sim.fault_prng, ~options->seed);
	sim.healed = false;
	sim.members_more = 0;
	seen_clear();
	felt_begin();
	planted_set(options->planted);
	draw_shape();
	faults_draw(&sim.faults, &sim.fault_prng, options->choice);
	record_begin(sim.nodes);
	points_draw(options->seed ^ 0x9017, sim.faults.rate[FAULT_CODE]);
	network_init(&sim.network, &sim.heap, &sim.trace, sim.nodes, EVENT_FRAME,
		     options->seed ^ 0x5eed);
	sim.network.faults = sim.faults;
	result->on = faults_on(&sim.faults);
	for (u32 i = 0; i < sim.nodes; i++)
		clear_node(i);
	model_init(&sim.model, &sim.trace, sim.store, sim.nodes, history);
	sim.model.boot = sim.boot;
	// A dead node's requests: its lease by the slowest clock, and the disk.
	sim.model.lease_ns = LINK_LEASE_NS * 105 / 100 + DISK_SLOWEST_NS + STEP_NS;
	for (u32 i = 0; i < sim.nodes; i++)
		sim_event(sim_below(200 * NS_PER_MS), EVENT_BOOT, i, 0, 0);
	adversary_start(phases.heal);
	sim_event(AUDIT_NS, EVENT_AUDIT, 0, 0, 0);
}

// ---- on the way

static u32
open_operations(void)
{
	u32 open = 0;

	for (u32 i = 0; i < sim.nodes; i++)
		open += sim.node[i].pending_count;
	return open;
}

static void
audit(void)
{
	network_check(&sim.network);
	heap_check(&sim.heap);
	felt_paths();
	for (u32 i = 0; i < sim.nodes; i++)
		work_audit(&sim.node[i]);
	if (sim.healed && sim.trace.now >= phases.quiet && !sim.result->settle_ns &&
	    !open_operations())
		sim.result->settle_ns = sim.trace.now - phases.heal;
	sim_event(sim.trace.now + AUDIT_NS, EVENT_AUDIT, 0, 0, 0);
}

static void
work(struct sim_node *node, u32 boot)
{
	if (node->boot != boot || node->state == NODE_OFF || sim.options.idle ||
	    sim.trace.now >= phases.quiet)
		return;
	if (node->state == NODE_UP)
		work_burst(node);
	sim_event(sim.trace.now + 1 + sim_below(2 * sim.work_ns), EVENT_WORK,
		  node_index(node), 0, boot);
}

static void
handle(const struct event *event)
{
	struct sim_node *node = &sim.node[event->node];

	switch ((enum sim_event)event->kind) {
	case EVENT_BOOT:
		if (node->state == NODE_OFF)
			node_boot(node);
		break;
	case EVENT_FRAME:
		node_frame(node, event->a);
		break;
	case EVENT_TIMER:
		node_timer(node);
		break;
	case EVENT_WORK:
		work(node, event->b);
		break;
	case EVENT_CANCEL:
		work_cancel(node, event->a, event->b);
		break;
	case EVENT_DISK:
		disk_done(node, event->a, event->b);
		break;
	case EVENT_CLEAN:
		export_clean(node, event->a, event->b);
		break;
	case EVENT_FAULT:
		adversary_begins(event->a);
		break;
	case EVENT_FAULT_END:
		adversary_ends(event->a, event->node);
		break;
	case EVENT_PATH:
		adversary_path(event->node, event->a, event->b);
		break;
	case EVENT_REBOOT:
		adversary_reboot(node, event->a);
		break;
	case EVENT_STRANGER:
		adversary_stranger();
		break;
	case EVENT_AUDIT:
		audit();
		break;
	}
}

static void
run_until(u64 until)
{
	struct event event;

	while (heap_take(&sim.heap, &event)) {
		if (event.at >= until) {
			heap_add(&sim.heap, event);
			break;
		}
		ASSERT(event.at >= sim.trace.now);
		sim.trace.now = event.at;
		handle(&event);
		sim.result->events++;
	}
	sim.trace.now = until;
}

// ---- the end

// A machine that came in another's place, and one whose table of peers is full of what it
// holds of those before: there is no session until something of that is given up.
static bool
has_no_place(const struct sim_node *node, const struct sim_node *other)
{
	return sim.members_more && sim.places < sim.nodes &&
	       (node_peer(node, node_index(other)) == LINK_NONE ||
		node_peer(other, node_index(node)) == LINK_NONE);
}

static bool
has_all_sessions(const struct sim_node *node)
{
	struct link_info info;

	for (u32 i = 0; i < sim.nodes; i++) {
		if (&sim.node[i] != node && !has_no_place(node, &sim.node[i]) &&
		    !node_session(node, i, &info))
			return false;
	}
	return true;
}

static bool
is_at_rest(void)
{
	if (open_operations())
		return false;
	for (u32 i = 0; i < sim.nodes; i++) {
		if (!has_all_sessions(&sim.node[i]))
			return false;
	}
	return true;
}

// Until the probe. A million sessions say within a second what they say in the next one,
// so among very many nodes it is enough that nothing is open and all sessions are up.
static void
be_quiet(void)
{
	u64 at = phases.quiet + SETTLE_LEAST_NS;

	for (; sim.nodes > HUGE && at < phases.probe; at += AUDIT_NS) {
		run_until(at);
		if (is_at_rest())
			return;
	}
	run_until(phases.probe);
}

static void
check_sessions(const struct sim_node *node)
{
	if (!has_all_sessions(node))
		sim_failed(node_index(node), "all is healed, and a session is not up");
}

// While nothing but the stranger, duplication, reordering and disks goes wrong, no
// session may ever end: not by a refused access, a forged frame or a repeated one.
static void
check_undisturbed(const struct sim_node *node)
{
	const struct links_counters *c = links_counters(node->links);
	const u32 harmless = 1u << FAULT_DUPLICATE | 1u << FAULT_REORDER |
			     1u << FAULT_DISK | 1u << FAULT_SKEW | 1u << FAULT_DRIFT |
			     1u << FAULT_REPLAY | 1u << FAULT_FORGE;

	if (sim.result->on & ~harmless)
		return;
	if (c->lapses || c->sessions != sim.nodes - 1)
		sim_failed(node_index(node), "a session ended that nothing disturbed");
}

static void
check_probes(void)
{
	for (u32 i = phases.probes_from; i < sim.model.ops; i++) {
		const struct model_op *op = &sim.model.op[i];

		// Who has left for good never answers, and one without a place is not met.
		if (op->outcome == UNKNOWN_FINAL ||
		    (op->outcome == NOT_DONE && op->reason == WHY_SESSION &&
		     op->owner_boot == sim.boot[op->owner] &&
		     !has_no_place(&sim.node[op->by.node], &sim.node[op->owner])))
			model_failed(&sim.model, i, "all is healed, and it was not done");
	}
}

static void
check_end(void)
{
	if (sim.model.ops && open_operations())
		sim_failed(TRACE_NO_NODE, "all is healed, and an operation has no answer");
	check_probes();
	network_check(&sim.network);
	for (u32 i = 0; i < sim.nodes; i++) {
		struct sim_node *node = &sim.node[i];

		check_sessions(node);
		check_undisturbed(node);
		links_check(node->links);
		rcap_check(node->rcap);
		cap_check(&node->tree);
		own_check(&node->own);
		export_check(node);
		recall_account(node);
		if (node->own.free != OP_FRAMES)
			sim_failed(i, "frames are missing");
		sim.trace.hash ^= links_hash(node->links) * (2 * i + 1);
		trace_bytes(&sim.trace, node->memory, sizeof(node->memory));
		trace_bytes(&sim.trace, node->disk, sizeof(node->disk));
		sim.trace.hash ^= rcap_hash(node->rcap);
	}
}

static void
fill_result(struct run_result *result)
{
	result->hash = sim.trace.hash;
	result->virtual_ns = sim.trace.now;
	result->nodes = sim.nodes;
	result->operations = sim.model.ops;
	result->frames = sim.network.count;
	points_tell(result->points, result->marks);
	felt_end();
	memcpy(result->answered, sim.model.answered, sizeof(result->answered));
	memcpy(result->refused, sim.model.refused, sizeof(result->refused));
	for (u32 k = 0; k < DO_KINDS; k++) {
		for (u32 i = 0; i <= ORPHAN; i++)
			result->outcome[i] += result->answered[k][i];
	}
	for (u32 i = 0; i < sim.model.ops; i++)
		result->effects += sim.model.op[i].effects;
}

void
run_seed(const struct run_options *options, struct run_result *result)
{
	start_seed(options, result);
	run_until(phases.heal);
	points_stop();
	adversary_heal();
	run_until(phases.quiet);
	for (u32 i = 0; i < sim.nodes; i++)
		held_forget_departed(&sim.node[i]);
	be_quiet();
	phases.probes_from = sim.model.ops;
	for (u32 i = 0; i < sim.nodes; i++)
		work_probe(&sim.node[i]);
	run_until(sim.trace.now + PROBE_NS);
	check_end();
	registers_judge();
	record_end();
	fill_result(result);
	if (!sim.options.idle && result->outcome[DONE] < DONE_LEAST_EACH * sim.nodes)
		sim_failed(TRACE_NO_NODE, "too few operations were done to tell anything");
}
