// SPDX-License-Identifier: BSD-2-Clause
// The clock: the rate of the TSC is what CPUID tells, else what the interval timer does.

#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"
#include "kernel/dev/pit.h"

struct clock kernel_clock sealed_;

void
clock_init(void)
{
	struct cpuid r = { 0 };

	if (cpuid(0, 0).a >= 0x15)
		r = cpuid(0x15, 0);
	kernel_clock.tsc_hz = r.a && r.b && r.c ? (u64)r.c * r.b / r.a : pit_tsc_rate();
	ASSERT(kernel_clock.tsc_hz > 1000000);
	kernel_clock.ns_mult = (NS_PER_SECOND << 32) / kernel_clock.tsc_hz;
	kernel_clock.tsc_boot = tsc_read();
}
