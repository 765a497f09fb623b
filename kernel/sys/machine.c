// SPDX-License-Identifier: BSD-2-Clause
// System calls on the machine as a whole: console, entropy, power, trace.
//
// Nothing is bound here: each call looks its capability up. What may fail or
// wait (the sources of entropy) is part of the check.

#include "kernel/abi/trace.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/dev/acpi.h"
#include "kernel/dev/console.h"
#include "kernel/main/entropy.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"

#define CONSOLE_WRITE_MAX 256u
#define CONSOLE_READ_MAX 256u
#define ENTROPY_MAX 256u

i64
check_console_write(struct call *call)
{
	return user_read(call->env, call->a[1], call->checked,
			 MIN(call->a[2], CONSOLE_WRITE_MAX));
}

i64
do_console_write(struct call *call)
{
	size_t len = MIN(call->a[2], CONSOLE_WRITE_MAX);

	console_put((const char *)call->checked, len);
	return (i64)len;
}

i64
check_console_read(struct call *call)
{
	return user_out(call->env, call->a[1], MIN(call->a[2], CONSOLE_READ_MAX),
			CHECKED(call, struct user_out));
}

i64
do_console_read(struct call *call)
{
	const struct user_out *out = CHECKED(call, struct user_out);
	char buffer[CONSOLE_READ_MAX];
	u32 len = console_take(buffer, (u32)out->len);

	user_write(out, buffer, len);
	return len;
}

struct entropy_checked {
	struct user_out out;
	u8 bytes[ENTROPY_MAX];
};

// Reading the source may fail, so it belongs to the check.
i64
check_entropy_read(struct call *call)
{
	struct entropy_checked *c = CHECKED(call, struct entropy_checked);
	i64 error;

	if (call->a[1] > ENTROPY_MAX)
		return -E_ARGUMENT;
	error = user_out(call->env, call->a[0], call->a[1], &c->out);
	if (error)
		return error;
	return entropy_fill(c->bytes, (u32)call->a[1]) ? 0 : -E_ABSENT;
}

i64
do_entropy_read(struct call *call)
{
	const struct entropy_checked *c = CHECKED(call, struct entropy_checked);

	user_write(&c->out, c->bytes, c->out.len);
	return 0;
}

i64
check_machine_stop(struct call *call)
{
	if (call->a[1] != MACHINE_POWER_OFF && call->a[1] != MACHINE_REBOOT)
		return -E_ARGUMENT;
	return call->a[1] == MACHINE_POWER_OFF && !acpi_info.can_power_off ?
	       -E_ABSENT : 0;
}

i64
do_machine_stop(struct call *call)
{
	if (call->a[1] == MACHINE_POWER_OFF) {
		kprintf("power off\n");
		acpi_power_off();
		cpu_stop();
	}
	kprintf("reboot\n");
	acpi_reset();
}

#define TRACE_READ_MAX (USER_OUT_MAX / sizeof(struct trace_event))

i64
check_trace_read(struct call *call)
{
	u64 max = MIN(call->a[2], MIN(TRACE_EVENTS, TRACE_READ_MAX));

	return user_out(call->env, call->a[1], max * sizeof(struct trace_event),
			CHECKED(call, struct user_out));
}

i64
do_trace_read(struct call *call)
{
	static struct trace_event events[TRACE_EVENTS];
	const struct user_out *out = CHECKED(call, struct user_out);
	u32 max = (u32)(out->len / sizeof(events[0]));
	u32 count = trace_copy(events, max);

	user_write(out, events, count * sizeof(events[0]));
	return count;
}
