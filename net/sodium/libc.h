// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of libsodium that we compile expect of a C library. The build
// gives this header to them under the names that they include (string.h and others
// of its kind), for the kernel and for host tests alike, so that both run the same
// code.

#include <stddef.h>

#define CHAR_BIT 8
#define INT_MAX __INT_MAX__
#define ULLONG_MAX (2ull * __LONG_LONG_MAX__ + 1)
#define assert(condition) ((void)0)

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
