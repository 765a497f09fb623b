// SPDX-License-Identifier: BSD-2-Clause
// The I/O APIC at its customary address. ISA interrupts other than the timer's
// are wired to the input of the same number on every PC chipset that firmware
// describes without an override for them.

#include "kernel/arch/x86_64/ioapic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"

#define IOAPIC_PHYSICAL 0xfec00000ull
#define REDIRECTION 0x10u
#define INPUTS 24u

static volatile u8 *registers sealed_;

static void
ioapic_write(u32 index, u32 v)
{
	*(volatile u32 *)registers = index;
	*(volatile u32 *)(registers + 0x10) = v;
}

void
ioapic_init(void)
{
	port_out8(0x21, 0xff);
	port_out8(0xa1, 0xff);
	registers = mmio_map(IOAPIC_PHYSICAL, 4096);
}

void
ioapic_route(u32 isa_irq, u8 vector)
{
	ASSERT(isa_irq < INPUTS && vector >= VECTOR_EXCEPTIONS);
	ioapic_write(REDIRECTION + 2 * isa_irq + 1, cpus[0].apic_id << 24);
	ioapic_write(REDIRECTION + 2 * isa_irq, vector);
}
