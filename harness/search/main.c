// SPDX-License-Identifier: BSD-2-Clause
// The search's command line: one world, up to so many states. With --way it takes the
// steps that were printed and tells each. Exit status: 0 all was well, 1 something was
// wrong, 2 the command line was.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness/program/arguments.h"
#include "harness/search/search.h"

static const struct world *const worlds[] = { &world_fabric, &world_pages, &world_members,
					      &world_published, &world_few };

static const struct argp_option words[] = {
	{ "world", 'w', "NAME", 0, "which cores; fabric if not said", 1 },
	{ "states", 's', "N", 0, "stop after so many distinct ones; 100000 if not said", 1 },
	{ "depth", 'd', "N", 0, "stop after so many steps; 200 if not said", 1 },
	{ "layer", 'l', "N", 0,
	  "go on from so many states of each depth; 0 if not said: from all", 1 },
	{ "settle", 'e', "N", 0,
	  "let one state in so many come to its end; 64 if not said, 0: none", 1 },
	{ "walks", 'r', "N", 0,
	  "so many at random in place of a search; --depth is the longest", 1 },
	{ "bug", 'b', "NAME", 0, "plants a bug in the cores; the search has to find it", 1 },
	{ "from", 'f', "A.B.C", 0, "begins where these steps lead", 1 },
	{ "way", 'y', "A.B.C", 0, "takes these steps, and tells them", 1 },
	{ 0 },
};

struct command {
	struct search_plan plan;
	const char *way;
};

// What --help says behind the options: worlds, and the bugs of each. The caller frees it.
static char *
help_worlds(int key, const char *text, void *input)
{
	char *worlds_text = NULL;
	size_t size;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_EXTRA)
		return (char *)(uintptr_t)text;
	out = open_memstream(&worlds_text, &size);
	if (!out)
		return NULL;
	for (u32 i = 0; i < ARRAY_SIZE(worlds); i++) {
		fprintf(out, "%s%s: %s\n", i ? "\n" : "", worlds[i]->name, worlds[i]->text);
		for (u32 bug = 0; worlds[i]->bugs[bug]; bug++)
			fprintf(out, " %s", worlds[i]->bugs[bug]);
		fputc('\n', out);
	}
	fclose(out);
	return worlds_text;
}

static const struct world *
find_world(const struct argp_state *state, const char *name)
{
	const char *names[ARRAY_SIZE(worlds)];

	for (u32 i = 0; i < ARRAY_SIZE(worlds); i++)
		names[i] = worlds[i]->name;
	return worlds[argument_word(state, name, names, ARRAY_SIZE(names))];
}

static error_t
take_number(int key, const char *value, const struct argp_state *state)
{
	struct search_plan *plan = &((struct command *)state->input)->plan;

	switch (key) {
	case 's':
		plan->states = argument_number(state, value, 1, 1ull << 31);
		return 0;
	case 'd':
		plan->depth = (u32)argument_number(state, value, 0, SEARCH_DEPTH_MAX);
		return 0;
	case 'l':
		plan->layer = (u32)argument_number(state, value, 0, 1u << 31);
		return 0;
	case 'e':
		plan->settle_each = (u32)argument_number(state, value, 0, 1u << 31);
		return 0;
	case 'r':
		plan->walks = argument_number(state, value, 0, 1ull << 40);
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
	case 'w':
		command->plan.world = find_world(state, value);
		return 0;
	case 'b':
		command->plan.bug = value;
		return 0;
	case 'f':
		command->plan.from = value;
		return 0;
	case 'y':
		command->way = value;
		return 0;
	case ARGP_KEY_END:
		if (!search_plant(command->plan.world, command->plan.bug))
			argp_error(state, "'%s': no such bug in this world",
				   command->plan.bug);
		return 0;
	default:
		return take_number(key, value, state);
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.doc = "Tries everything that can happen to the real cores on three nodes, from every "
	       "state that was not met before.\vWorlds, and the bugs of each:",
	.help_filter = help_worlds,
};

noreturn_ static void
no_such_way(const char *way)
{
	fprintf(stderr, "search: '%s': there is no such way; search --help tells more\n", way);
	exit(EXIT_USAGE);
}

static void
tell_walks(const struct search_plan *plan, const struct search_result *result)
{
	printf("%s: %" PRIu64 " walks, the longest of %u steps; %" PRIu64
	       " steps taken, %" PRIu64 " states settled; nothing was wrong\n",
	       plan->world->name, plan->walks, result->deepest, result->steps,
	       result->settled);
}

int
main(int argc, char **argv)
{
	struct search_result result = { 0 };
	struct command command = { .plan = { .world = &world_fabric, .states = 100000,
					     .depth = SEARCH_DEPTH_MAX, .settle_each = 64 } };
	double seconds;

	arguments_read(&command_line, argc, argv, &command);
	if (command.way) {
		if (!search_follow(&command.plan, command.way))
			no_such_way(command.way);
		return 0;
	}
	if (!(command.plan.walks ? search_walks : search)(&command.plan, &result))
		no_such_way(command.plan.from);
	if (command.plan.walks) {
		tell_walks(&command.plan, &result);
		return 0;
	}
	seconds = (double)clock() / CLOCKS_PER_SEC;
	printf("%s: %" PRIu64 " distinct states, %s within %u steps, the last behind %u; %"
	       PRIu64 " steps taken, %" PRIu64 " states settled; nothing was wrong\n",
	       command.plan.world->name, result.states,
	       result.all ? "which are all there are," : "among them all", result.depth,
	       result.deepest, result.steps, result.settled);
	printf("%.1f s of processor time, %.0f states in a second\n", seconds,
	       (double)result.states / seconds);
	return 0;
}
