// SPDX-License-Identifier: BSD-2-Clause
// One seed:
//
//	form	nodes boot; within FORM_NS all know one record
//	chaos	six to ten seconds of work under faults
//	heal	nothing goes wrong any more; within SETTLE_NS all agree on who lives,
//		on the record and on who holds the address
//	done	each node makes a change, and each is made
//	idle	nothing happens: what does it cost?
//	kill	a node is gone: all others know within DETECT_NS

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/quorum/quorum.h"
#include "kernel/base/assert.h"

#define FORM_NS (40 * NS_PER_SECOND)
#define SETTLE_NS (25 * NS_PER_SECOND)
#define DETECT_NS (4 * NS_PER_SECOND)	// more than 3 nodes wait for confirmations
#define DETECT_FEW_NS (2500 * NS_PER_MS)
#define IDLE_NS (4 * NS_PER_SECOND)
#define SHOWN_LINES 80u
#define STEP_NS (20 * NS_PER_MS)

struct quorum q;

void
event_add(u64 at, enum event_kind kind, u32 node, u32 a, u32 b)
{
	heap_add(&q.heap, (struct event){ .at = MAX(at, now()), .kind = kind,
					  .node = node, .a = a, .b = b });
}

// ---- how a seed fails

noreturn_ static void
show_and_fail(void)
{
	const struct options *o = &q.options;

	printf("again: make sim-cluster SEEDS=%" PRIu64 " NODES=%s FAULTS=%s", o->seed,
	       o->nodes_text, o->faults_text);
	if (o->planted)
		printf(" BUG=%s", planted_names[o->planted]);
	printf(" TRACE=1\n");
	if (!o->live) {
		printf("the last of %" PRIu64 " lines of its time-line:\n", q.trace.lines);
		trace_print(&q.trace, SHOWN_LINES);
	}
	fflush(stdout);
	exit(1);
}

void
failed(u32 node, const char *what)
{
	printf("seed %" PRIu64 " failed at %.6f s: ", q.options.seed, (double)now() / 1e9);
	if (node != TRACE_NO_NODE)
		printf("n%u: ", node);
	printf("%s\n", what);
	show_and_fail();
}

void
assert_failed(const char *expression, const char *file, int line)
{
	printf("seed %" PRIu64 " failed at %.6f s: %s:%d: broken invariant: %s\n",
	       q.options.seed, (double)now() / 1e9, file, line, expression);
	show_and_fail();
}

// ---- the loop

static void
handle(const struct event *event)
{
	struct qnode *node = &q.node[event->node];
	bool alive = node->up && node->boot == event->a;

	switch ((enum event_kind)event->kind) {
	case EVENT_BOOT:
		node_boot(node);
		break;
	case EVENT_PACKET:
		node_packet(node, event->a);
		break;
	case EVENT_TIMER:
		if (alive)
			node_timer(node);
		break;
	case EVENT_DISK:
		if (alive)
			node_disk(node);
		break;
	case EVENT_WORK:
		if (alive)
			node_work(node);
		break;
	case EVENT_STALL:
		if (alive && q.starving)
			node_stall(node, 300 * NS_PER_MS + below(200 * NS_PER_MS));
		break;
	case EVENT_RESUME:
		if (alive)
			node_resume(node);
		break;
	case EVENT_LINKS:
		network_links();
		break;
	case EVENT_FAULT:
		faults_begin(event->a);
		break;
	case EVENT_HEAL_PATH:
		faults_end_way(event->node, event->a, event->b);
		break;
	}
}

static void
run_until(u64 until)
{
	struct event event;

	while (heap_take(&q.heap, &event)) {
		if (event.at >= until) {
			heap_add(&q.heap, event);
			break;
		}
		q.trace.now = event.at;
		handle(&event);
		q.result->events++;
	}
	q.trace.now = until;
}

// Runs until something holds. Returns how long that took.
static u64
run_while(bool (*goes_on)(void), u64 most, const char *complaint)
{
	u64 from = now();

	while (goes_on()) {
		if (now() - from > most)
			failed(TRACE_NO_NODE, complaint);
		run_until(now() + STEP_NS);
	}
	return now() - from;
}

// ---- the beginning

static void
start_nodes(void)
{
	u32 disks = 1 + (u32)below(MIN(q.nodes, 3u));

	memset(q.node, 0, sizeof(q.node));
	if (q.nodes >= 3)
		disks = MAX(disks, 2u + (u32)below(2));
	for (u32 i = 0; i < q.nodes; i++) {
		struct qnode *node = &q.node[i];

		for (u32 k = 0; k < RECORD_UUID; k++)
			node->uuid[k] = (u8)below(256);
		node->uuid[RECORD_UUID - 1] = (u8)(i + 1);
		node->has_disk = i < disks || below(4) > 0;
		event_add(below(below(3) ? 200 * NS_PER_MS : 3 * NS_PER_SECOND), EVENT_BOOT,
			  i, 0, 0);
	}
}

