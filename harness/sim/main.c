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
#include <unistd.h>

#include "harness/program/arguments.h"
#include "harness/program/clock.h"
#include "harness/sim/planted.h"
#include "harness/sim/record.h"
#include "harness/sim/run.h"
#include "harness/sim/totals.h"
#include "net/wire/planted.h"

struct command {
	u64 first, last;
	bool twice, hashes, marks;
	const char *record, *totals;
	struct run_options options;
};

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
	{ "idle", 'i', NULL, 0, "nobody does anything: sessions alone", 1 },
	{ "record", 'r', "FILE", 0, "writes what the cores of one seed do, for harness/trace", 1 },
	{ "marks", 'm', NULL, 0,
	  "tells how often rare paths were taken; fails when one never was", 1 },
	{ "totals", 'o', "FILE", 0, "writes what was counted, for harness/sim/long.py", 1 },
	{ NULL, 0, NULL, 0, "Faults:", 2 },
#define X(kind, word, most, text) { word, 0, NULL, OPTION_DOC, text, 2 },
#include "harness/sim/faults.def"
#undef X
	{ NULL, 0, NULL, 0, "Bugs:", 3 },
#define X(name, text) { #name, 0, NULL, OPTION_DOC, text, 3 },
#include "net/wire/bugs.def"
#undef X
	{ 0 },
};

static void
take_nodes(const struct argp_state *state, const char *text)
{
	struct command *command = state->input;
	u64 least, most;

	argument_range(state, text, 2, SIM_NODES_MAX, &least, &most);
	command->options.nodes_text = text;
	command->options.nodes_least = (u32)least;
	command->options.nodes_most = (u32)most;
}

static void
take_faults(const struct argp_state *state, const char *text)
{
	struct command *command = state->input;
	const char *why;

	if (!faults_parse(text, &command->options.choice, &why))
		argp_error(state, "'%s': %s", text, why);
	command->options.faults_text = text;
}

static error_t
take_value(int key, char *value, const struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case 's':
		argument_range(state, value, 0, UINT64_MAX - 1, &command->first,
			       &command->last);
		return 0;
	case 'n':
		take_nodes(state, value);
		return 0;
	case 'f':
		take_faults(state, value);
		return 0;
	case 'b':
		command->options.planted = argument_word(state, value, planted_names,
							 BUG_COUNT);
		return 0;
	case 'r':
		command->record = value;
		return 0;
	case 'o':
		command->totals = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		take_nodes(state, "3..7");
		take_faults(state, "swarm");
		return 0;
	case '2':
		command->twice = true;
		return 0;
	case 'H':
		command->hashes = true;
		return 0;
	case 'm':
		command->marks = true;
		return 0;
	case 'i':
		command->options.idle = true;
		return 0;
	case 't':
		command->options.live = true;
		return 0;
	case ARGP_KEY_END:
		if (command->record && (command->first != command->last || command->twice))
			argp_error(state, "'%s': a file holds one seed, run once",
				   command->record);
		return 0;
	default:
		return take_value(key, value, state);
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "Runs the fabric's cores on simulated nodes, once for each seed.",
};

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
	static struct command command = { .first = 1, .last = 100 };
	static struct totals totals;
	double began = clock_now_seconds(), shown = began;
	bool terminal = isatty(STDERR_FILENO);

	arguments_read(&command_line, argc, argv, &command);
	if (command.record && !record_open(command.record)) {
		fprintf(stderr, "sim: %s: %s\n", command.record, strerror(errno));
		return 1;
	}
	for (u64 seed = command.first; seed <= command.last; seed++) {
		run_one(&command, seed, &totals);
		if (terminal && clock_now_seconds() > shown + 0.5) {
			shown = clock_now_seconds();
			fprintf(stderr, "\rseed %" PRIu64 " of %" PRIu64 " ", seed,
				command.last);
		}
	}
	if (terminal)
		fputs("\r", stderr);
	totals_print(&totals, clock_now_seconds() - began);
	return tell_more(&command, &totals) ? 0 : 1;
}
