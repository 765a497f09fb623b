// SPDX-License-Identifier: BSD-2-Clause
// An address with its network, as people write it: text of the command line of a
// node, so every part is checked.
//
// Stateless.

#include "cluster/programs/front/options.h"
#include "libos/text/text.h"

bool
option_network(const char *text, u32 *address, u32 *mask)
{
	u32 length, whole, ones, host, first;

	if (!text_take_address(&text, &whole) || *text++ != '/' ||
	    !text_take_number(&text, 30, &length) || *text || length == 0)
		return false;
	ones = ~0u << (32 - length);
	host = whole & ~ones;
	first = whole >> 24;
	if (first == 0 || first == 127 || first >= 224 || host == 0 || host == ~ones)
		return false;
	*address = whole;
	*mask = ones;
	return true;
}
