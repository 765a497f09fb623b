// SPDX-License-Identifier: BSD-2-Clause
// Prints the first lines of its input, 10 or as many as it is told, and ends: then
// nobody reads any more what the program before it writes.
//
//	PROGRAM | head [LINES]

#include "libos/programs/tools/tool.h"
#include "libos/text/text.h"

int
main(int argc, char **argv)
{
	u64 lines = 10, len;
	char piece[512];

	if (argc > 2 || (argc == 2 && !text_to_u64(argv[1], &lines))) {
		print("head: how many lines? PROGRAM | head [LINES]\n");
		return STATUS_USAGE;
	}
	while (lines && (len = tool_read(piece, sizeof(piece)))) {
		u64 used = 0;

		while (used < len && lines)
			lines -= piece[used++] == '\n';
		tool_write(piece, used);
	}
	return STATUS_OK;
}
