// SPDX-License-Identifier: BSD-2-Clause
// Checks a volume (docs/volume.md) on a disk image, by the kernel's own core and the
// programs that the volume holds. Prints types, roots and what they hold; ends with 1 when
// the volume is not consistent, with 2 when it cannot be read.

#include <stdlib.h>

#include "harness/program/arguments.h"
#include "harness/volume/image.h"

static int
fail(const char *what, const char *name)
{
	fprintf(stderr, "volume-check: %s: %s\n", name, what);
	return 2;
}

struct command {
	const char *path;
	u64 first, count;
};

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct command *command = state->input;

	if (key == ARGP_KEY_END && state->arg_num < 3)
		argp_error(state, "IMAGE FIRST COUNT are wanted");
	if (key != ARGP_KEY_ARG || state->arg_num > 2)
		return ARGP_ERR_UNKNOWN;
	if (state->arg_num == 0)
		command->path = value;
	else if (state->arg_num == 1)
		command->first = argument_number(state, value, 0, UINT32_MAX);
	else
		command->count = argument_number(state, value, VOLUME_CATALOGUE_BLOCKS + 1,
						 VOLUME_BLOCKS_MAX);
	return 0;
}

static const struct argp command_line = {
	.parser = take,
	.args_doc = "IMAGE FIRST COUNT",
	.doc = "Checks the volume in blocks FIRST to FIRST + COUNT, of 4 KiB, of a disk's image.",
};

int
main(int argc, char **argv)
{
	struct command command = { 0 };
	struct image *image;
	bool consistent;
	u8 *bytes;
	FILE *file;
	size_t got = 0;

	arguments_read(&command_line, argc, argv, &command);
	file = fopen(command.path, "rb");
	if (!file)
		return fail("cannot be opened", command.path);
	bytes = malloc(command.count * BLOCK_SIZE);
	if (bytes && fseek(file, (long)(command.first * BLOCK_SIZE), SEEK_SET) == 0)
		got = fread(bytes, BLOCK_SIZE, command.count, file);
	fclose(file);
	image = bytes ? image_open(bytes, (u32)command.count) : NULL;
	if (!image)
		return fail("no memory", command.path);
	if (got != command.count)
		return fail("it does not have those blocks", command.path);
	consistent = image_check(image, stdout);
	image_close(image);
	free(bytes);
	return consistent ? 0 : 1;
}
