// SPDX-License-Identifier: BSD-2-Clause
// The clock. The 8254's channel 2 counts down once, gated by port 61h, and the
// TSC is read at both ends. The shortest of a few rounds wins: a hypervisor can
// only make a round longer.

#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/base/assert.h"
#include "kernel/main/kprintf.h"

#define PIT_HZ 1193182ull
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE 0x61
#define ROUND_TICKS 2386ull		// 2 ms
#define ROUNDS 3
#define POLLS_MAX (1u << 24)		// seconds: a port takes no less than 0.1 us

struct clock kernel_clock;

static u64
measure_round(void)
{
	u8 gate = (u8)((port_in8(PIT_GATE) & ~2) | 1);

	port_out8(PIT_GATE, gate);
	port_out8(PIT_COMMAND, 0xb0);	// channel 2, mode 0, both bytes
	port_out8(PIT_CHANNEL2, ROUND_TICKS & 0xff);
	port_out8(PIT_CHANNEL2, ROUND_TICKS >> 8);

	u64 start = tsc_read();

	for (u32 i = 0; !(port_in8(PIT_GATE) & 0x20); i++) {
		if (i == POLLS_MAX)
			panic("the interval timer (8254) does not count");
		cpu_pause();
	}
	return tsc_read() - start;
}

static u64
tsc_rate(void)
{
	if (cpuid(0, 0).a >= 0x15) {
		struct cpuid r = cpuid(0x15, 0);

		if (r.a && r.b && r.c)
			return (u64)r.c * r.b / r.a;
	}

	u64 best = measure_round();

	for (int i = 1; i < ROUNDS; i++)
		best = MIN(best, measure_round());
	return best * PIT_HZ / ROUND_TICKS;
}

void
clock_init(void)
{
	kernel_clock.tsc_hz = tsc_rate();
	ASSERT(kernel_clock.tsc_hz > 1000000);
	kernel_clock.ns_mult = (NS_PER_SECOND << 32) / kernel_clock.tsc_hz;
	kernel_clock.tsc_boot = tsc_read();
}

u64
clock_ns(void)
{
	u64 ticks = tsc_read() - kernel_clock.tsc_boot;

	return (u64)(((unsigned __int128)ticks * kernel_clock.ns_mult) >> 32);
}
