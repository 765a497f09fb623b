// SPDX-License-Identifier: BSD-2-Clause
// The trace ring. Written only by its own processor.

#include "kernel/main/trace.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"

void
trace(enum trace_kind kind, u32 a, u64 b)
{
	ASSERT(kind > TRACE_NONE && kind < TRACE_KIND_COUNT);
	trace_note(this_cpu(), clock_ns(), kind, a, b);
}

u32
trace_copy(struct trace_event *events, u32 max)
{
	const struct cpu *cpu = this_cpu();
	u32 count = MIN(MIN(max, TRACE_EVENTS), cpu->trace_next);

	for (u32 i = 0; i < count; i++) {
		u32 at = cpu->trace_next - count + i;

		events[i] = cpu->trace[at % TRACE_EVENTS];
	}
	return count;
}

const char *
trace_name(enum trace_kind kind)
{
	static const char *const names[] = {
#define X(name, number, word, a, b, sentence) [number] = word,
#include "kernel/abi/trace.def"
#undef X
	};

	STATIC_ASSERT(ARRAY_SIZE(names) == TRACE_KIND_COUNT);
	return kind < TRACE_KIND_COUNT && names[kind] ? names[kind] : "unknown";
}
