// SPDX-License-Identifier: BSD-2-Clause
// Counts the lines, words and bytes of its input:
//
//	PROGRAM | wc
//
// Words are what blanks, tabs and ends of lines keep apart.

#include "libos/programs/tools/tool.h"

int
main(int argc, char **argv)
{
	u64 lines = 0, words = 0, bytes = 0, len;
	bool in_word = false;
	char piece[1024];

	(void)argv;
	if (argc > 1) {
		print("wc: counts its input: PROGRAM | wc\n");
		return STATUS_USAGE;
	}
	while ((len = tool_read(piece, sizeof(piece)))) {
		for (u64 i = 0; i < len; i++) {
			bool blank = piece[i] == ' ' || piece[i] == '\t' ||
				     piece[i] == '\n' || piece[i] == '\r';

			lines += piece[i] == '\n';
			words += !blank && !in_word;
			in_word = !blank;
		}
		bytes += len;
	}
	print("%7lu %7lu %7lu\n", lines, words, bytes);
	return STATUS_OK;
}
