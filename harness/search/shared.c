// SPDX-License-Identifier: BSD-2-Clause
// The nodes of shared memory's worlds: a core with its memory, what it has heard of the
// others, and its clock. What happens to them is chosen in shared_world.c.
//
// Invariant: between two steps every clock stands at CLOCK_NS, and no core has anything to
// do before something comes or its clock goes on.

#include <string.h>

#include "harness/search/shared.h"
#include "kernel/base/assert.h"

#define ROUNDS_MAX 64u
#define ACTIONS_MAX 400u
#define AGE_MAX (3 * TICK_NS)	// older than that is nothing

struct shared shared;

// ---- time

static u64
pause_left(u64 due, u64 now)
{
	return due > now ? CLOCK_NS + PAUSE_NS : 0;
}

// In ticks: pauses do not count.
static u64
begun_at(u64 since, u64 now)
{
	return CLOCK_NS - MIN((now - since) / TICK_NS * TICK_NS, (u64)AGE_MAX);
}

// The same core, whose clock stands at CLOCK_NS.
static void
take_time(struct node *node, u64 now)
{
	struct coh *coh = &node->coh;

	for (u32 i = 0; i < COH_TX_MAX; i++) {
		coh->tx[i].due = pause_left(coh->tx[i].due, now);
		coh->tx[i].began = CLOCK_NS;
		coh->tx[i].tries = 0;
	}
	for (u32 i = 0; i < COH_SERVE_MAX; i++)
		coh->serve[i].due = pause_left(coh->serve[i].due, now);
	for (u32 i = 0; i < PAGES; i++)
		node->pages[i].hold_until = pause_left(node->pages[i].hold_until, now);
	coh->gather_due = pause_left(coh->gather_due, now);
	coh->tick_at = coh->tick_at > now ? CLOCK_NS + TICK_NS : CLOCK_NS;
	coh->alive_since = begun_at(coh->alive_since, now);
	coh->entered_at = begun_at(coh->entered_at, now);
	coh->now = CLOCK_NS;
}

bool
node_pauses(u32 node)
{
	return coh_due(&shared.node[node].coh) <= CLOCK_NS + PAUSE_NS;
}

// ---- a life

static void
forget_memory(struct node *n)
{
	memset(n->words, 0, sizeof(n->words));
	memset(n->holdings, 0, sizeof(n->holdings));
	memset(n->pages, 0, sizeof(n->pages));
	memset(n->frames, 0, sizeof(n->frames));
	memset(n->mapped, 0, sizeof(n->mapped));
}

// Nobody waits for what has run for the life that is over.
static void
forget_answers(u32 node)
{
	for (u32 i = 0; i < OPS; i++) {
		struct operation *op = &shared.op[i];

		if (op->state == OP_RAN && op->from == node)
			memset(op, 0, sizeof(*op));
	}
}

// What runs begins another life, with nothing; its program goes on where it was.
void
node_boot(u32 node)
{
	struct node *n = node_touch(node);
	struct coh_config config = {
		.pages = PAGES, .page_size = WORDS * 8, .self = member_of(node),
		.life = ++shared.lives, .flags = shared.start->flags,
		.first_version = shared.start->first_version, .hold_ns = PAUSE_NS,
		.retry_ns = 2 * PAUSE_NS, .tick_ns = TICK_NS, .form_ns = TICK_NS };
	struct coh_memory memory = {
		.words = n->words, .holdings = n->holdings, .pages = n->pages,
		.gathers = n->gathers, .scratch = n->scratch };

	forget_memory(n);
	forget_answers(node);
	memset(n->lent, 0, sizeof(n->lent));
	memset(n->banned, 0, sizeof(n->banned));
	n->zombie = n->begun = n->held = false;
	n->phase = 0;
	n->life = config.life;
	for (u32 i = 0; i < NODES; i++)
		n->belief[i] = i == node ? BELIEF_KNOWN : BELIEF_GONE;
	n->up = true;
	coh_init(&n->coh, &config, &memory, CLOCK_NS);
	// Its numbers are all zero: pauses have no jitter.
	n->coh.prng = (struct prng){ 0 };
	node_view(node);
	node_pump(node, CLOCK_NS);
}

