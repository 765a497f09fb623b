// SPDX-License-Identifier: BSD-2-Clause
// Copies its input to its output:
//
//	PROGRAM | cat
//
// There are no files to name here; what the boot archive has are programs.

#include "libos/programs/tools/tool.h"

int
main(int argc, char **argv)
{
	char piece[1024];
	u64 len;

	(void)argv;
	if (argc > 1) {
		print("cat: reads its input: PROGRAM | cat\n");
		return STATUS_USAGE;
	}
	while ((len = tool_read(piece, sizeof(piece))))
		tool_write(piece, len);
	return STATUS_OK;
}
