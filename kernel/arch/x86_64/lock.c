// SPDX-License-Identifier: BSD-2-Clause
// A ticket lock: fair, so that no processor starves at the kernel's door.
//
// Invariant L1: `serving` is the ticket of the holder, or the next one's.

#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"

static u32 next_ticket;
static volatile u32 serving;

void
kernel_lock(void)
{
	u32 ticket = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&serving, __ATOMIC_ACQUIRE) != ticket)
		cpu_pause();
}

void
kernel_unlock(void)
{
	ASSERT(serving != __atomic_load_n(&next_ticket, __ATOMIC_RELAXED));
	__atomic_store_n(&serving, serving + 1, __ATOMIC_RELEASE);
}
