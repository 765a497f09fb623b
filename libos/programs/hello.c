// SPDX-License-Identifier: BSD-2-Clause
// The smallest useful program: says who it is and what it was given.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"

int
main(int argc, char **argv)
{
	print("hello: environment %u, %u ms after boot, %d argument%s:",
	      env_table()[self_index()].id, (u32)(now_ns() / NS_PER_MS),
	      argc - 1, argc == 2 ? "" : "s");
	for (int i = 1; i < argc; i++)
		print(" %s", argv[i]);
	print("\n");
	return STATUS_OK;
}
