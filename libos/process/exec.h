// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// exec: another program in the same environment. It begins with the start-up
// capabilities that the process has, its pipes under their present numbers
// (descriptor.h), and nothing else of it: all other capabilities are dropped, and the
// memory with them.

#include "libos/mem/archive.h"

#define EXEC_STATUS_LOST 126u	// ended in between: the kernel refused the new mappings

// Becomes the program argv[0] of the archive, whose capability needs EXECUTE and DERIVE;
// its read-only segments are mapped from there. Returns only on an error, with nothing
// changed: -E_ABSENT (no such program), -E_ARGUMENT (no executable, or arguments that do
// not fit), -E_STATE (there are children: they live in memory of this process; or it is
// no process), or what the kernel refused.
must_check i64
process_exec(const struct archive *archive, int argc, char *const *argv);

// The same with an ELF image that lies anywhere.
must_check i64
process_exec_image(const struct archive *archive, const u8 *image, u64 len, int argc,
		   char *const *argv);
