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
#include "harness/sim/totals.h"

struct command {
	u64 first, last;
	bool twice, hashes, marks;
	const char *record, *totals;
	struct run_options options;
};

static const char usage_text[] =
	"usage: sim [--seeds A..B] [--nodes N | A..B] [--faults LIST] [--bug NAME]\n"
	"           [--idle] [--twice] [--hashes] [--trace] [--record FILE]\n"
	"           [--marks] [--totals FILE]\n"
	"\n"
	"Runs the fabric's cores on simulated nodes, once for each seed.\n"
	"  --seeds    which seeds, 1..100 if not said\n"
	"  --nodes    how many nodes, or a range that seeds draw from; 3..7 if not said\n"
	"  --faults   swarm (the seed chooses), all, none, or kinds separated by commas\n"
	"  --bug      plants a bug in the cores; the simulator has to find it\n"
	"  --twice    runs each seed twice and compares\n"
	"  --hashes   prints each seed's hash\n"
	"  --trace    prints the time-line as it goes\n"
	"  --idle     nobody does anything: sessions alone\n"
	"  --record   writes what the cores of one seed do, for harness/trace\n"
	"  --marks    tells how often rare paths were taken; fails when one never was\n"
	"  --totals   writes what was counted, for harness/sim/long.py\n";

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
	else if (!strcmp(name, "--totals"))
		command->totals = value;
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
	else if (!strcmp(name, "--marks"))
		command->marks = true;
	else if (!strcmp(name, "--idle"))
		command->options.idle = true;
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
	totals_add(totals, &result);
}

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// What else was asked for. False: something is wrong.
static bool
tell_more(const struct command *command, const struct totals *totals)
{
	if (command->totals && !totals_write(totals, command->totals)) {
		fprintf(stderr, "sim: %s: %s\n", command->totals, strerror(errno));
		return false;
	}
	return !command->marks || totals_marks(totals);
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
	totals_print(&totals, seconds_now() - began);
	return tell_more(&command, &totals) ? 0 : 1;
}
