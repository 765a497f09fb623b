// SPDX-License-Identifier: BSD-2-Clause
// The simulator's command line: seeds one after the other, then what they did.
//
// A seed that fails ends the process: run.c has told why, and how to see it
// again. With --twice each seed runs a second time and must give the same hash.
// Exit status: 0 all was well, 1 a seed failed, 2 the command line was wrong.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/sim/planted.h"
#include "harness/sim/record.h"
#include "harness/sim/run.h"

struct command {
	u64 first, last;
	bool twice, hashes;
	const char *record;
	struct run_options options;
};

struct totals {
	u64 seeds;
	struct run_result sum;
	u64 settle_most;
	u64 least_operations;
	u64 together[FAULT_KINDS][FAULT_KINDS];	// seeds that had both kinds
};

static const char usage_text[] =
	"usage: sim [--seeds A..B] [--nodes N | A..B] [--faults LIST] [--bug NAME]\n"
	"           [--twice] [--hashes] [--trace] [--record FILE]\n"
	"\n"
	"Runs the fabric's cores on simulated nodes, once for each seed.\n"
	"  --seeds    which seeds, 1..100 if not said\n"
	"  --nodes    how many nodes, or a range that seeds draw from; 3..7 if not said\n"
	"  --faults   swarm (the seed chooses), all, none, or kinds separated by commas\n"
	"  --bug      plants a bug in the cores; the simulator has to find it\n"
	"  --twice    runs each seed twice and compares\n"
	"  --hashes   prints each seed's hash\n"
	"  --trace    prints the time-line as it goes\n"
	"  --record   writes what the cores of one seed do, for harness/trace\n";

