// SPDX-License-Identifier: BSD-2-Clause
// What a trap means: a system call, an exception of the program, or an
// interrupt. Interrupts are taken in user mode and while halted, never inside
// the kernel, so an exception from kernel mode is always a bug.

#include "kernel/arch/x86_64/trap.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/irq.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/base/assert.h"
#include "kernel/dev/apic.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/panic.h"
#include "kernel/main/trace.h"
#include "kernel/sys/dispatch.h"
#include "kernel/sys/fpu.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/transfer.h"
#include "kernel/sys/upcall.h"

#define MESSAGE_BASE 0xfee00000ull

// Of devices, by vector; only read once boot is over. Unclaimed ones are ignored.
static void (*handlers[IRQ_HANDLERS_MAX])(void) sealed_;
static u32 handler_count sealed_;

u8
irq_claim(void (*handler)(void))
{
	if (handler_count == IRQ_HANDLERS_MAX)
		panic("more than %u interrupt sources", IRQ_HANDLERS_MAX);
	handlers[handler_count] = handler;
	return (u8)(VECTOR_EXCEPTIONS + handler_count++);
}

u64
irq_message_address(void)
{
	return MESSAGE_BASE | (u64)cpus[0].apic_id << 12;
}

static void
interrupt(u32 vector)
{
	struct cpu *cpu = this_cpu();

	ASSERT(vector >= VECTOR_EXCEPTIONS);
	trace(TRACE_IRQ, vector, 0);
	switch (vector) {
	case VECTOR_TIMER:
		cpu->timer_at_ns = NEVER;
		cpu->reschedule = true;
		break;
	case VECTOR_KICK:
		cpu->reschedule = true;
		break;
	case VECTOR_SPURIOUS:
		return;
	default:
		if (vector - VECTOR_EXCEPTIONS < handler_count)
			handlers[vector - VECTOR_EXCEPTIONS]();
	}
	apic_end_of_interrupt();
}

// Without the lock. Returns when it cannot be done so, and has then changed nothing.
static void
run_beside(struct cpu *cpu, struct context *context, bool call)
{
	struct env *env = &envs[cpu->current];

	// A call by the short path is to be settled first. The first use of the FPU is
	// nothing to tell.
	if (context != &env->context || context->vector == VECTOR_FPU_ABSENT)
		return;
	if (call ? !dispatch_beside(env) : !upcall_fault(env, false))
		return;
	cpu->info->beside++;
	shootdown_leave(cpu);
	context_resume(context);
}

// Does without the lock what touches only the own state of the environment that runs
// here. Returns, INSIDE, when it is to be done with the lock.
static void
try_beside(struct cpu *cpu, struct context *context, bool call)
{
	for (u32 tries = 0; tries < BESIDE_TRIES; tries++) {
		bool free;

		shootdown_enter(cpu, BESIDE);
		free = lock_is_free();
		// Now, because while the lock is free nobody asks for anything new.
		if (likely(free && !cpu->reschedule))
			run_beside(cpu, context, call);
		shootdown_enter(cpu, INSIDE);
		if (free)
			return;
		// For who has a ticket now.
		lock_wait_turn(__atomic_load_n(&lock_next_ticket, __ATOMIC_SEQ_CST));
	}
}

hot_ void
user_trap(struct context *context)
{
	struct cpu *cpu = this_cpu();
	bool call = context->vector == TRAP_SYSCALL;

	if (!call && cpu_features.smap)
		smap_resume();		// SYSCALL clears the flag itself
	if (call ? dispatch_is_own(context) : context->vector < VECTOR_EXCEPTIONS)
		try_beside(cpu, context, call);
	else
		shootdown_enter(cpu, INSIDE);
	kernel_lock();

	struct env *env = &envs[cpu->current];

	if (unlikely(context != &env->context))
		env = transfer_settle(cpu);
	ASSERT(context == &env->context);
	if (!call && context->vector >= VECTOR_EXCEPTIONS)
		interrupt((u32)context->vector);
	// Another processor may have ended it while this one waited for the
	// lock: then it asks for nothing any more.
	else if (env->info->state != ENV_RUNNABLE)
		ASSERT(cpu->reschedule);
	else if (call)
		dispatch(env);
	else if (context->vector == VECTOR_FPU_ABSENT)
		fpu_first_use(cpu, env);
	else
		upcall_fault(env, true);
	sched_leave();
}

void
kernel_trap(struct context *context)
{
	if (context->vector < VECTOR_EXCEPTIONS)
		panic_trap(context);
	ASSERT(this_cpu()->halted);
	kernel_lock();
	interrupt((u32)context->vector);
	kernel_unlock();
}
