// SPDX-License-Identifier: BSD-2-Clause
// What ISO C defines, in a file of its own, so that hosts with a libc leave it out.

#include "libos/text/text.h"

int
strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int
strncmp(const char *a, const char *b, size_t len)
{
	for (; len; len--, a++, b++) {
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	}
	return 0;
}
