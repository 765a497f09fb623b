// SPDX-License-Identifier: BSD-2-Clause
// Command lines of host programs: see arguments.h.

#include "harness/program/arguments.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "harness/program/number.h"

void
arguments_read(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		exit(EXIT_USAGE);
}

u64
argument_number(const struct argp_state *state, const char *text, u64 least, u64 most)
{
	u64 number = 0;

	if (!number_parse(text, most, &number) || number < least)
		argp_error(state, "'%s' is no number from %" PRIu64 " to %" PRIu64, text,
			   least, most);
	return number;
}

void
argument_range(const struct argp_state *state, const char *text, u64 least, u64 most,
	       u64 *first, u64 *last)
{
	if (!number_parse_range(text, most, first, last) || *first < least)
		argp_error(state, "'%s' is no number from %" PRIu64 " to %" PRIu64
			   ", and no range of them like 3..7", text, least, most);
}

u32
argument_word(const struct argp_state *state, const char *text, const char *const *words,
	      u32 count)
{
	u32 i = 0;

	while (i < count && strcasecmp(words[i], text) != 0)
		i++;
	if (i == count)
		argp_error(state, "'%s': there is none of that name", text);
	return i;
}
