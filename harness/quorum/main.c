// SPDX-License-Identifier: BSD-2-Clause
// The command line: seeds one after the other, then what they did.
//
// A seed that fails ends the process: run.c has told why, and how to see it again.
// With --twice each seed runs a second time and must give the same hash. Exit status:
// 0 all was well, 1 a seed failed, 2 the command line was wrong.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/quorum/quorum.h"

struct totals {
	u64 seeds, idle_nodes;
	struct result sum, most;
};

static u64 first = 1, last = 100;
static bool twice, hashes;

static const char usage_text[] =
	"usage: sim-cluster [--seeds A..B] [--nodes N | A..B] [--faults LIST]\n"
	"                   [--bug NAME] [--twice] [--hashes] [--trace]\n"
	"\n"
	"Runs the cluster's cores on simulated nodes, once for each seed.\n"
	"  --seeds    which seeds, 1..100 if not said\n"
	"  --nodes    how many nodes, or a range that seeds draw from; 3..7 if not said\n"
	"  --faults   swarm (the seed chooses), all, none, or kinds separated by commas\n"
	"  --bug      plants a bug in the cores; the simulator has to find it\n"
	"  --twice    runs each seed twice and compares\n"
	"  --hashes   prints each seed's hash\n"
	"  --trace    prints the time-line as it goes\n";

noreturn_ static void
usage_error(const char *what, const char *text)
{
	fprintf(stderr, "sim-cluster: %s: %s; sim-cluster --help tells more\n", text, what);
	exit(2);
}

noreturn_ static void
help(void)
{
	fputs(usage_text, stdout);
	puts("\nfaults:");
	faults_list();
	puts("\nbugs:");
	planted_list();
	exit(0);
}

// Reads "7" or "3..7".
static void
read_range(const char *text, u64 least, u64 most, u64 *from, u64 *to)
{
	char *end;

	errno = 0;
	*from = *to = strtoull(text, &end, 10);
	if (end != text && !strncmp(end, "..", 2)) {
		const char *second = end + 2;

		*to = strtoull(second, &end, 10);
		if (end == second)
			usage_error("a number or a range like 3..7 is wanted", text);
	}
	if (errno || end == text || *end || text[0] == '-')
		usage_error("a number or a range like 3..7 is wanted", text);
	if (*from < least || *to > most || *from > *to)
		usage_error("out of range", text);
}

static void
read_nodes(struct options *options, const char *text)
{
	u64 least, most;

	read_range(text, 2, NODES_MAX, &least, &most);
	options->nodes_text = text;
	options->nodes_least = (u32)least;
	options->nodes_most = (u32)most;
}

static void
read_faults(struct options *options, const char *text)
{
	if (!faults_parse(text, options))
		usage_error("no such kind of fault", text);
	options->faults_text = text;
}

static bool
read_option(struct options *options, const char *name, const char *value)
{
	if (!strcmp(name, "--seeds"))
		read_range(value, 0, UINT64_MAX - 1, &first, &last);
	else if (!strcmp(name, "--nodes"))
		read_nodes(options, value);
	else if (!strcmp(name, "--faults"))
		read_faults(options, value);
	else if (strcmp(name, "--bug"))
		return false;
	else if (!planted_find(value, &options->planted))
		usage_error("no such bug", value);
	return true;
}

static bool
read_flag(struct options *options, const char *name)
{
	if (!strcmp(name, "--help"))
		help();
	if (!strcmp(name, "--twice"))
		twice = true;
	else if (!strcmp(name, "--hashes"))
		hashes = true;
	else if (!strcmp(name, "--trace"))
		options->live = true;
	else
		return false;
	return true;
}

static void
read_command(struct options *options, int argc, char **argv)
{
	read_nodes(options, "3..7");
	read_faults(options, "swarm");
	for (int i = 1; i < argc; i++) {
		if (read_flag(options, argv[i]))
			continue;
		if (i + 1 == argc || !read_option(options, argv[i], argv[i + 1]))
			usage_error("no such option, or its value is missing", argv[i]);
		i++;
	}
}

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

static double
seconds_now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static struct options options;
	static struct totals totals;
	double began = seconds_now();

	read_command(&options, argc, argv);
	for (u64 seed = first; seed <= last; seed++)
		run_one(&options, seed, &totals);
	print_totals(&totals, seconds_now() - began);
	return 0;
}
