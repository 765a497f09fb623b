// SPDX-License-Identifier: BSD-2-Clause
// The command line: seeds one after the other, then what they did.
//
// A seed that fails ends the process: run.c has told why, and how to see it again.
// With --twice each seed runs a second time and must give the same hash. Exit status:
// 0 all was well, 1 a seed failed, 2 the command line was wrong.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/planted/planted.h"
#include "harness/program/arguments.h"
#include "harness/program/clock.h"
#include "harness/quorum/quorum.h"

struct totals {
	u64 seeds, idle_nodes;
	struct result sum, most;
};

static u64 first = 1, last = 100;
static bool twice, hashes;

static const struct argp_option words[] = {
	{ "seeds", 's', "A..B", 0, "which seeds, 1..100 if not said", 1 },
	{ "nodes", 'n', "N | A..B", 0,
	  "how many nodes, or a range that seeds draw from; 3..7 if not said", 1 },
	{ "faults", 'f', "LIST", 0,
	  "swarm (the seed chooses), all, none, or kinds separated by commas", 1 },
	{ "bug", 'b', "NAME", 0, "plants a bug in the cores; the simulator has to find it", 1 },
	{ "twice", '2', NULL, 0, "runs each seed twice and compares", 1 },
	{ "hashes", 'H', NULL, 0, "prints each seed's hash", 1 },
	{ "trace", 't', NULL, 0, "prints the time-line as it goes", 1 },
	{ NULL, 0, NULL, 0, "Faults:", 2 },
#define X(kind, word, most, text) { word, 0, NULL, OPTION_DOC, text, 2 },
#include "harness/quorum/faults.def"
#undef X
	{ NULL, 0, NULL, 0, "Bugs:", 3 },
#define X(name, text) { #name, 0, NULL, OPTION_DOC, text, 3 },
#include "cluster/planted/bugs.def"
#undef X
	{ 0 },
};

static void
take_nodes(const struct argp_state *state, const char *text)
{
	struct options *options = state->input;
	u64 least, most;

	argument_range(state, text, 2, NODES_MAX, &least, &most);
	options->nodes_text = text;
	options->nodes_least = (u32)least;
	options->nodes_most = (u32)most;
}

static void
take_faults(const struct argp_state *state, const char *text)
{
	struct options *options = state->input;

	if (!faults_parse(text, options))
		argp_error(state, "'%s': no such kind of fault", text);
	options->faults_text = text;
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		take_nodes(state, "3..7");
		take_faults(state, "swarm");
		return 0;
	case 's':
		argument_range(state, value, 0, UINT64_MAX - 1, &first, &last);
		return 0;
	case 'n':
		take_nodes(state, value);
		return 0;
	case 'f':
		take_faults(state, value);
		return 0;
	case 'b':
		options->planted = argument_word(state, value, planted_names,
						 CLUSTER_BUG_COUNT);
		return 0;
	case '2':
		twice = true;
		return 0;
	case 'H':
		hashes = true;
		return 0;
	case 't':
		options->live = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "Runs the cluster's cores on simulated nodes, once for each seed.",
};

// Every number of a result is a u64 but two; sums of all of them.
static void
add_result(struct totals *totals, const struct result *r)
{
	struct result *sum = &totals->sum, *most = &totals->most;

	totals->seeds++;
	totals->idle_nodes += r->nodes;
	sum->events += r->events;
	sum->virtual_ns += r->virtual_ns;
	sum->versions += r->versions;
	sum->done += r->done;
	sum->refused += r->refused;
	sum->unknown += r->unknown;
	sum->not_done += r->not_done;
	for (u32 i = 0; i < FAULT_KINDS; i++)
		sum->episodes[i] += r->episodes[i];
	sum->lost_disks += r->lost_disks;
	sum->suspicions += r->suspicions;
	sum->deaths += r->deaths;
	sum->refutations += r->refutations;
	sum->pauses += r->pauses;
	sum->idle_messages += r->idle_messages;
	sum->idle_bytes += r->idle_bytes;
	sum->form_ns += r->form_ns;
	sum->settle_ns += r->settle_ns;
	sum->detect_ns += r->detect_ns;
	most->form_ns = MAX(most->form_ns, r->form_ns);
	most->settle_ns = MAX(most->settle_ns, r->settle_ns);
	most->detect_ns = MAX(most->detect_ns, r->detect_ns);
	most->health_most = MAX(most->health_most, r->health_most);
}

static void
print_time(const char *what, u64 sum, u64 most, u64 seeds)
{
	printf("%s: mean %.3f s, longest %.3f s\n", what,
	       (double)sum / (double)seeds / 1e9, (double)most / 1e9);
}

static void
print_totals(const struct totals *t, double seconds)
{
	const struct result *s = &t->sum;

	printf("changes: done %" PRIu64 ", refused %" PRIu64 ", unknown %" PRIu64
	       ", not done %" PRIu64 "; versions %" PRIu64 "\n",
	       s->done, s->refused, s->unknown, s->not_done, s->versions);
	printf("members: suspicions %" PRIu64 ", deaths %" PRIu64 ", refutations %" PRIu64
	       ", pauses %" PRIu64 ", worst health %u\n",
	       s->suspicions, s->deaths, s->refutations, s->pauses, t->most.health_most);
	printf("episodes:");
	for (u32 i = FAULT_DELAY; i < FAULT_KINDS; i++)
		printf(" %s %" PRIu64, faults_word(i), s->episodes[i]);
	printf(" (disks lost %" PRIu64 ")\n", s->lost_disks);
	print_time("formed", s->form_ns, t->most.form_ns, t->seeds);
	print_time("settled", s->settle_ns, t->most.settle_ns, t->seeds);
	print_time("death known to all", s->detect_ns, t->most.detect_ns, t->seeds);
	printf("idle: %.1f messages of %.0f bytes a node and second\n",
	       (double)s->idle_messages / (double)t->idle_nodes,
	       (double)s->idle_bytes / (double)MAX(s->idle_messages, 1ull));
	printf("%" PRIu64 " seeds, %" PRIu64 " events, %.0f s of virtual time in %.1f s\n",
	       t->seeds, s->events, (double)s->virtual_ns / 1e9, seconds);
}

static void
run_one(struct options *options, u64 seed, struct totals *totals)
{
	struct result result, again;

	options->seed = seed;
	run_seed(options, &result);
	if (hashes)
		printf("seed %" PRIu64 " nodes %u hash %016" PRIx64 " settled %.3f s\n",
		       seed, result.nodes, result.hash, (double)result.settle_ns / 1e9);
	if (twice) {
		run_seed(options, &again);
		if (again.hash != result.hash) {
			printf("seed %" PRIu64 ": two runs differ\n", seed);
			exit(1);
		}
	}
	add_result(totals, &result);
}

int
main(int argc, char **argv)
{
	static struct options options;
	static struct totals totals;
	double began = clock_now_seconds();

	arguments_read(&command_line, argc, argv, &options);
	for (u64 seed = first; seed <= last; seed++)
		run_one(&options, seed, &totals);
	print_totals(&totals, clock_now_seconds() - began);
	return 0;
}