void
node_crash(u32 node)
{
	struct node *n = node_touch(node);

	post_drop_all(node, false);
	forget_memory(n);
	forget_answers(node);
	n->up = n->cut = n->begun = n->held = n->zombie = false;
	shared.left_alone = false;
}

// Everybody notices at once which nodes it reaches; who is there it hears later.
void
node_cut(u32 node, bool cut)
{
	node_touch(node)->cut = cut;
	shared.left_alone = false;
	if (cut)
		post_drop_all(node, true);
	for (u32 i = 0; i < NODES; i++) {
		if (!shared.node[i].up)
			continue;
		node_view(i);
		node_pump(i, CLOCK_NS);
	}
}

// ---- what it hears of the others

static bool
reaches(u32 node, u32 other)
{
	return node == other || (!shared.node[node].cut && !shared.node[other].cut);
}

// It decides while it believes a majority alive, and reaches it.
void
node_view(u32 node)
{
	struct node *n = node_touch(node);
	u32 life[COH_MEMBERS_MAX] = { 0 }, reached = 0;
	u64 here = 0, alive = 0;

	for (u32 i = 0; i < NODES; i++) {
		if (n->belief[i] == BELIEF_GONE)
			continue;
		reached += reaches(node, i);
		here |= coh_bit(member_of(i));
		if (n->belief[i] != BELIEF_KNOWN)
			continue;
		alive |= coh_bit(member_of(i));
		life[member_of(i)] = i == node ? n->life : n->known_life[i];
		if (i != node && n->banned[i] != n->known_life[i] &&
		    n->known_life[i] > n->lent[i])
			n->lent[i] = n->known_life[i];
	}
	coh_alive(&n->coh, n->coh.now, here, alive, life, reached * 2 > NODES);
}

bool
node_has_news(u32 node, u32 about)
{
	const struct node *n = &shared.node[node];

	if (node == about || !n->up)
		return false;
	if (!is_there(about) || n->cut)
		return n->belief[about] != BELIEF_GONE;
	return n->belief[about] != BELIEF_KNOWN ||
	       n->known_life[about] != shared.node[about].life;
}

void
node_hears(u32 node, u32 about)
{
	struct node *n = node_touch(node);

	ASSERT(node_has_news(node, about));
	if (!is_there(about) || n->cut) {
		n->belief[about] = BELIEF_GONE;
	} else if (n->belief[about] == BELIEF_GONE) {
		n->belief[about] = BELIEF_RUNS;
	} else {
		n->belief[about] = BELIEF_KNOWN;
		n->known_life[about] = shared.node[about].life;
	}
	node_view(node);
	node_pump(node, CLOCK_NS);
}

// ---- going on

static u32
act(u32 node, u64 now)
{
	struct coh_action action;
	u32 actions = 0;

	while (coh_next(&shared.node[node].coh, now, &action)) {
		carry(node, &action);
		if (++actions == ACTIONS_MAX)
			search_wrong("a core wants something done without an end");
	}
	coh_check(&shared.node[node].coh);
	return actions;
}

void
node_pump(u32 node, u64 now)
{
	struct node *n = node_touch(node);
	u32 rounds = 0, happened;

	ASSERT(n->up);
	do {
		happened = act(node, now);
		happened += program_run(node, now);
		happened += act(node, now);
		if (++rounds == ROUNDS_MAX)
			search_wrong("a core and its program go on without an end");
	} while (happened);
	for (u32 i = 0; i < PAGES; i++) {
		if (n->mapped[i] != n->pages[i].mapped)
			search_wrong("what is mapped is not what the core believes");
	}
	take_time(n, now);
}
