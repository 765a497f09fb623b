// SPDX-License-Identifier: BSD-2-Clause
// An address with its network, as people write it: text of the command line of a
// node, so every part is checked.
//
// Stateless.

#include "cluster/programs/front/options.h"

// A decimal number up to `max` without leading zeros, and what has to follow it.
static bool
take(const char **text, u32 max, char end, u32 *value)
{
	const char *at = *text;
	u32 v = 0;

	if (*at < '0' || *at > '9' || (*at == '0' && at[1] != end))
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		v = v * 10 + (u32)(*at - '0');
		if (v > max)
			return false;
	}
	if (*at != end)
		return false;
	*text = at + (end != 0);
	*value = v;
	return true;
}

bool
option_network(const char *text, u32 *address, u32 *mask)
{
	u32 a, b, c, d, length, whole, ones, host;

	if (!take(&text, 255, '.', &a) || !take(&text, 255, '.', &b) ||
	    !take(&text, 255, '.', &c) || !take(&text, 255, '/', &d) ||
	    !take(&text, 30, 0, &length) || length == 0)
		return false;
	whole = a << 24 | b << 16 | c << 8 | d;
	ones = ~0u << (32 - length);
	host = whole & ~ones;
	if (a == 0 || a == 127 || a >= 224 || host == 0 || host == ~ones)
		return false;
	*address = whole;
	*mask = ones;
	return true;
}
