// SPDX-License-Identifier: BSD-2-Clause
// What can happen next in shared memory's worlds. The first choice is a start; from there
// on anything that is on the way goes on, programs and clocks do, nodes hear of each
// other, and a budget's worth goes wrong.
//
// While CROWD or more things are on the way, one of them goes on before anything else
// happens.

#include <stdio.h>
#include <string.h>

#include "dsm/core/planted.h"
#include "harness/search/shared.h"
#include "kernel/base/assert.h"

#define SETTLE_STEPS 6000u

enum happening {
	START, COME, COPY, LOSE, RUN, HALF, END, UNKNOWN, NOT_DONE, FORGET, STEP, WAIT,
	TICK, HEAR, CRASH, BOOT, CUT, HEAL, RENEW,
};

u32 dsm_planted;

#define B(...) { __VA_ARGS__ }
#define S(...) { __VA_ARGS__ }
#define N(...) { __VA_ARGS__ }
#define R(page) { STEP_READ, page }
#define W(page) { STEP_WRITE, page }
#define C(page) { STEP_COPY, page }
#define E(page) { STEP_EVICT, page }
#define P(page) { STEP_PUBLISH, page }
#define BARRIER { STEP_BARRIER, 0 }
#define NOTHING { STEP_NONE, 0 }
enum kind { pages, members, published, few };
static const struct {
	enum kind kind;
	struct start start;
} starts[] = {
#define X(world, name, text, budget, version, flags, late, joins, before, program) \
	{ world, { #name, text, budget, version, flags, late, joins, before, program } },
#include "harness/search/starts.def"
#undef X
};

static enum kind kind;		// of the world that is searched
// ---- what there is to choose from

static void
list_posts(void)
{
	for (u32 i = 0; i < POSTS; i++) {
		if (!shared.post[i].hash)
			continue;
		choice_add(COME, i, 0);
		if (shared.left.copies && !shared.post[i].came)
			choice_add(COPY, i, 0);
		if (shared.left.losses)
			choice_add(LOSE, i, 0);
	}
}

static void
list_op(const struct operation *op, u32 i)
{
	bool orphan = operation_is_orphan(op), can_run = operation_can_run(op);
	bool reaches = is_there(op->to) && !shared.node[op->from].cut;

	if (can_run)
		choice_add(RUN, i, 0);
	if (orphan) {
		choice_add(FORGET, i, 0);
		return;
	}
	if (op->state == OP_RAN)
		choice_add(END, i, 0);
	if (op->state == OP_SENT && !can_run)
		choice_add(NOT_DONE, i, 0);
	if (op->state == OP_SENT ? !can_run : !reaches)
		choice_add(UNKNOWN, i, 0);
	else if (shared.left.lapses)
		choice_add(UNKNOWN, i, 1);
	if (can_run && shared.left.lapses && op->what == COH_DO_WRITE)
		choice_add(HALF, i, 0);
}

static void
list_nodes(void)
{
	for (u32 i = 0; i < NODES; i++) {
		const struct node *n = &shared.node[i];

		if (!n->up) {
			if (shared.late != i + 1 && (shared.left.boots || shared.settling))
				choice_add(BOOT, i, 0);
			continue;
		}
		if (!n->begun && !program_is_over(i))
			choice_add(STEP, i, 0);
		if (node_pauses(i))
			choice_add(WAIT, i, 0);
		if (shared.left.ticks && n->coh.phase != COH_FENCED)
			choice_add(TICK, i, 0);
		if (n->coh.phase == COH_FENCED)
			choice_add(RENEW, i, 0);
		for (u32 other = 0; other < NODES; other++) {
			if (node_has_news(i, other))
				choice_add(HEAR, i, other);
		}
	}
}

// A majority stays: without one nothing may go on.
static void
list_faults(void)
{
	bool all = is_there(0) && is_there(1) && is_there(2);

	for (u32 i = 0; i < NODES; i++) {
		bool victim = all && shared.left.victims >> i & 1;

		if (victim && shared.left.crashes)
			choice_add(CRASH, i, 0);
		if (victim && shared.left.cuts)
			choice_add(CUT, i, 0);
		if (shared.node[i].cut)
			choice_add(HEAL, i, 0);
	}
}

static void
begin_at(const struct start *start);

static void
list(void)
{
	u32 crowd = 0;

	if (!shared.start) {
		for (u32 i = 0; i < ARRAY_SIZE(starts); i++) {
			if (starts[i].kind == kind)
				choice_add(START, i, 0);
		}
		return;
	}
	list_posts();
	for (u32 i = 0; i < OPS; i++) {
		if (shared.op[i].state)
			list_op(&shared.op[i], i);
		crowd += shared.op[i].state != OP_NONE;
	}
	for (u32 i = 0; i < POSTS; i++)
		crowd += shared.post[i].hash && !shared.post[i].came;
	if (crowd >= CROWD)
		return;
	list_nodes();
	list_faults();
}

// ---- what happens

static void
node_step(u32 node)
{
	node_touch(node)->begun = true;
	node_pump(node, CLOCK_NS);
}

// To a node.
static void
befall(const struct choice *c)
{
	switch (c->what) {
	case STEP:
		node_step(c->which);
		break;
	case WAIT:
		node_pump(c->which, CLOCK_NS + PAUSE_NS);
		break;
	case TICK:
		shared.left.ticks -= !shared.settling;
		node_pump(c->which, CLOCK_NS + TICK_NS);
		break;
	case HEAR:
		node_hears(c->which, c->other);
		break;
	case CRASH:
		shared.left.crashes--;
		node_crash(c->which);
		break;
	case CUT:
		shared.left.cuts--;
		node_cut(c->which, true);
		break;
	case HEAL:
		node_cut(c->which, false);
		break;
	case BOOT:
		shared.left.boots -= !shared.settling;
		node_boot(c->which);
		break;
	default:
		ASSERT(c->what == RENEW);
		node_boot(c->which);
	}
}

static void
happen(const struct choice *c)
{
	struct operation *op = &shared.op[c->which];

	switch ((enum happening)c->what) {
	case START:
		begin_at(&starts[c->which].start);
		shared.which = c->which;
		break;
	case COPY:
		shared.left.copies--;
		post_come(&shared.post[c->which], true);
		break;
	case COME:
		post_come(&shared.post[c->which], false);
		break;
	case LOSE:
		shared.left.losses--;
		memset(&shared.post[c->which], 0, sizeof(shared.post[0]));
		break;
	case RUN:
		operation_run(op, false);
		break;
	case HALF:
		shared.left.lapses--;
		operation_run(op, true);
		operation_end(op, COH_UNKNOWN);
		break;
	case END:
		operation_end(op, COH_DONE);
		break;
	case UNKNOWN:
		shared.left.lapses -= c->other;
		operation_end(op, COH_UNKNOWN);
		break;
	case NOT_DONE:
		operation_end(op, COH_NOT_DONE);
		break;
	case FORGET:
		memset(op, 0, sizeof(*op));
		break;
	default:
		befall(c);
	}
}

// ---- in words

static void
tell_post(const struct post *post, char *text, u32 room)
{
	static const char *const says[] = {
		[COH_SAY_STATUS] = "STATUS", [COH_SAY_EPOCH] = "EPOCH",
		[COH_SAY_REVOKE] = "REVOKE", [COH_SAY_GONE] = "GONE",
		[COH_SAY_ARRIVED] = "ARRIVED", [COH_SAY_RELEASED] = "RELEASED" };
	const struct coh_message *m = &post->message;

	snprintf(text, room, "%s of n%u to n%u, epoch %u round %u page %u version %u",
		 says[m->say], post->from, post->to,
		 m->say == COH_SAY_EPOCH ? post->id : m->epoch, m->round, m->page,
		 m->version);
}

static void
tell_op(const struct operation *op, char *text, u32 room)
{
	static const char *const whats[] = {
		[COH_DO_SWAP] = "swap", [COH_DO_READ] = "read", [COH_DO_WRITE] = "write",
		[COH_DO_NOTE] = "note", [COH_DO_TABLE] = "table" };
	static const char *const states[] = { "U", "S", "M", "B" };
	struct coh_entry to = coh_word_unpack(op->clause.swap);
	int at = snprintf(text, room, "%s of n%u at n%u, page %u", whats[op->what],
			  op->from, op->to, op->page);

	if (op->what == COH_DO_SWAP && at > 0 && (u32)at < room)
		snprintf(text + at, room - (u32)at, ", to %s%s",
			 op->clause.swap_mask.low ? states[to.state] : "nothing",
			 op->state == OP_SENT ? "" : op->result.matched ? ", matched" :
			 ", did not match");
}

static void
tell(const struct choice *c, char *text, u32 room)
{
	static const char *const words[] = {
		[START] = "start: ", [COME] = "comes: ",
		[COPY] = "comes, and will again: ", [LOSE] = "is lost: ", [RUN] = "runs: ",
		[HALF] = "runs by half, and ends as unknown: ", [END] = "ends: ",
		[UNKNOWN] = "ends as unknown: ", [NOT_DONE] = "ends as not done: ",
		[FORGET] = "is gone: ", [STEP] = "begins its next step: n",
		[WAIT] = "a pause is over: n", [TICK] = "a tick is over: n",
		[HEAR] = "hears of another one: n", [CRASH] = "crashes: n",
		[BOOT] = "boots: n", [CUT] = "is cut off: n", [HEAL] = "is back: n",
		[RENEW] = "begins another life: n" };
	static const char *const steps[] = {
		[STEP_READ] = "read", [STEP_WRITE] = "write", [STEP_COPY] = "copy to",
		[STEP_EVICT] = "evict", [STEP_PUBLISH] = "publish",
		[STEP_BARRIER] = "barrier" };
	char what[120] = "";

	if (c->what == START)
		snprintf(what, sizeof(what), "%s: %s", starts[c->which].start.name,
			 starts[c->which].start.text);
	else if (c->what <= LOSE)
		tell_post(&shared.post[c->which], what, sizeof(what));
	else if (c->what <= FORGET)
		tell_op(&shared.op[c->which], what, sizeof(what));
	else if (c->what == STEP)
		snprintf(what, sizeof(what), "%u: %s page %u", c->which,
			 steps[program_step(c->which).kind],
			 program_step(c->which).page);
	else if (c->what == HEAR)
		snprintf(what, sizeof(what), "%u of n%u", c->which, c->other);
	else
		snprintf(what, sizeof(what), "%u", c->which);
	snprintf(text, room, "%s%s", words[c->what], what);
}

// ---- beginning and end, where nothing goes wrong

// Who waits pauses more often than it ticks: of so many turns of the clocks, ticks have
// NODES before all pauses.
#define TURNS (3 * NODES)

// What goes on first: what is on the way, then what a node does, pauses, and ticks.
static u32
rank(const struct choice *c)
{
	switch (c->what) {
	case COME:
	case RUN:
	case END:
	case NOT_DONE:
	case FORGET:
		return 0;
	case STEP:
	case HEAR:
	case BOOT:
	case HEAL:
	case RENEW:
		return 1;
	case WAIT:
		return shared.turn < NODES ? 3 : 2;
	case TICK:
		return shared.turn < NODES ? 2 : 3;
	default:
		return 4;
	}
}

// Of clocks, those of the nodes go in turn.
static void
go_on(void)
{
	const struct choice *best = choices.at;
	u32 least = ~0u;

	choices.count = 0;
	list();
	for (u32 i = 0; i < choices.count; i++) {
		const struct choice *c = &choices.at[i];
		u32 order = rank(c) * NODES;

		if (c->what == WAIT || c->what == TICK)
			order += (c->which + TURNS - shared.turn) % NODES;
		if (order < least) {
			least = order;
			best = c;
		}
	}
	ASSERT(choices.count && rank(best) < 4);
	if (best->what == WAIT || best->what == TICK)
		shared.turn = (shared.turn + 1) % TURNS;
	happen(best);
	witness();
}

static bool
is_quiet(void)
{
	for (u32 i = 0; i < NODES; i++) {
		const struct node *n = &shared.node[i];

		if (!n->up && shared.late == i + 1)
			continue;
		if (!is_there(i) || n->begun || !program_is_over(i) ||
		    n->coh.phase != COH_OPEN)
			return false;
		for (u32 other = 0; other < NODES; other++) {
			if (node_has_news(i, other) ||
			    (is_there(other) && !is_in(&n->coh.epoch, other)))
				return false;
		}
	}
	return true;
}

static bool
rest(void)
{
	shared.settling = true;
	shared.left = (struct budget){ .ticks = 1 };
	for (u32 steps = 0; steps < SETTLE_STEPS && !is_quiet(); steps++)
		go_on();
	return is_quiet();
}

static bool
is_empty(void)
{
	bool empty = true;

	for (u32 i = 0; i < OPS; i++)
		empty &= shared.op[i].state == OP_NONE;
	for (u32 i = 0; i < POSTS; i++)
		empty &= !shared.post[i].hash;
	return empty;
}

static void
begin_at(const struct start *start)
{
	memset(&shared, 0, sizeof(shared));
	shared.start = start;
	shared.late = start->late;
	shared.left_alone = true;
	shared.before = start->before;
	shared.left.ticks = 1;
	for (u32 i = 0; i < NODES; i++) {
		if (shared.late != i + 1)
			node_boot(i);
	}
	for (shared.only = 0; shared.only <= NODES; shared.only++) {
		bool rests = rest();

		ASSERT(rests);
		if (start->joins)
			shared.late *= shared.only < NODES - 1;
	}
	while (!is_empty())
		go_on();
	for (u32 i = 0; i < NODES; i++)
		node_touch(i)->at = 0;
	shared.before = NULL;
	shared.late = 0;
	shared.turn = 0;
	shared.settling = false;
	shared.left = start->budget;
}

static const void *same;	// saved bytes that differ in the touched nodes at most

static void
begin(void)
{
	memset(&shared, 0, sizeof(shared));
	same = NULL;
}

// Where everybody stands who does not come to an end.
static const char *
settle(void)
{
	static char text[240];
	u32 at;

	if (!shared.start || rest())
		return NULL;
	at = (u32)snprintf(text, sizeof(text), "something never ends");
	for (u32 i = 0; i < NODES; i++) {
		const struct node *n = &shared.node[i];

		at += (u32)snprintf(text + at, sizeof(text) - at,
				    "; n%u: step %u%s, epoch %u of %llx, round %u", i,
				    n->at, n->begun ? " waits" : "", n->coh.epoch.id,
				    (unsigned long long)n->coh.epoch.members,
				    n->coh.phase);
		ASSERT(at < sizeof(text));
	}
	return text;
}

// ---- bytes

static void
save(void *to)
{
	(void)shared_hash();	// what it keeps of each node is saved, too
	shared.touched = 0;
	memcpy(to, &shared, sizeof(shared));
	same = to;
}

static void
load_node(const struct shared *from, u32 node)
{
	memcpy(&shared.node[node], &from->node[node], sizeof(shared.node[node]));
}

// A step changes one node mostly: the others are as they were. Now and then that is
// looked at.
static void
load(const void *bytes)
{
	static u32 loads;
	const struct shared *from = bytes;
	u32 touched = same == from ? shared.touched : ~0u;

	for (u32 i = 0; i < NODES; i++) {
		if (touched >> i & 1)
			load_node(from, i);
	}
	memcpy(&shared, from, offsetof(struct shared, node));
	memcpy(shared.op, from->op, sizeof(shared.op));
	memcpy(shared.post, from->post, sizeof(shared.post));
	same = from;
	ASSERT(++loads % 512 || memcmp(&shared, from, sizeof(shared)) == 0);
}

// ---- bugs

static const char *const names[] = {
#define X(name, sentence) #name,
#include "dsm/core/bugs.def"
#undef X
	NULL
};

#define WORLD(which, sentence)								\
	static void begin_##which(void) { kind = which; begin(); }			\
	const struct world world_##which = {						\
		.name = #which, .text = sentence, .bugs = names,			\
		.planted = &dsm_planted, .size = sizeof(struct shared),			\
		.begin = begin_##which, .list = list, .happen = happen, .tell = tell,	\
		.check = witness, .hash = shared_hash, .save = save, .load = load,	\
		.settle = settle,							\
	}

WORLD(pages, "dsm/core: 3 nodes, 2 pages, all of them there");
WORLD(members, "dsm/core: 3 nodes, 2 pages; one dies, is cut off or comes late");
WORLD(few, "dsm/core: 3 nodes, 2 pages; so little to do that all there is is met");
WORLD(published, "dsm/core: 3 nodes, 2 pages that are published; one dies");
