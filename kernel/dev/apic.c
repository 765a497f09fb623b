// SPDX-License-Identifier: BSD-2-Clause
// The local APIC by its memory-mapped registers, and the I/O APIC. The timer runs
// one-shot with divider 16; its rate is measured against the TSC once, and every
// processor uses that rate.

#include "kernel/dev/apic.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"

#define APIC_PHYSICAL 0xfee00000ull
#define MSR_APIC_BASE 0x1bu
#define APIC_ENABLE (1u << 11)

enum apic_register {
	REGISTER_ID = 0x20,
	REGISTER_TPR = 0x80,
	REGISTER_EOI = 0xb0,
	REGISTER_SPURIOUS = 0xf0,
	REGISTER_COMMAND_LOW = 0x300,
	REGISTER_COMMAND_HIGH = 0x310,
	REGISTER_TIMER = 0x320,
	REGISTER_LINT0 = 0x350,
	REGISTER_TIMER_INITIAL = 0x380,
	REGISTER_TIMER_CURRENT = 0x390,
	REGISTER_TIMER_DIVIDE = 0x3e0,
};

#define DIVIDE_BY_16 0x3u
#define MASKED (1u << 16)
#define EXTERNAL 0x700u			// delivery mode of the old controllers
#define COMMAND_INIT 0x4500u
#define COMMAND_STARTUP 0x4600u
#define COMMAND_NMI_OTHERS 0xc4400u	// to every processor but this one
#define COMMAND_PENDING (1u << 12)
#define CALIBRATION_NS (1 * NS_PER_MS)
#define CALIBRATION_READS 5
#define DELAY_MAX_NS (4 * NS_PER_SECOND)

#define IOAPIC_PHYSICAL 0xfec00000ull	// its customary address
#define REDIRECTION 0x10u
#define INPUTS 24u

static volatile u8 *registers sealed_;
static volatile u8 *io_registers sealed_;
static u64 ticks_mult sealed_;		// ticks per ns, 32.32 fixed point

static u32
apic_read(enum apic_register at)
{
	return *(volatile u32 *)(registers + at);
}

static void
apic_write(enum apic_register at, u32 v)
{
	*(volatile u32 *)(registers + at) = v;
}

void
apic_init(void)
{
	registers = mmio_map(APIC_PHYSICAL, 4096);
}

void
apic_enable(void)
{
	msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_ENABLE);
	apic_write(REGISTER_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
	apic_write(REGISTER_TPR, 0);
	apic_write(REGISTER_LINT0, MASKED | EXTERNAL);
	apic_write(REGISTER_TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(REGISTER_TIMER, VECTOR_TIMER);
}

// A moment at which both the timer and the clock were read (see pit.c).
struct moment {
	u64 ns;
	u64 width_ns;
	u32 count;
};

static struct moment
read_closely(void)
{
	struct moment best = { .width_ns = ~0ull };

	for (int i = 0; i < CALIBRATION_READS; i++) {
		u64 before = clock_ns();
		u32 count = apic_read(REGISTER_TIMER_CURRENT);
		u64 width = clock_ns() - before;

		if (width < best.width_ns)
			best = (struct moment){ before + width / 2, width, count };
	}
	return best;
}

void
apic_calibrate(void)
{
	apic_write(REGISTER_TIMER, VECTOR_TIMER | MASKED);
	apic_write(REGISTER_TIMER_INITIAL, 0xffffffff);

	struct moment first = read_closely();

	while (clock_ns() - first.ns < CALIBRATION_NS)
		cpu_pause();

	struct moment last = read_closely();

	apic_write(REGISTER_TIMER_INITIAL, 0);
	apic_write(REGISTER_TIMER, VECTOR_TIMER);
	ASSERT(last.ns > first.ns && first.count > last.count);
	ticks_mult = ((u64)(first.count - last.count) << 32) /
		     (last.ns - first.ns);
	ASSERT(ticks_mult > 0);
}

u32
apic_id(void)
{
	return apic_read(REGISTER_ID) >> 24;
}

void
apic_end_of_interrupt(void)
{
	apic_write(REGISTER_EOI, 0);
}

void
apic_timer(u64 delay_ns)
{
	u64 delay = MIN(delay_ns, DELAY_MAX_NS);
	u64 ticks = (u64)(((unsigned __int128)delay * ticks_mult) >> 32);

	if (delay_ns && !ticks)
		ticks = 1;
	apic_write(REGISTER_TIMER_INITIAL, (u32)MIN(ticks, 0xffffffffull));
}

static void
command(u32 target_apic_id, u32 what)
{
	apic_write(REGISTER_COMMAND_HIGH, target_apic_id << 24);
	apic_write(REGISTER_COMMAND_LOW, what);
	while (apic_read(REGISTER_COMMAND_LOW) & COMMAND_PENDING)
		cpu_pause();
}

void
apic_kick(u32 target_apic_id)
{
	command(target_apic_id, VECTOR_KICK);
}

void
apic_stop_others(void)
{
	if (registers)
		apic_write(REGISTER_COMMAND_LOW, COMMAND_NMI_OTHERS);
}

// To a processor that is to start: it needs its time.
static void
command_slowly(u32 target_apic_id, u32 what)
{
	u64 start = clock_ns();

	command(target_apic_id, what);
	while (clock_ns() - start < 200 * NS_PER_US)
		cpu_pause();
}

void
apic_hold_processor(u32 target_apic_id)
{
	command_slowly(target_apic_id, COMMAND_INIT);
}

void
apic_start_processor(u32 target_apic_id, u8 page)
{
	apic_hold_processor(target_apic_id);
	for (int i = 0; i < 2; i++)
		command_slowly(target_apic_id, COMMAND_STARTUP | page);
}

// ISA interrupts other than the timer's are wired to the input of the same number on
// every PC chipset that firmware describes without an override for them.
static void
ioapic_write(u32 index, u32 v)
{
	*(volatile u32 *)io_registers = index;
	*(volatile u32 *)(io_registers + 0x10) = v;
}

void
ioapic_init(void)
{
	port_out8(0x21, 0xff);
	port_out8(0xa1, 0xff);
	io_registers = mmio_map(IOAPIC_PHYSICAL, 4096);
}

void
ioapic_route(u32 isa_irq, u8 vector)
{
	ASSERT(isa_irq < INPUTS && vector >= VECTOR_EXCEPTIONS);
	ioapic_write(REDIRECTION + 2 * isa_irq + 1, cpus[0].apic_id << 24);
	ioapic_write(REDIRECTION + 2 * isa_irq, vector);
}
