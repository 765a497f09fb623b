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

bool
text_take_number(const char **text, u32 max, u32 *value)
{
	const char *at = *text;
	u32 v = 0;

	if (*at < '0' || *at > '9' || (*at == '0' && at[1] >= '0' && at[1] <= '9'))
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		v = v * 10 + (u32)(*at - '0');
		if (v > max)
			return false;
	}
	*text = at;
	*value = v;
	return true;
}

bool
text_take_address(const char **text, u32 *address)
{
	u32 v = 0;

	for (u32 i = 0; i < 4; i++) {
		u32 part;

		if (i && *(*text)++ != '.')
			return false;
		if (!text_take_number(text, 255, &part))
			return false;
		v = v << 8 | part;
	}
	*address = v;
	return true;
}
