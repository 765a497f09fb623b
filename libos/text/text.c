// SPDX-License-Identifier: BSD-2-Clause
// Numbers by their digits: one digit at a time, each step checked for overflow.

#include "libos/text/text.h"

u32
text_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (u32)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10) : 99;
}

bool
text_to_u64(const char *s, u64 *value)
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
		u32 digit = text_digit(*s);

		if (digit >= base || __builtin_mul_overflow(v, (u64)base, &v) ||
		    __builtin_add_overflow(v, (u64)digit, &v))
			return false;
	}
	*value = v;
	return true;
}
