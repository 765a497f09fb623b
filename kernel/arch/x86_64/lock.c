// SPDX-License-Identifier: BSD-2-Clause
// The kernel lock's two words, each in a cache line of its own: waiting
// processors read one of them while arriving ones write the other. And the
// waiting, which is counted for all to see. The lock itself is in lock.h.

#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/door.h"

#define CACHE_LINE 64

u32 lock_next_ticket TRANSFER_PAGE aligned_(CACHE_LINE);
u32 lock_serving TRANSFER_PAGE aligned_(CACHE_LINE);
#ifdef DEOS_CHECKED
const struct cpu *lock_holder;
#endif

void
lock_wait_turn(u32 ticket)
{
	struct cpu_info *info = this_cpu()->info;
	u64 start = clock_ns();

	while ((i32)(__atomic_load_n(&lock_serving, __ATOMIC_ACQUIRE) - ticket) < 0)
		cpu_pause();
	info->lock_waits++;
	info->lock_wait_ns += clock_ns() - start;
}

// Bounded by the longest of what runs beside the lock, since none begins now.
void
lock_wait_beside(void)
{
	for (u32 i = 0; i < cpu_count; i++) {
		while (__atomic_load_n(&cpus[i].in_kernel, __ATOMIC_SEQ_CST) ==
		       BESIDE)
			cpu_pause();
	}
}
