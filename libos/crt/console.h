// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The console, for programs that were granted it (ROLE_CONSOLE). Without the
// capability text goes nowhere and no byte ever comes.

#include <stdarg.h>

#include "kernel/base/types.h"

#define PRINT_MAX 1024u

// Prints formatted text (kernel/base/fmt.h), at most PRINT_MAX - 1 bytes of
// it. A line of up to 256 bytes goes out in one system call, so lines of
// several programs do not mix.
void
print(const char *format, ...) printf_like(1, 2);

// Writes `len` bytes as they are.
void
console_put(const char *text, u32 len);

// The same, to the console and the log even in a program whose output is elsewhere
// (libos/process/descriptor.h).
void
console_put_raw(const char *text, u32 len);

// Takes the typed bytes that wait, at most `size`, without sleeping.
// *typed becomes the value of sys_info()->console_typed from before: sleep
// until that word differs from it, and nothing typed is missed.
u32
console_take(char *buffer, u32 size, u32 *typed);
