// SPDX-License-Identifier: BSD-2-Clause
// What goes wrong, and when. With `swarm` each kind is on in half of the seeds, at a
// rate of its own (swarm testing, Groce et al., 2012). Episodes come at random, and
// overlap as they will; the heal ends them all.

#include <string.h>

#include "harness/quorum/quorum.h"
#include "kernel/base/assert.h"

#define EPISODES FAULT_DELAY	// kinds from here on are episodes
#define HUNDRED_SECONDS (100 * NS_PER_SECOND)

static const struct {
	const char *word;
	u32 most;
} kinds[FAULT_KINDS] = {
#define X(name, word, most, text) { word, most },
#include "harness/quorum/faults.def"
#undef X
};

enum way_fault { WAY_BLOCKED, WAY_STARVED };

static u64 ends;	// no episode begins after that

const char *
faults_word(u32 kind)
{
	return kinds[kind].word;
}

bool
faults_parse(const char *text, struct options *options)
{
	options->allowed = (1u << FAULT_KINDS) - 1;
	options->swarm = !strcmp(text, "swarm");
	if (options->swarm || !strcmp(text, "all"))
		return true;
	options->allowed = 0;
	if (!strcmp(text, "none"))
		return true;
	for (;;) {
		size_t len = strcspn(text, ",");
		u32 kind = 0;

		while (kind < FAULT_KINDS && (strlen(kinds[kind].word) != len ||
					      memcmp(kinds[kind].word, text, len) != 0))
			kind++;
		if (kind == FAULT_KINDS)
			return false;
		options->allowed |= 1u << kind;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static u64
rand_below(u64 bound)
{
	return prng_below(&q.fault_prng, bound);
}

static void
next_episode(enum fault_kind kind)
{
	u64 at = now() + 1 + rand_below(2 * HUNDRED_SECONDS / q.rate[kind]);

	if (at < ends)
		event_add(at, EVENT_FAULT, 0, kind, 0);
}

void
faults_start(u64 until)
{
	ends = until;
	for (u32 i = 0; i < FAULT_KINDS; i++) {
		bool on = rand_below(2) == 0;
		u32 rate = 1 + (u32)rand_below(kinds[i].most);

		q.rate[i] = (q.options.allowed >> i & 1) && (on || !q.options.swarm) ? rate : 0;
		if (i >= EPISODES && q.rate[i])
			next_episode(i);
	}
	q.paths = q.rate[FAULT_PARTITION] || q.rate[FAULT_ONEWAY] || q.rate[FAULT_DELAY];
}

// ---- episodes

static void
block(u32 from, u32 to, u64 until)
{
	q.way[from][to].blocked = true;
	event_add(until, EVENT_HEAL_PATH, from, to, WAY_BLOCKED);
}

static void
partition(u64 until)
{
	u64 set = 1 + rand_below((1ull << q.nodes) - 2);

	TRACE(TRACE_NO_NODE, "the nodes part: %lx", set);
	for (u32 a = 0; a < q.nodes; a++) {
		for (u32 b = 0; b < q.nodes; b++) {
			if ((set >> a & 1) != (set >> b & 1))
				block(a, b, until);
		}
	}
}

static void
starve(u64 until)
{
	if (q.starving)
		return;
	TRACE(TRACE_NO_NODE, "processors are short", 0);
	q.starving = true;
	event_add(until, EVENT_HEAL_PATH, 0, 0, WAY_STARVED);
	for (u32 i = 0; i < q.nodes; i++)
		event_add(now() + rand_below(300 * NS_PER_MS), EVENT_STALL, i,
			  q.node[i].boot, 0);
}

// May this node lose its disk? Only while every other voter has what it voted: the
// loss of two disks at a time may lose what was agreed.
static bool
may_forget(u32 node)
{
	for (u32 i = 0; i < q.nodes; i++) {
		const struct qnode *other = &q.node[i];

		if (i == node || !other->has_disk)
			continue;
		if (!other->up || !other->agree.acceptor.written)
			return false;
	}
	return q.formed;
}

static void
crash(u32 node, bool forget)
{
	u64 off = 50 * NS_PER_MS + rand_below(4 * NS_PER_SECOND);

	if (!q.node[node].up || (forget && !may_forget(node)))
		return;
	node_crash(&q.node[node], forget);
	event_add(now() + off, EVENT_BOOT, node, 0, 0);
}

void
faults_begin(enum fault_kind kind)
{
	u32 a = (u32)rand_below(q.nodes), b = (u32)rand_below(q.nodes);
	u64 for_ns = 5 * NS_PER_MS + rand_below(4 * NS_PER_SECOND);

	if (q.healed)
		return;
	// Before there is a record, two halves of a cluster may rightly become two.
	if (!q.formed && kind >= FAULT_PARTITION) {
		next_episode(kind);
		return;
	}
	q.result->episodes[kind]++;
	if (kind == FAULT_PARTITION) {
		partition(now() + for_ns);
	} else if (kind == FAULT_ONEWAY && a != b) {
		TRACE(a, "is not heard by n%lu", b);
		block(a, b, now() + for_ns);
	} else if (kind == FAULT_DELAY && a != b) {
		q.way[a][b].slow_ns = rand_below(150 * NS_PER_MS);
		q.way[a][b].slow_until = now() + for_ns;
	} else if (kind == FAULT_PAUSE) {
		node_stall(&q.node[a], 300 * NS_PER_MS + rand_below(6 * NS_PER_SECOND));
	} else if (kind == FAULT_CRASH || kind == FAULT_FORGET) {
		crash(a, kind == FAULT_FORGET);
	} else if (kind == FAULT_STARVE) {
		starve(now() + 2 * for_ns);
	} else if (kind == FAULT_LAG) {
		q.lag_until = MAX(q.lag_until, now() + 2 * for_ns);
	} else if (kind == FAULT_DISK) {
		q.node[a].slow_disk_ns = rand_below(300 * NS_PER_MS);
		q.node[a].slow_disk_until = now() + for_ns;
	}
	next_episode(kind);
}

void
faults_end_way(u32 from, u32 to, u32 what)
{
	if (what == WAY_STARVED)
		q.starving = false;
	else
		q.way[from][to].blocked = false;
}

void
faults_heal(void)
{
	q.healed = true;
	q.healed_at = now();
	q.lag_until = 0;
	q.starving = false;
	for (u32 i = 0; i < FAULT_KINDS; i++)
		q.rate[i] = 0;
	for (u32 a = 0; a < q.nodes; a++) {
		q.node[a].slow_disk_until = 0;
		for (u32 b = 0; b < q.nodes; b++) {
			q.way[a][b].blocked = false;
			q.way[a][b].slow_until = 0;
		}
		if (q.node[a].stalled_until > now()) {
			q.node[a].stalled_until = now();
			event_add(now(), EVENT_RESUME, a, q.node[a].boot, 0);
		}
		if (!q.node[a].up)
			event_add(now(), EVENT_BOOT, a, 0, 0);
	}
}
