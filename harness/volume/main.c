// SPDX-License-Identifier: BSD-2-Clause
// Checks a volume (docs/volume.md) on a disk image, by the kernel's own core and the
// programs that the volume holds:
//
//	volume-check IMAGE FIRST COUNT
//
// FIRST and COUNT are blocks of 4 KiB on the disk. Prints types, roots and what they
// hold; ends with 1 when the volume is not consistent, with 2 when it cannot be read.

#include <stdlib.h>

#include "harness/volume/image.h"

static int
fail(const char *what, const char *name)
{
	fprintf(stderr, "volume-check: %s: %s\n", name, what);
	return 2;
}

static bool
number(const char *text, unsigned long *value)
{
	char *end;

	*value = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0';
}

int
main(int argc, char **argv)
{
	unsigned long first, count;
	struct image *image;
	bool consistent;
	u8 *bytes;
	FILE *file;
	size_t got = 0;

	if (argc != 4)
		return fail("IMAGE FIRST COUNT are wanted", "usage");
	if (!number(argv[2], &first) || !number(argv[3], &count) ||
	    first > 0xffffffff || count <= VOLUME_CATALOGUE_BLOCKS ||
	    count > VOLUME_BLOCKS_MAX)
		return fail("FIRST is a block, COUNT 3 to 4096 blocks", "usage");
	file = fopen(argv[1], "rb");
	if (!file)
		return fail("cannot be opened", argv[1]);
	bytes = malloc(count * BLOCK_SIZE);
	if (bytes && fseek(file, (long)(first * BLOCK_SIZE), SEEK_SET) == 0)
		got = fread(bytes, BLOCK_SIZE, count, file);
	fclose(file);
	image = bytes ? image_open(bytes, (u32)count) : NULL;
	if (!image)
		return fail("no memory", argv[1]);
	if (got != count)
		return fail("it does not have those blocks", argv[1]);
	consistent = image_check(image, stdout);
	image_close(image);
	free(bytes);
	return consistent ? 0 : 1;
}
