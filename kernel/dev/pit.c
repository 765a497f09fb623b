// SPDX-License-Identifier: BSD-2-Clause
// The TSC's rate against channel 2 of the 8254, which counts down at a known rate. Both go
// on while a hypervisor runs somebody else, so a rate is the quotient of two differences
// between moments at which both were read; what can go wrong is only that such a moment
// was torn apart. Of a few, the one that took the fewest TSC ticks is taken.

#include "kernel/dev/pit.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/main/kprintf.h"

#define PIT_HZ 1193182ull
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE 0x61
#define PIT_CHANNEL2_ONCE 0xb0		// both bytes, mode 0: count down
#define PIT_CHANNEL2_LATCH 0x80
#define PIT_PASSED 0x20			// in PIT_GATE: the count went past zero
#define COUNT_START 0xffffu		// 55 ms
#define COUNT_MEASURED 4772u		// 4 ms
#define READS 5
#define ROUNDS_MAX 200		// 11 s: a host that is busy may take all of a round away
#define POLLS_MAX (1u << 22)		// seconds: a port takes no less than 0.1 us

// A moment at which both clocks were read.
struct moment {
	u64 tsc;
	u64 width;			// TSC ticks that reading took
	u32 count;
};

static struct moment
read_both(void)
{
	u64 before = tsc_read();

	port_out8(PIT_COMMAND, PIT_CHANNEL2_LATCH);

	u64 width = tsc_read() - before;
	u32 low = port_in8(PIT_CHANNEL2);
	u32 high = port_in8(PIT_CHANNEL2);

	return (struct moment){ before + width / 2, width, high << 8 | low };
}

static struct moment
read_closely(void)
{
	struct moment best = read_both();

	for (int i = 1; i < READS; i++) {
		struct moment m = read_both();

		if (m.width < best.width)
			best = m;
	}
	return best;
}

static void
start_counting(void)
{
	u8 gate = (u8)((port_in8(PIT_GATE) & ~2) | 1);

	port_out8(PIT_GATE, gate);
	port_out8(PIT_COMMAND, PIT_CHANNEL2_ONCE);
	port_out8(PIT_CHANNEL2, COUNT_START & 0xff);
	port_out8(PIT_CHANNEL2, COUNT_START >> 8);
}

static void
wait_for_count(u32 below)
{
	for (u32 i = 0; read_both().count > below; i++) {
		if (i == POLLS_MAX)
			panic("the interval timer (8254) does not count");
		cpu_pause();
	}
}

// One round. Returns 0 when the count ran out meanwhile, so that nobody knows
// how often it did.
static u64
measure_rate(void)
{
	start_counting();

	struct moment first = read_closely();

	if (first.count <= COUNT_MEASURED)
		return 0;
	wait_for_count(first.count - COUNT_MEASURED);

	struct moment last = read_closely();

	if ((port_in8(PIT_GATE) & PIT_PASSED) || last.count >= first.count)
		return 0;
	return (last.tsc - first.tsc) * PIT_HZ / (first.count - last.count);
}

u64
pit_tsc_rate(void)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		u64 rate = measure_rate();

		if (rate)
			return rate;
	}
	panic("the interval timer (8254) ran out in every round");
}
