// SPDX-License-Identifier: BSD-2-Clause
// The newest trace events of the processor that the shell runs on, decoded.

#include "kernel/base/fmt.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/programs/sh/sh.h"
#include "libos/text/text.h"

#define SHOWN_DEFAULT 24u

static const char *
call_name(u32 number)
{
	switch (number) {
#define X(value, name, arguments, sentence) \
	case value: \
		return #name;
#include "kernel/abi/syscalls.def"
#undef X
	}
	return "unknown call";
}

static void
describe(const struct trace_event *e, char *text, size_t size)
{
	i64 result = (i64)e->b;

	switch (e->kind) {
	case TRACE_SYSCALL:
		if (result < 0)
			fmt_into(text, size, "%s: %s", call_name(e->a),
				 error_text(result));
		else
			fmt_into(text, size, "%s: %ld", call_name(e->a), result);
		return;
	case TRACE_FAULT:
		fmt_into(text, size, "%s at 0x%lx", vector_name(e->a), e->b);
		return;
	case TRACE_UPCALL:
		fmt_into(text, size, "%s upcall, rip 0x%lx",
			 upcall_name(e->a), e->b);
		return;
	case TRACE_SWITCH:
		fmt_into(text, size, "switch to %u in slice %lu", e->a, e->b);
		return;
	case TRACE_IRQ:
		fmt_into(text, size, "interrupt %u", e->a);
		return;
	case TRACE_ENV:
		fmt_into(text, size, "environment %u: state %lu", e->a, e->b);
		return;
	case TRACE_HALT:
		fmt_into(text, size, "halted for %u us", e->a / 1000);
		return;
	}
	fmt_into(text, size, "event %u: %u, %lu", e->kind, e->a, e->b);
}

void
show_trace(int argc, char **argv)
{
	static struct trace_event events[TRACE_EVENTS];
	u32 slot = startup_slot(ROLE_MACHINE);
	u64 wanted = SHOWN_DEFAULT;
	i64 count;

	if (argc > 1 && !text_to_u64(argv[1], &wanted)) {
		print("trace: how many events?\n");
		return;
	}
	count = slot == SLOT_NONE ? -E_ABSENT :
		sys_trace_read(slot, events,
			       (u32)MIN(wanted, (u64)TRACE_EVENTS));
	if (count < 0) {
		print("trace: %s\n", error_text(count));
		return;
	}
	for (i64 i = 0; i < count; i++) {
		char text[120];
		const struct trace_event *e = &events[i];

		describe(e, text, sizeof(text));
		print("%9lu.%03lu us env %-5u %s\n", e->time_ns / 1000,
		      e->time_ns % 1000, e->env, text);
	}
}
