// SPDX-License-Identifier: BSD-2-Clause
//
// Times the loops of floor.S and prints each as the benchmark expects it:
// "prims: NAME ns=VALUE", REPETITIONS lines a loop, then "floor: done",
// and powers the machine off by the triple fault that -no-reboot ends.
//
// The processor's tick is measured against the 1.193182 MHz interval timer, so
// the same program gives nanoseconds at any rate and, under -icount shift=0,
// where virtual time is instructions, instructions.

#include "harness/bench/floor/floor.h"

enum {
	REPETITIONS = 25,
	SERIAL = 0x3f8,
	PIT_HZ = 1193182,
	PIT_TICKS = PIT_HZ / 50, // 20 ms
	CLOSE_ENOUGH = 200,	 // a measurement may be wrong by one part in this
	GATE = 0x61,
};

struct floor {
	const char *name;
	void (*loop)(void);
	u64 round_count;
	u64 per_round; // operations that one round counts as
	int warm_up;   // repetitions that do not count
};

static const struct floor FLOORS[] = {
	{ "null call", loop_null, 10000, 1, 10 },
	{ "fault upcall", loop_fault, 2500, 1, 10 },
	{ "protect fault unprotect", loop_protect, 1000, 1, 10 },
	{ "protect fault unprotect alone", loop_protect, 1000, 1, 10 },
	{ "control transfer", loop_transfer, 200, 1, 50 },
	{ "map page batch", loop_batch, 100, BATCH, 10 },
	{ "environment create destroy", loop_environment, 100, 1, 20 },
	{ "fork 16MiB", loop_fork, 30, 1, 20 },
};

void
floor_main(void);

static void
out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static u8
in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u64
ticks(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static void
print(const char *text)
{
	for (; *text != '\0'; text++) {
		while ((in8(SERIAL + 5) & 0x20) == 0)
			;
		out8(SERIAL, (u8)*text);
	}
}

// Prints tenths / 10 with one decimal place.
static void
print_tenths(u64 tenths)
{
	char text[24], *at = text + sizeof text;
	u64 whole = tenths / 10;

	*--at = '\0';
	*--at = (char)('0' + tenths % 10);
	*--at = '.';
	do {
		*--at = (char)('0' + whole % 10);
		whole /= 10;
	} while (whole != 0);
	print(at);
}

// The processor's ticks a second: channel 2 counts down once while we watch. Where
// the host ran somebody else at the beginning or the end, nobody knows how long the
// count took, and it is watched again.
static u64
measure_hz(void)
{
	u64 before, begin, last, end;

	do {
		out8(GATE, (in8(GATE) & 0xfc) | 1);
		out8(0x43, 0xb0);
		out8(0x42, PIT_TICKS & 0xff);
		before = ticks();
		out8(0x42, PIT_TICKS >> 8);
		begin = end = ticks();
		do {
			last = end;
			end = ticks();
		} while ((in8(GATE) & 0x20) == 0);
		end = ticks();
	} while ((begin - before) + (end - last) > (end - begin) / CLOSE_ENOUGH);
	return (end - begin) * 50;
}

static void
measure(const struct floor *f, u64 hz)
{
	u64 operations = f->round_count * f->per_round;
	u64 loop = ~0ull; // the loop itself, undisturbed

	for (int i = 0; i < f->warm_up; i++)
		run_in_ring_3(f->loop, f->round_count);
	for (int i = 0; i < REPETITIONS; i++) {
		u64 again = run_in_ring_3(loop_empty, f->round_count);

		loop = again < loop ? again : loop;
	}
	for (int i = 0; i < REPETITIONS; i++) {
		u64 took = run_in_ring_3(f->loop, f->round_count);

		took = took > loop ? took - loop : 0;
		print("prims: ");
		print(f->name);
		print(" ns=");
		// At most 10^10 ticks: 10^10 * 10^7 fits 64 bits.
		print_tenths(took * 10000000 / (hz / 1000) / operations);
		print("\n");
	}
}

void
floor_main(void)
{
	u64 hz = measure_hz();

	for (size_t i = 0; i < ARRAY_SIZE(FLOORS); i++)
		measure(&FLOORS[i], hz);
	print("floor: done\n");
	__asm__ volatile("lidt %0; int3" ::"m"((const u64[2]){ 0 }));
}
