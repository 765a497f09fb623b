// SPDX-License-Identifier: BSD-2-Clause
// dsm-sim: seeds in, verdicts out. `--help` lists scenarios and planted bugs. The
// first failure ends the run with a sentence and the command that shows it again. A
// seed and a scenario make a plan; the same plan is the same run, step by step.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dsm/core/planted.h"
#include "harness/dsmsim/dsmsim.h"

u32 dsm_planted;

static const char *const bug_names[] = {
	"none",
#define X(name, sentence) #name,
#include "dsm/core/bugs.def"
#undef X
};

static const char *const bug_sentences[] = {
	"",
#define X(name, sentence) sentence,
#include "dsm/core/bugs.def"
#undef X
};

// What of a plan a scenario fixes; 0 leaves it to the seed.
struct scenario {
	const char *name, *sentence;
	u32 nodes, pages, faults, writes, evictions, copies, publications, barriers;
	u32 first_version, flags, crash_at, pace;
};

#define SHAKE (FAULT_LAPSE | FAULT_DELAY | FAULT_DROP)
#define X(name, sentence, ...) { #name, sentence, __VA_ARGS__ },
static const struct scenario scenarios[] = {
#include "harness/dsmsim/scenarios.def"
};
#undef X

struct options {
	u64 first, last;
	u32 nodes_low, nodes_high, bug, steps;
	const struct scenario *scenario;	// NULL: any, by the seed
	bool trace;
};

noreturn_ static void
usage(const char *complaint, const char *word)
{
	fprintf(stderr, "dsm-sim: %s '%s'; --help lists what there is\n", complaint,
		word);
	exit(2);
}

static void
help(void)
{
	printf("usage: dsm-sim [--seeds A..B] [--nodes A..B] [--scenario NAME] "
	       "[--steps N] [--bug NAME] [--trace]\nscenarios:\n");
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		printf("  %-10s %s\n", scenarios[i].name, scenarios[i].sentence);
	printf("bugs:\n");
	for (u32 i = 1; i < DSM_BUG_COUNT; i++)
		printf("  %-15s %s\n", bug_names[i], bug_sentences[i]);
	exit(0);
}

static bool
range_of(const char *text, u64 *low, u64 *high)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*low = *high = strtoull(text, &end, 10);
	if (!strncmp(end, "..", 2) && end[2] >= '0' && end[2] <= '9')
		*high = strtoull(end + 2, &end, 10);
	return !*end && *low <= *high;
}

static void
option(struct options *o, const char *name, const char *value)
{
	u64 low, high;

	if (!strcmp(name, "--scenario")) {
		for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
			if (!strcasecmp(value, scenarios[i].name))
				o->scenario = &scenarios[i];
		}
		if (!o->scenario && strcmp(value, "any"))
			usage("there is no scenario", value);
	} else if (!strcmp(name, "--bug")) {
		for (u32 i = 1; i < DSM_BUG_COUNT; i++) {
			if (!strcasecmp(value, bug_names[i]))
				o->bug = i;
		}
		if (!o->bug)
			usage("there is no bug", value);
	} else if (!range_of(value, &low, &high)) {
		usage("this is no number or range", value);
	} else if (!strcmp(name, "--seeds")) {
		o->first = low;
		o->last = high;
	} else if (!strcmp(name, "--steps") && high <= 2000) {
		o->steps = (u32)high;
	} else if (!strcmp(name, "--nodes") && low >= 2 && high <= NODES_MAX) {
		o->nodes_low = (u32)low;
		o->nodes_high = (u32)high;
	} else {
		usage("this cannot be had", name);
	}
}

static void
options_read(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			help();
		if (!strcmp(argv[i], "--trace")) {
			o->trace = true;
			continue;
		}
		if (strncmp(argv[i], "--", 2))
			usage("this is no option", argv[i]);
		if (i + 1 == argc)
			usage("a value is missing behind", argv[i]);
		option(o, argv[i], argv[i + 1]);
		i++;
	}
}

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
		.flags = s->flags,
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
	       "zombie %llu\n", (unsigned long long)t->epochs,
	       (unsigned long long)t->revoked, (unsigned long long)t->retries,
	       (unsigned long long)t->lost, (unsigned long long)t->zombie);
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

	options_read(&o, argc, argv);
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
