// SPDX-License-Identifier: BSD-2-Clause
// Ordered, disjoint ranges of sequence numbers in a small array: what the peer
// holds out of order, and what we hold. Stateless.
//
// All ranges of an array lie within half of the sequence space, so comparing
// modulo 2^32 orders them.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

static void
remove_ranges(struct seq_range *ranges, u32 *count, u32 at, u32 len)
{
	ASSERT(at + len <= *count);
	memmove(&ranges[at], &ranges[at + len],
		(*count - at - len) * sizeof(*ranges));
	*count -= len;
}

bool
ranges_add(struct seq_range *ranges, u32 *count, u32 max, struct seq_range add)
{
	u32 first = 0, last;

	ASSERT(seq_diff(add.end, add.start) > 0);
	ASSERT(*count <= max);
	while (first < *count && seq_diff(ranges[first].end, add.start) < 0)
		first++;
	// Those in [first, last) touch it.
	for (last = first; last < *count; last++) {
		if (seq_diff(ranges[last].start, add.end) > 0)
			break;
		if (seq_diff(ranges[last].start, add.start) < 0)
			add.start = ranges[last].start;
		if (seq_diff(ranges[last].end, add.end) > 0)
			add.end = ranges[last].end;
	}
	if (last > first) {
		ranges[first] = add;
		remove_ranges(ranges, count, first + 1, last - first - 1);
		return true;
	}
	if (*count == max)
		return false;
	memmove(&ranges[first + 1], &ranges[first],
		(*count - first) * sizeof(*ranges));
	ranges[first] = add;
	(*count)++;
	return true;
}

void
ranges_drop_below(struct seq_range *ranges, u32 *count, u32 seq)
{
	u32 gone = 0;

	while (gone < *count && seq_diff(ranges[gone].end, seq) <= 0)
		gone++;
	remove_ranges(ranges, count, 0, gone);
	if (*count && seq_diff(ranges[0].start, seq) < 0)
		ranges[0].start = seq;
}