noreturn_ static void
usage_error(const char *what, const char *text)
{
	fprintf(stderr, "sim: %s: %s; sim --help tells more\n", text, what);
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
read_range(const char *text, u64 least, u64 most, u64 *first, u64 *last)
{
	char *end;

	errno = 0;
	*first = *last = strtoull(text, &end, 10);
	if (end != text && !strncmp(end, "..", 2)) {
		const char *second = end + 2;

		*last = strtoull(second, &end, 10);
		if (end == second)
			usage_error("a number or a range like 3..7 is wanted", text);
	}
	if (errno || end == text || *end || text[0] == '-')
		usage_error("a number or a range like 3..7 is wanted", text);
	if (*first < least || *last > most || *first > *last)
		usage_error("out of range", text);
}

static void
read_nodes(struct command *command, const char *text)
{
	u64 least, most;

	read_range(text, 2, SIM_NODES_MAX, &least, &most);
	command->options.nodes_text = text;
	command->options.nodes_least = (u32)least;
	command->options.nodes_most = (u32)most;
}

static void
read_faults(struct command *command, const char *text)
{
	const char *why;

	if (!faults_parse(text, &command->options.choice, &why))
		usage_error(why, text);
	command->options.faults_text = text;
}

// An option with a value. False: there is no such option.
static bool
read_option(struct command *command, const char *name, const char *value)
{
	if (!strcmp(name, "--seeds"))
		read_range(value, 0, UINT64_MAX - 1, &command->first, &command->last);
	else if (!strcmp(name, "--nodes"))
		read_nodes(command, value);
	else if (!strcmp(name, "--faults"))
		read_faults(command, value);
	else if (!strcmp(name, "--record"))
		command->record = value;
	else if (strcmp(name, "--bug"))
		return false;
	else if (!planted_find(value, &command->options.planted))
		usage_error("no such bug", value);
	return true;
}

static bool
read_flag(struct command *command, const char *name)
{
	if (!strcmp(name, "--help"))
		help();
	if (!strcmp(name, "--twice"))
		command->twice = true;
	else if (!strcmp(name, "--hashes"))
		command->hashes = true;
	else if (!strcmp(name, "--trace"))
		command->options.live = true;
	else
		return false;
	return true;
}

static void
read_command(struct command *command, int argc, char **argv)
{
	*command = (struct command){ .first = 1, .last = 100 };
	read_nodes(command, "3..7");
	read_faults(command, "swarm");
	for (int i = 1; i < argc; i++) {
		if (read_flag(command, argv[i]))
			continue;
		if (i + 1 == argc || !read_option(command, argv[i], argv[i + 1]))
			usage_error("no such option, or its value is missing", argv[i]);
		i++;
	}
	if (command->record && (command->first != command->last || command->twice))
		usage_error("a file holds one seed, run once", command->record);
}

static void
add_result(struct totals *totals, const struct run_result *result)
{
	u64 *to = (u64 *)&totals->sum.frames;
	const u64 *from = (const u64 *)&result->frames;
	struct run_result *sum = &totals->sum;

	if (!totals->seeds || result->operations < totals->least_operations)
		totals->least_operations = result->operations;
	totals->seeds++;
	totals->settle_most = MAX(totals->settle_most, result->settle_ns);
	sum->events += result->events;
	sum->virtual_ns += result->virtual_ns;
	sum->operations += result->operations;
	sum->effects += result->effects;
	sum->histories += result->histories;
	sum->history_ops += result->history_ops;
	sum->history_longest = MAX(sum->history_longest, result->history_longest);
	for (u32 i = 0; i <= ORPHAN; i++)
		sum->outcome[i] += result->outcome[i];
	for (u32 k = 0; k < DO_KINDS; k++) {
		for (u32 i = 0; i <= ORPHAN; i++)
			sum->answered[k][i] += result->answered[k][i];
	}
	for (u32 i = 0; i < WHY_COUNT; i++)
		sum->refused[i] += result->refused[i];
	for (u32 i = 0; i < FAULT_KINDS; i++)
		sum->episodes[i] += result->episodes[i];
	for (u32 i = 0; i < sizeof(result->frames) / sizeof(u64); i++)
		to[i] += from[i];
	for (u32 i = 0; i < FAULT_KINDS; i++) {
		for (u32 j = 0; j < FAULT_KINDS; j++)
			totals->together[i][j] += result->on >> i & result->on >> j & 1;
	}
}

static void
print_kinds(const struct run_result *sum)
{
	printf("%-12s %12s %12s %12s %12s\n", "operation", "DONE", "NOT_DONE",
	       "UNKNOWN", "requester died");
	for (u32 k = 0; k < DO_KINDS; k++) {
		printf("%-12s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
		       model_kind_word(k), sum->answered[k][DONE],
		       sum->answered[k][NOT_DONE], sum->answered[k][UNKNOWN_FINAL],
		       sum->answered[k][ORPHAN]);
	}
	printf("refused:");
	for (u32 i = 1; i < WHY_COUNT; i++)
		printf(" %s %" PRIu64, model_reason_word(i), sum->refused[i]);
	putchar('\n');
}

static void
print_faults(const struct run_result *sum)
{
	const struct network_counts *f = &sum->frames;

	printf("frames: sent %" PRIu64 ", lost %" PRIu64 ", duplicated %" PRIu64
	       ", reordered %" PRIu64 ", corrupted %" PRIu64 ", slowed %" PRIu64
	       ", blocked %" PRIu64 ", clogged %" PRIu64 ", foreign %" PRIu64
	       ", overrun %" PRIu64 ", replayed %" PRIu64 ", forged %" PRIu64 "\n",
	       f->sent, f->lost, f->duplicated, f->reordered, f->corrupted, f->slowed,
	       f->blocked, f->clogged, f->foreign, f->overrun, f->replayed, f->forged);
	printf("episodes:");
	for (u32 i = FAULT_DISK; i < FAULT_REPLAY; i++)
		printf(" %s %" PRIu64, faults_word(i), sum->episodes[i]);
	putchar('\n');
}

// How many seeds had the two kinds together that met least.
static void
print_pairs(const struct totals *totals)
{
	u32 a = 0, b = 1;

	for (u32 i = 0; i < FAULT_KINDS; i++) {
		for (u32 j = i + 1; j < FAULT_KINDS; j++) {
			if (totals->together[i][j] < totals->together[a][b]) {
				a = i;
				b = j;
			}
		}
	}
	printf("%u kinds of faults; least together: %s and %s, in %" PRIu64 " seeds\n",
	       FAULT_KINDS, faults_word(a), faults_word(b), totals->together[a][b]);
}

static void
print_totals(const struct totals *totals, double seconds)
{
	const struct run_result *sum = &totals->sum;
	double processor = (double)clock() / CLOCKS_PER_SEC;

	print_kinds(sum);
	print_faults(sum);
	print_pairs(totals);
	printf("%" PRIu64 " seeds, %" PRIu64 " operations (at least %" PRIu64
	       " a seed), %" PRIu64 " effects, %" PRIu64 " events, longest settling %.3f s\n",
	       totals->seeds, sum->operations, totals->least_operations, sum->effects,
	       sum->events, (double)totals->settle_most / 1e9);
	printf("%" PRIu64 " histories of words are linearizable, of %" PRIu64
	       " operations, the longest of %" PRIu64 "\n", sum->histories,
	       sum->history_ops, sum->history_longest);
	printf("%.0f s of virtual time in %.1f s (%.1f s of processor time): %.0f times "
	       "as fast; %.0f seeds fit five minutes\n", (double)sum->virtual_ns / 1e9,
	       seconds, processor, (double)sum->virtual_ns / 1e9 / processor,
	       300.0 * (double)totals->seeds / processor);
}

static void
run_one(struct command *command, u64 seed, struct totals *totals)
{
	struct run_result result, again;

	command->options.seed = seed;
	run_seed(&command->options, &result);
	if (command->hashes)
		printf("seed %" PRIu64 " nodes %u hash %016" PRIx64 "\n", seed,
		       result.nodes, result.hash);
	if (command->twice) {
		run_seed(&command->options, &again);
		if (again.hash != result.hash) {
			printf("seed %" PRIu64 ": two runs differ: %016" PRIx64
			       " and %016" PRIx64 "\n", seed, result.hash, again.hash);
			exit(1);
		}
	}
	add_result(totals, &result);
}

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static struct command command;
	static struct totals totals;
	double began = seconds_now(), shown = began;
	bool terminal = isatty(STDERR_FILENO);

	read_command(&command, argc, argv);
	if (command.record && !record_open(command.record)) {
		fprintf(stderr, "sim: %s: %s\n", command.record, strerror(errno));
		return 1;
	}
	for (u64 seed = command.first; seed <= command.last; seed++) {
		run_one(&command, seed, &totals);
		if (terminal && seconds_now() > shown + 0.5) {
			shown = seconds_now();
			fprintf(stderr, "\rseed %" PRIu64 " of %" PRIu64 " ", seed,
				command.last);
		}
	}
	if (terminal)
		fputs("\r", stderr);
	print_totals(&totals, seconds_now() - began);
	return 0;
}
