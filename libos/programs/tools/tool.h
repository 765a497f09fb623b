// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the small programs of the shell share: reading the input by lines or pieces,
// and the end that a broken pipe makes.

#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/process/descriptor.h"

void
descriptor_put(const char *text, u32 len);

// Named here so that it is linked: then print() writes to the output.
__attribute__((used)) static void (*const tool_output)(const char *text, u32 len) =
	descriptor_put;

// Reads the next piece of the input. Returns its length, 0 at the end; ends the program
// when there is no reading on.
static inline u64
tool_read(void *bytes, u64 size)
{
	i64 got = descriptor_read(0, bytes, size);

	if (got < 0) {
		print("%s: reading: %s\n", program_name(), error_text(got));
		sys_env_exit(STATUS_FAILED);
	}
	return (u64)got;
}

// Writes to the output; ends the program as print() does when nobody reads it.
static inline void
tool_write(const void *bytes, u64 len)
{
	console_put(bytes, (u32)len);
}
