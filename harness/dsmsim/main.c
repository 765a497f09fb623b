// SPDX-License-Identifier: BSD-2-Clause
// dsm-sim: seeds in, verdicts out. `--help` lists scenarios and planted bugs. The
// first failure ends the run with a sentence and the command that shows it again. A
// seed and a scenario make a plan; the same plan is the same run, step by step.

#include <stdio.h>
#include <string.h>

#include "dsm/core/planted.h"
#include "harness/dsmsim/dsmsim.h"
#include "harness/program/arguments.h"

u32 dsm_planted;

static const char *const bug_names[] = {
	"none",
#define X(name, sentence) #name,
#include "dsm/core/bugs.def"
#undef X
};

// What of a plan a scenario fixes; 0 leaves it to the seed.
struct scenario {
	const char *name;
	u32 nodes, pages, faults, writes, evictions, copies, publications, barriers;
	u32 first_version, flags, crash_at, pace;
};

#define IS_HEAT (1u << 31)	// of the flags: no random program
#define SHAKE (FAULT_LAPSE | FAULT_DELAY | FAULT_DROP)
#define X(name, sentence, ...) { #name, __VA_ARGS__ },
static const struct scenario scenarios[] = {
#include "harness/dsmsim/scenarios.def"
};
#undef X

static const char *const scenario_names[] = {
#define X(name, ...) #name,
#include "harness/dsmsim/scenarios.def"
#undef X
};

struct options {
	u64 first, last;
	u32 nodes_low, nodes_high, bug, steps;
	const struct scenario *scenario;	// NULL: any, by the seed
	bool trace;
};

static const struct argp_option words[] = {
	{ "seeds", 's', "A..B", 0, "which seeds, 1..1000 if not said", 1 },
	{ "nodes", 'n', "N | A..B", 0,
	  "how many nodes, or a range that seeds draw from; 3..7 if not said", 1 },
	{ "scenario", 'c', "NAME", 0, "one for all seeds; any, each seed's own, if not said", 1 },
	{ "steps", 'p', "N", 0, "how many of each seed, 150 if not said", 1 },
	{ "bug", 'b', "NAME", 0, "plants a bug in the core; the simulator has to find it", 1 },
	{ "trace", 't', NULL, 0, "prints each step", 1 },
	{ NULL, 0, NULL, 0, "Scenarios:", 2 },
#define X(name, sentence, ...) { #name, 0, NULL, OPTION_DOC, sentence, 2 },
#include "harness/dsmsim/scenarios.def"
#undef X
	{ NULL, 0, NULL, 0, "Bugs:", 3 },
#define X(name, sentence) { #name, 0, NULL, OPTION_DOC, sentence, 3 },
#include "dsm/core/bugs.def"
#undef X
	{ 0 },
};

