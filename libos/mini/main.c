// SPDX-License-Identifier: BSD-2-Clause
// Start-up: memory, then two threads: one answers UDP echo, one computes, so that
// there is something to preempt. What both did is told to who asks (echo.c).

#include "libos/mini/mini.h"
#include "kernel/base/assert.h"

#define WORK_STEPS 200000u
#define REST_NS (2 * NS_PER_MS)

u64 __stack_chk_guard = 0x6d696e69u;	// nothing random: this libOS has no secrets
struct counters counters;
static volatile u64 result;

void
mini_main(void);
noreturn_ void
__stack_chk_fail(void);

noreturn_ static void
end(u64 status)
{
	for (;;)
		call(SYS_env_exit, status, 0, 0, 0, 0, 0);
}

i64
must(i64 value)
{
	if (value < 0)
		end((u64)-value);
	return value;
}

void
assert_failed(const char *expression, const char *file, int line)
{
	(void)expression;
	(void)file;
	end(1000 + (u64)line);
}

void
__stack_chk_fail(void)
{
	end(999);
}

u64
now(void)
{
	const volatile struct sys_info *info =
		(const volatile struct sys_info *)(TABLES_BASE + TABLE_INFO_OFFSET);
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	u64 ticks = ((u64)high << 32 | low) - info->tsc_boot;

	return (u64)(((unsigned __int128)ticks * info->tsc_ns_mult) >> 32);
}

u32
granted(enum startup_role role)
{
	const struct uarea *u = (const struct uarea *)UAREA_BASE;

	for (u32 i = 0; i < u->cap_count && i < STARTUP_CAPS_MAX; i++) {
		if (u->cap[i].role == role)
			return u->cap[i].slot;
	}
	return SLOT_NONE;
}

// Computes without ever asking anybody, and rests.
static void
work(void)
{
	for (;;) {
		u64 x = ++counters.worked;

		for (u32 i = 0; i < WORK_STEPS; i++)
			x = x * 6364136223846793005ull + 1442695040888963407ull;
		result = x;
		thread_wait(NULL, 0, now() + REST_NS);
	}
}

void
mini_main(void)
{
	memory_take();
	thread_start(echo);
	thread_start(work);
	threads_run();
}
