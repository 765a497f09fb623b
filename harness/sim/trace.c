// SPDX-License-Identifier: BSD-2-Clause
// Lines of the time-line in a ring. The hash is a multiply and a rotation for
// each word: not for secrets, only so that different runs differ.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/sim/trace.h"

void
trace_init(struct trace *trace, bool live)
{
	trace->now = 0;
	trace->hash = 0x9e3779b97f4a7c15ull;
	trace->lines = 0;
	trace->live = live;
}

static u64
mix(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0xd6e8feb86659fd93ull;
	return hash ^ (hash >> 29);
}

void
trace_bytes(struct trace *trace, const void *data, size_t len)
{
	const u8 *bytes = data;
	u64 hash = mix(trace->hash, len);

	for (; len >= 8; len -= 8, bytes += 8) {
		u64 word;

		memcpy(&word, bytes, 8);
		hash = mix(hash, word);
	}
	for (; len; len--)
		hash = mix(hash, *bytes++);
	trace->hash = hash;
}

static void
print_line(const struct trace_line *line)
{
	printf("%11.6f  ", (double)line->at / 1e9);
	if (line->node == TRACE_NO_NODE)
		printf("      ");
	else
		printf("n%-3" PRIu32 "  ", line->node);
	printf(line->format, line->value[0], line->value[1], line->value[2],
	       line->value[3]);
	putchar('\n');
}

void
trace_add(struct trace *trace, u32 node, const char *format, u64 a, u64 b,
	  u64 c, u64 d)
{
	struct trace_line *line = &trace->kept[trace->lines++ % TRACE_KEPT];
	const u64 folded[] = { trace->now, node, a, b, c, d };

	*line = (struct trace_line){ trace->now, node, format, { a, b, c, d } };
	trace_bytes(trace, folded, sizeof(folded));
	trace_bytes(trace, format, strlen(format));
	if (trace->live)
		print_line(line);
}

void
trace_print(const struct trace *trace, u32 count)
{
	u64 kept = MIN(trace->lines, TRACE_KEPT);
	u64 shown = MIN(count, kept);

	for (u64 i = trace->lines - shown; i < trace->lines; i++)
		print_line(&trace->kept[i % TRACE_KEPT]);
}
