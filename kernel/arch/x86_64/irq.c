// SPDX-License-Identifier: BSD-2-Clause
// Interrupt handlers by vector. The table is filled at boot and only read
// after; the processor's own vectors (timer, kick) are handled in trap.c.

#include "kernel/arch/x86_64/irq.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/base/assert.h"
#include "kernel/main/kprintf.h"

#define MESSAGE_BASE 0xfee00000ull

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

void
irq_dispatch(u32 vector)
{
	u32 index = vector - VECTOR_EXCEPTIONS;

	ASSERT(vector >= VECTOR_EXCEPTIONS);
	if (index < handler_count)
		handlers[index]();
}