static const struct scenario *
find_scenario(const struct argp_state *state, const char *name)
{
	if (!strcmp(name, "any"))
		return NULL;
	return &scenarios[argument_word(state, name, scenario_names,
					ARRAY_SIZE(scenario_names))];
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct options *o = state->input;
	u64 low, high;

	switch (key) {
	case 's':
		argument_range(state, value, 0, UINT64_MAX - 1, &o->first, &o->last);
		return 0;
	case 'n':
		argument_range(state, value, 2, NODES_MAX, &low, &high);
		o->nodes_low = (u32)low;
		o->nodes_high = (u32)high;
		return 0;
	case 'c':
		o->scenario = find_scenario(state, value);
		return 0;
	case 'p':
		o->steps = (u32)argument_number(state, value, 0, 2000);
		return 0;
	case 'b':
		o->bug = argument_word(state, value, bug_names, DSM_BUG_COUNT);
		return 0;
	case 't':
		o->trace = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "Runs the core of shared memory on simulated nodes, once for each seed.",
};

static u32
draw(struct prng *prng, u32 low, u32 high)
{
	return low + (u32)prng_below(prng, high - low + 1);
}

static const struct scenario *
plan_make(const struct options *o, u64 seed, struct plan *plan)
{
	struct prng prng = { 0 };
	const struct scenario *s;

	prng_seed(&prng, seed ^ 0x5eed);
	s = &scenarios[draw(&prng, 0, (u32)ARRAY_SIZE(scenarios) - 1)];
	if (o->scenario)
		s = o->scenario;
	*plan = (struct plan){
		.seed = seed,
		.nodes = draw(&prng, o->nodes_low, o->nodes_high),
		.pages = draw(&prng, 1, 6),
		.faults = draw(&prng, 0, SHAKE),
		.writes = draw(&prng, 20, 70),
		.evictions = s->evictions,
		.copies = s->copies,
		.publications = s->publications,
		.barriers = s->barriers,
		.steps = o->steps,
		.first_version = s->first_version,
		.flags = s->flags & ~IS_HEAT,
		.is_heat = s->flags & IS_HEAT,
		.crash_at = s->crash_at,
		.pace = s->pace,
		.trace = o->trace,
	};
	plan->faults = (plan->faults & SHAKE) | s->faults;
	if (s->nodes && s->nodes >= o->nodes_low && s->nodes <= o->nodes_high)
		plan->nodes = s->nodes;
	if (s->pages)
		plan->pages = s->pages;
	if (s->writes)
		plan->writes = s->writes;
	return s;
}

static void
add_up(struct totals *sum, const struct totals *more)
{
	u64 *to = (u64 *)sum;
	const u64 *from = (const u64 *)more;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(u64); i++)
		to[i] += from[i];
}

static void
report(const struct options *o, const struct totals *t)
{
	printf("%llu seeds: %llu steps, %llu read, %llu written, %llu copied, "
	       "%llu evicted, %llu published, %llu barriers\n",
	       (unsigned long long)(o->last - o->first + 1),
	       (unsigned long long)t->steps, (unsigned long long)t->reads,
	       (unsigned long long)t->writes, (unsigned long long)t->copies,
	       (unsigned long long)t->evictions,
	       (unsigned long long)t->publications,
	       (unsigned long long)t->barriers);
	printf("faults: crashed %llu, paused %llu, cut %llu, flapped %llu, "
	       "joined %llu, fenced %llu, unknown %llu, dropped %llu\n",
	       (unsigned long long)t->crashes, (unsigned long long)t->pauses,
	       (unsigned long long)t->cuts, (unsigned long long)t->flaps,
	       (unsigned long long)t->joins,
	       (unsigned long long)t->fenced, (unsigned long long)t->unknown,
	       (unsigned long long)t->drops);
	printf("seen: epochs %llu, revoked %llu, retries %llu, lost %llu, "
	       "zombie %llu, rounds %llu, anew %llu\n", (unsigned long long)t->epochs,
	       (unsigned long long)t->revoked, (unsigned long long)t->retries,
	       (unsigned long long)t->lost, (unsigned long long)t->zombie,
	       (unsigned long long)t->rounds, (unsigned long long)t->anew);
}

int
main(int argc, char **argv)
{
	static struct sim sim;
	struct totals sum = { 0 };
	struct options o = {
		.first = 1, .last = 1000, .nodes_low = 3, .nodes_high = NODES_MAX,
		.steps = 150,
	};

	arguments_read(&command_line, argc, argv, &o);
	dsm_planted = o.bug;
	for (u64 seed = o.first; seed <= o.last; seed++) {
		struct plan plan;
		const struct scenario *s = plan_make(&o, seed, &plan);

		if (!sim_run(&sim, &plan)) {
			printf("seed %llu (%s, %u nodes) failed at %llu us: %s\n",
			       (unsigned long long)seed, s->name, plan.nodes,
			       (unsigned long long)(sim.now / NS_PER_US), sim.why);
			printf("again: make sim-dsm SEEDS=%llu NODES=%u..%u "
			       "SCENARIO=%s%s%s TRACE=1\n",
			       (unsigned long long)seed, o.nodes_low, o.nodes_high,
			       o.scenario ? s->name : "any",
			       o.bug ? " BUG=" : "",
			       o.bug ? bug_names[o.bug] : "");
			return 1;
		}
		add_up(&sum, &sim.total);
	}
	report(&o, &sum);
	return 0;
}
