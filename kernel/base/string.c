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

u32
string_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (u32)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10) : 99;
}

bool
string_to_u64(const char *s, u64 *value)
{
	u64 v = 0;
	u32 base = 10;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		u32 digit = string_digit(*s);

		if (digit >= base || __builtin_mul_overflow(v, (u64)base, &v) ||
		    __builtin_add_overflow(v, (u64)digit, &v))
			return false;
	}
	*value = v;
	return true;
}
