// SPDX-License-Identifier: BSD-2-Clause
// Prints its arguments in a line:
//
//	echo WORD...
//
// Quotes are the shell's: they keep blanks in a word.

#include "kernel/base/string.h"
#include "libos/programs/tools/tool.h"

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		tool_write(argv[i], strlen(argv[i]));
		tool_write(i + 1 < argc ? " " : "\n", 1);
	}
	if (argc == 1)
		tool_write("\n", 1);
	return STATUS_OK;
}
