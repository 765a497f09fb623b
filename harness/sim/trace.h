// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The time-line of a run and its hash.
//
// Every event of a run is one line: when, on which node, what. The last lines
// are kept as they were given, and made into text only when somebody reads them:
// a run writes tens of thousands and shows none. All of them, and the bytes of
// every frame, are folded into one hash: two runs of a seed are the same run if
// it is the same.

#include "kernel/base/types.h"

#define TRACE_KEPT 4096u
#define TRACE_NO_NODE 0xffffffffu

struct trace_line {
	u64 at;
	u32 node;
	const char *format;	// with up to four %lu or %lx
	u64 value[4];
};

struct trace {
	u64 now;		// set by the run at each event
	u64 hash;
	u64 lines;
	bool live;		// print each line at once
	struct trace_line kept[TRACE_KEPT];
};

void
trace_init(struct trace *trace, bool live);

void
trace_add(struct trace *trace, u32 node, const char *format, u64 a, u64 b,
	  u64 c, u64 d);

// Folds bytes into the hash.
void
trace_bytes(struct trace *trace, const void *data, size_t len);

// Prints the last `count` lines.
void
trace_print(const struct trace *trace, u32 count);
