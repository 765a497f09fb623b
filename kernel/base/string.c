// SPDX-License-Identifier: BSD-2-Clause
// Bounded string helpers. What ISO C defines lives in memory.c, so that hosts
// with a libc of their own can leave that file out.
//
// Stateless; any context.

#include "kernel/base/string.h"
#include "kernel/base/assert.h"

bool
string_copy(char *target, size_t size, const char *source)
{
	size_t i = 0;

	ASSERT(size > 0);
	for (; i < size - 1 && source[i]; i++)
		target[i] = source[i];
	target[i] = 0;
	return source[i] == 0;
}

bool
string_starts(const char *s, const char *prefix)
{
	while (*prefix) {
		if (*s++ != *prefix++)
			return false;
	}
	return true;
}
