// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Trace events: a fixed-size binary record, kept in a ring on each processor,
// always on. The last ones are printed by a panic and read by trace_read().

#include "kernel/base/types.h"

enum trace_kind {
	TRACE_NONE,
	TRACE_SYSCALL,		// a: number, b: result
	TRACE_FAULT,		// a: vector, b: address of a page fault, else rip
	TRACE_UPCALL,		// a: cause, b: rip
	TRACE_SWITCH,		// a: environment switched to, b: slice
	TRACE_IRQ,		// a: vector
	TRACE_ENV,		// a: environment, b: new state
	TRACE_HALT,		// a: ns halted
	TRACE_KIND_COUNT
};

#define TRACE_EVENTS 256u	// a processor keeps

struct trace_event {
	u64 time_ns;
	u16 kind;
	u16 env;		// index, or OWNER_NONE
	u32 a;
	u64 b;
};

STATIC_ASSERT(sizeof(struct trace_event) == 24);
