// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The kernel lock. One processor at a time runs kernel code; calls are short,
// and a single lock is what a small kernel can be reviewed with (Peters et al.,
// "For a microkernel, a big lock is fine", APSys '15). Interrupts are off while
// it is held. A processor that enters the kernel says so before it waits, and
// from then counts as flushed (shootdown.h).

//
// A ticket lock: fair, so that no processor starves at the kernel's door.
// Invariant L1: `serving` is the ticket of the holder, or the next one's.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/base/types.h"

extern u32 lock_next_ticket;
extern u32 lock_serving;

// Waits for its turn. Not recursive; interrupts are off.
static inline void
kernel_lock(void)
{
	u32 ticket = __atomic_fetch_add(&lock_next_ticket, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&lock_serving, __ATOMIC_ACQUIRE) != ticket)
		cpu_pause();
}

static inline void
kernel_unlock(void)
{
	u32 ticket = __atomic_load_n(&lock_serving, __ATOMIC_RELAXED);

	ASSERT(ticket != __atomic_load_n(&lock_next_ticket, __ATOMIC_RELAXED));
	__atomic_store_n(&lock_serving, ticket + 1, __ATOMIC_RELEASE);
}
