// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The trace ring of each processor: the last TRACE_EVENTS things it did.

#include "kernel/abi/trace.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/sys/env.h"

// Records an event for the processor's current environment. A few stores.
void
trace(enum trace_kind kind, u32 a, u64 b);

static inline void
trace_note(struct cpu *cpu, u64 time_ns, enum trace_kind kind, u32 a, u64 b)
{
	cpu->trace[cpu->trace_next++ % TRACE_EVENTS] = (struct trace_event){
		.time_ns = time_ns,
		.kind = (u16)kind,
		.env = cpu->current < ENVS_MAX ? (u16)cpu->current : OWNER_NONE,
		.a = a,
		.b = b,
	};
}

// The same for what an environment does to itself beside the kernel lock, as often as it
// likes: without a look at the clock. The event has the time of the one before it.
static inline void
trace_beside(enum trace_kind kind, u32 a, u64 b)
{
	struct cpu *cpu = this_cpu();
	u32 before = (cpu->trace_next - 1) % TRACE_EVENTS;

	trace_note(cpu, cpu->trace[before].time_ns, kind, a, b);
}

// Copies the newest events of this processor, oldest first. Returns how many.
u32
trace_copy(struct trace_event *events, u32 max);

// The kind's name, for people.
const char *
trace_name(enum trace_kind kind);
