// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Formatted text into a caller's buffer: the subset of printf that kernel and
// libOS need. %d %u %x %c %s %% with flags 0 and -, a width, %.*s, and the lengths
// l and ll. No floating point.

#include <stdarg.h>

#include "kernel/base/types.h"

// Writes at most size-1 bytes and a terminator (nothing when size is 0).
// Returns the length the whole text has, as snprintf does: a result >= size
// says that it was cut. An unknown conversion is copied as it stands.
size_t
fmt_into(char *buffer, size_t size, const char *format, ...) printf_like(3, 4);

// The same with the arguments in a list, which is left as it was.
size_t
fmt_into_va(char *buffer, size_t size, const char *format, va_list args);
