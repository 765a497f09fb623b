// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The trace ring of each processor: the last TRACE_EVENTS things it did.

#include "kernel/abi/trace.h"

// Records an event for the processor's current environment. A few stores.
void
trace(enum trace_kind kind, u32 a, u64 b);

// Copies the newest events of this processor, oldest first. Returns how many.
u32
trace_copy(struct trace_event *events, u32 max);

// The kind's name, for people.
const char *
trace_name(enum trace_kind kind);
