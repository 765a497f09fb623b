// SPDX-License-Identifier: BSD-2-Clause
// Prints the numbers from 1 to LAST, a line each: something to put into a pipe.
//
//	seq LAST

#include "libos/programs/tools/tool.h"
#include "libos/text/text.h"

int
main(int argc, char **argv)
{
	u64 last;

	if (argc != 2 || !text_to_u64(argv[1], &last)) {
		print("seq: to which number? seq LAST\n");
		return STATUS_USAGE;
	}
	for (u64 i = 1; i <= last; i++)
		print("%lu\n", i);
	return STATUS_OK;
}