static void
start(const struct options *options, struct result *result)
{
	static struct event events[EVENTS_MAX];

	q.options = *options;
	q.result = result;
	*result = (struct result){ 0 };
	heap_init(&q.heap, events, EVENTS_MAX);
	trace_init(&q.trace, options->live);
	prng_seed(&q.prng, options->seed);
	prng_seed(&q.fault_prng, ~options->seed);
	q.lag_until = 0;
	q.healed = q.starving = q.quiet = q.formed = false;
	q.nodes = options->nodes_least +
		  (u32)below(options->nodes_most - options->nodes_least + 1);
	planted_set(options->planted);
	model_init();
	network_init();
	start_nodes();
	faults_start(~0ull);
}

// ---- what is waited for

static bool
not_formed(void)
{
	for (u32 i = 0; i < q.nodes; i++) {
		if (!q.node[i].up || !agree_version(&q.node[i].agree))
			return true;
	}
	return false;
}

static bool
knows_all(const struct qnode *node)
{
	for (u32 i = 0; i < q.nodes; i++) {
		u8 slot = members_find(&node->members, q.node[i].uuid);

		if (slot == MEMBER_NONE)
			return false;

		const struct member *member = &node->members.member[slot];

		if (q.node[i].up != (member->life == MEMBER_ALIVE) ||
		    (q.node[i].up && member->id.incarnation != q.node[i].life))
			return false;
	}
	return true;
}

static bool
not_settled(void)
{
	u64 version = agree_version(&q.node[0].agree);

	for (u32 i = 0; i < q.nodes; i++) {
		const struct qnode *node = &q.node[i];

		if (!node->up || !knows_all(node) || agree_is_lost(&node->agree) ||
		    agree_version(&node->agree) != version || node->agree.request_count)
			return true;
	}
	return version != model_newest();
}

static bool
has_open_work(void)
{
	for (u32 i = 0; i < q.nodes; i++) {
		for (u32 k = 0; k < WORK_MAX; k++) {
			if (q.node[i].work[k].used)
				return true;
		}
	}
	return false;
}

static u32 victim;

static bool
not_detected(void)
{
	for (u32 i = 0; i < q.nodes; i++) {
		const struct qnode *node = &q.node[i];
		u8 slot = members_find(&node->members, q.node[victim].uuid);

		if (i != victim && (slot == MEMBER_NONE ||
				    node->members.member[slot].life != MEMBER_DEAD))
			return true;
	}
	return false;
}

static void
count_messages(u64 *messages, u64 *bytes)
{
	*messages = *bytes = 0;
	for (u32 i = 0; i < q.nodes; i++) {
		*messages += q.node[i].members.count.sent + q.node[i].agree.count.sent;
		*bytes += q.node[i].members.count.bytes;
	}
}

// ---- phases

// Nodes part, stop or forget only when there is a cluster: before, two halves of it
// may rightly become two clusters.
static void
form(void)
{
	q.result->form_ns = run_while(not_formed, FORM_NS,
				      "not every node knows a record");
	q.formed = true;
}

static void
make_changes(void)
{
	u64 before = q.result->done;

	for (u32 i = 0; i < q.nodes; i++) {
		if (!node_submit(&q.node[i], WORK_MARK, NULL))
			failed(i, "all is healed, and a change cannot be begun");
		node_pump(&q.node[i]);
	}
	run_while(has_open_work, SETTLE_NS, "all is healed, and a change does not end");
	if (q.result->done - before < q.nodes)
		failed(TRACE_NO_NODE, "all is healed, and a change was not made");
}

static void
measure_idle(void)
{
	u64 messages, bytes, before, bytes_before;

	count_messages(&before, &bytes_before);
	run_until(now() + IDLE_NS);
	count_messages(&messages, &bytes);
	q.result->idle_messages = (messages - before) * NS_PER_SECOND / IDLE_NS;
	q.result->idle_bytes = (bytes - bytes_before) * NS_PER_SECOND / IDLE_NS;
}

static void
count_members(void)
{
	for (u32 i = 0; i < q.nodes; i++) {
		const struct member_counters *c = &q.node[i].members.count;

		if (!q.node[i].up)
			continue;
		q.result->suspicions += c->suspicions;
		q.result->deaths += c->deaths;
		q.result->refutations += c->refutations;
		q.result->pauses += c->pauses;
	}
}

void
run_seed(const struct options *options, struct result *result)
{
	start(options, result);
	form();
	run_until(now() + 6 * NS_PER_SECOND + below(4 * NS_PER_SECOND));
	faults_heal();
	result->settle_ns = run_while(not_settled, SETTLE_NS,
				      "all is healed, and not all agree");
	make_changes();
	run_while(not_settled, SETTLE_NS, "all is healed, and not all agree again");
	q.quiet = true;
	measure_idle();
	victim = (u32)below(q.nodes);
	node_crash(&q.node[victim], false);
	result->detect_ns = run_while(not_detected,
				      q.nodes <= 3 ? DETECT_FEW_NS : DETECT_NS,
				      "a node is dead, and not all know");
	model_check();
	count_members();
	result->hash = q.trace.hash;
	result->virtual_ns = now();
	result->nodes = q.nodes;
	result->versions = model_newest();
}
