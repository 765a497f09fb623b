// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Time since boot, from the time-stamp counter, whose rate is measured once
// against the 8254 timer (or told by CPUID leaf 15h).

#include "kernel/arch/x86_64/cpu.h"

struct clock {
	u64 tsc_hz;
	u64 tsc_boot;
	u64 ns_mult;		// ns per tick, 32.32 fixed point
};
extern struct clock kernel_clock;

// Measures the counter's rate: time begins. Once, on the boot processor; some
// milliseconds. Panics when the 8254 does not count.
void
clock_init(void);

// Nanoseconds since clock_init().
static inline u64
clock_ns(void)
{
	u64 ticks = tsc_read() - kernel_clock.tsc_boot;

	return (u64)(((unsigned __int128)ticks * kernel_clock.ns_mult) >> 32);
}
