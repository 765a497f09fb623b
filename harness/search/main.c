// SPDX-License-Identifier: BSD-2-Clause
// The search's command line: one world, up to so many states. With --way it takes the
// steps that were printed and tells each. Exit status: 0 all was well, 1 something was
// wrong, 2 the command line was.

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/search/search.h"

static const struct world *const worlds[] = { &world_fabric, &world_pages, &world_members,
					      &world_published, &world_few };

static const char usage_text[] =
	"usage: search [--world NAME] [--states N] [--depth N] [--layer N] [--settle N]\n"
	"              [--walks N] [--bug NAME] [--from A.B.C] [--way A.B.C]\n"
	"\n"
	"Tries everything that can happen to the real cores on three nodes, from every\n"
	"state that was not met before.\n"
	"  --world    which cores; fabric if not said\n"
	"  --states   stop after so many distinct ones; 100000 if not said\n"
	"  --depth    stop after so many steps; 200 if not said\n"
	"  --layer    go on from so many states of each depth; 0 if not said: from all\n"
	"  --settle   let one state in so many come to its end; 64 if not said, 0: none\n"
	"  --walks    so many at random in place of a search; --depth is the longest\n"
	"  --bug      plants a bug in the cores; the search has to find it\n"
	"  --from     begins where these steps lead\n"
	"  --way      takes these steps, and tells them\n";

struct command {
	struct search_plan plan;
	const char *way;
};

noreturn_ static void
usage_error(const char *what, const char *text)
{
	fprintf(stderr, "search: %s: %s; search --help tells more\n", text, what);
	exit(2);
}

noreturn_ static void
help(void)
{
	fputs(usage_text, stdout);
	for (u32 i = 0; i < ARRAY_SIZE(worlds); i++) {
		printf("\n%s: %s\n ", worlds[i]->name, worlds[i]->text);
		for (u32 bug = 0; worlds[i]->bugs[bug]; bug++)
			printf(" %s", worlds[i]->bugs[bug]);
		putchar('\n');
	}
	exit(0);
}

static u64
read_number(const char *text, u64 most)
{
	char *end;
	u64 number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || number > most)
		usage_error("a number is wanted, in its range", text);
	return number;
}

static const struct world *
find_world(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(worlds); i++) {
		if (!strcmp(worlds[i]->name, name))
			return worlds[i];
	}
	usage_error("no such world", name);
}

static void
read_option(struct command *command, const char *name, const char *value)
{
	if (!strcmp(name, "--world"))
		command->plan.world = find_world(value);
	else if (!strcmp(name, "--states"))
		command->plan.states = read_number(value, 1ull << 31);
	else if (!strcmp(name, "--depth"))
		command->plan.depth = (u32)read_number(value, SEARCH_DEPTH_MAX);
	else if (!strcmp(name, "--layer"))
		command->plan.layer = (u32)read_number(value, 1u << 31);
	else if (!strcmp(name, "--settle"))
		command->plan.settle_each = (u32)read_number(value, 1u << 31);
	else if (!strcmp(name, "--walks"))
		command->plan.walks = read_number(value, 1ull << 40);
	else if (!strcmp(name, "--bug"))
		command->plan.bug = value;
	else if (!strcmp(name, "--from"))
		command->plan.from = value;
	else if (!strcmp(name, "--way"))
		command->way = value;
	else
		usage_error("no such option", name);
}

static void
read_command(struct command *command, int argc, char **argv)
{
	*command = (struct command){ .plan = { .world = &world_fabric, .states = 100000,
					       .depth = SEARCH_DEPTH_MAX,
					       .settle_each = 64 } };
	for (int i = 1; i < argc; i += 2) {
		if (!strcmp(argv[i], "--help"))
			help();
		if (i + 1 == argc)
			usage_error("no such option, or its value is missing", argv[i]);
		read_option(command, argv[i], argv[i + 1]);
	}
	if (!command->plan.states)
		usage_error("out of range", "0");
	if (!search_plant(command->plan.world, command->plan.bug))
		usage_error("no such bug in this world", command->plan.bug);
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
	struct command command;
	double seconds;

	read_command(&command, argc, argv);
	if (command.way) {
		if (!search_follow(&command.plan, command.way))
			usage_error("there is no such way", command.way);
		return 0;
	}
	if (!(command.plan.walks ? search_walks : search)(&command.plan, &result))
		usage_error("there is no such way", command.plan.from);
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
