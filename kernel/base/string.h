// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The memory and string functions that a freestanding compiler expects, and
// bounded string copies. The same names and contracts as in ISO C, so a host
// build links its own libc's versions of the standard ones.

#include "kernel/base/types.h"

void *
memcpy(void *restrict target, const void *restrict source, size_t len);
void *
memmove(void *target, const void *source, size_t len);
void *
memset(void *target, int byte, size_t len);
int
memcmp(const void *a, const void *b, size_t len);
size_t
strlen(const char *s);

// Copies at most size-1 bytes of `source` and always terminates `target`.
// `size` is at least 1. Returns true when all of `source` fitted.
bool
string_copy(char *target, size_t size, const char *source);

// True when `s` begins with `prefix`.
bool
string_starts(const char *s, const char *prefix);
