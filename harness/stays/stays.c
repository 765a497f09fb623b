// SPDX-License-Identifier: BSD-2-Clause
// The kernel that watches how long it is left alone: linked with the ordinary kernel's
// objects, it stands at the entries and exits (by the linker's --wrap) and keeps, for each
// system call and each other reason to enter, how often that was and the longest stay.
// Interrupts are off exactly while a processor is inside, so the longest stay is the
// longest time for which an interrupt can wait. The ordinary kernel pays nothing.
//
// A stay begins with the trap, before the kernel lock is waited for, and ends where the next
// program is resumed or the processor halts. What the scheduler, the fabric and the
// devices do on the way out counts for the call that it follows. machine_stop() prints
// what was kept: "stay: NAME COUNT TICKS NS", the ticks being those of the time-stamp
// counter, of which -icount shift=0 makes one an instruction.
//
// Invariant S1: began[i] is 0 exactly while processor i runs a program or is halted.

#include "kernel/abi/syscalls.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/context.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/dev/apic.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"
#include "kernel/sys/ring.h"

#define X(number, name, arguments, sentence) #name,
static const char *const names[] = {
#include "kernel/abi/syscalls.def"
	"no_such_call", "fault", "timer", "kick", "device", "wakeup",
};
#undef X

#define CALLS (ARRAY_SIZE(names) - 6)

enum reason {
	NO_SUCH_CALL = CALLS,
	FAULT,
	TIMER,
	KICK,
	DEVICE,
	WAKEUP,			// of a halted processor, and what it looks at
	REASONS
};

STATIC_ASSERT(REASONS == ARRAY_SIZE(names));

static struct {
	u64 count;
	u64 longest;		// ticks
} stays[REASONS];

static u64 began[CPUS_MAX];
static u32 why[CPUS_MAX];

noreturn_ void
__real_user_trap(struct context *context);
void
__real_kernel_trap(struct context *context);
noreturn_ void
__real_context_resume(struct context *context);
void
__real_ring_idle(void);
void
__real_trace(enum trace_kind kind, u32 a, u64 b);
i64
__real_do_machine_stop(struct call *call);

static void
begin(u32 reason)
{
	u32 cpu = this_cpu()->index;

	if (began[cpu])
		return;
	began[cpu] = tsc_read();
	why[cpu] = reason;
}

// Under the lock or not: two processors that end stays of one kind at once may lose one
// of two longest ones, and no others.
static void
end(void)
{
	u32 cpu = this_cpu()->index, reason = why[cpu];
	u64 ticks = tsc_read() - began[cpu];

	if (!began[cpu])
		return;
	began[cpu] = 0;
	stays[reason].count++;
	if (ticks > stays[reason].longest)
		stays[reason].longest = ticks;
}

static u32
reason_of(const struct context *context)
{
	if (context->vector == TRAP_SYSCALL)
		return context->rax < CALLS ? (u32)context->rax : NO_SUCH_CALL;
	if (context->vector < VECTOR_EXCEPTIONS)
		return FAULT;
	return context->vector == VECTOR_TIMER ? TIMER
	     : context->vector == VECTOR_KICK ? KICK : DEVICE;
}

noreturn_ void
__wrap_user_trap(struct context *context);
noreturn_ void
__wrap_user_trap(struct context *context)
{
	begin(reason_of(context));
	__real_user_trap(context);
}

void
__wrap_kernel_trap(struct context *context);
void
__wrap_kernel_trap(struct context *context)
{
	begin(context->vector < VECTOR_EXCEPTIONS ? FAULT : reason_of(context));
	__real_kernel_trap(context);
}

noreturn_ void
__wrap_context_resume(struct context *context);
noreturn_ void
__wrap_context_resume(struct context *context)
{
	end();
	__real_context_resume(context);
}

// The last that is called before a processor halts.
void
__wrap_ring_idle(void);
void
__wrap_ring_idle(void)
{
	__real_ring_idle();
	end();
}

void
__wrap_trace(enum trace_kind kind, u32 a, u64 b);
void
__wrap_trace(enum trace_kind kind, u32 a, u64 b)
{
	if (kind == TRACE_HALT)
		begin(WAKEUP);
	__real_trace(kind, a, b);
}

i64
__wrap_do_machine_stop(struct call *call);
i64
__wrap_do_machine_stop(struct call *call)
{
	for (u32 i = 0; i < REASONS; i++) {
		u64 ticks = stays[i].longest;
		u64 ns = (u64)((unsigned __int128)ticks * kernel_clock.ns_mult >> 32);

		if (stays[i].count)
			kprintf("stay: %s %lu %lu %lu\n", names[i],
				(unsigned long)stays[i].count, (unsigned long)ticks,
				(unsigned long)ns);
	}
	return __real_do_machine_stop(call);
}
