// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The kernel lock, and running beside it (docs/decisions/0015-beside-the-lock.md).
//
// One processor at a time holds the lock; calls are short, and a single lock is
// what a small kernel can be reviewed with (Peters et al., "For a microkernel, a
// big lock is fine", APSys '15). What touches nothing but the own state of the
// environment that runs here needs no lock: any number of processors do that at the
// same time, but none while one holds the lock. It is a reader-writer lock, whose
// readers write only to their own processor.
//
// Interrupts are off meanwhile. A processor that enters the kernel says so before it
// waits, and from then counts as flushed (shootdown.h).
//
// Order, which the checked kernel (make checked) looks after:
//   1  the kernel lock, taken by who is INSIDE, not twice, and never from BESIDE
//   2  who holds it may wait until others are not BESIDE, and for a flush
//   3  who is BESIDE waits for nothing
//
// A ticket lock: fair, so that no processor starves at the kernel's door.
// Invariants:
//   L1  `serving` is the ticket of the holder, or the next one's
//   L2  nobody stays BESIDE while the lock is held: who finds it taken has changed
//       nothing and goes INSIDE. There it waits until who was before it is done, and
//       tries again: if it took a ticket at once, so would the next that finds the
//       lock taken, and all would go on taking turns when nobody needs the lock

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/abi/tables.h"
#include "kernel/base/assert.h"
#include "kernel/base/types.h"

extern u32 lock_next_ticket;
extern u32 lock_serving;

#define BESIDE_TRIES 3u		// then it takes its turn with a ticket

// Out of line: wait until it is a ticket's turn, or past that; for who is BESIDE.
void
lock_wait_turn(u32 ticket);
void
lock_wait_beside(void);

#ifdef DEOS_CHECKED
extern const struct cpu *lock_holder;

#define LOCK_CHECK(condition) ASSERT(condition)
#define LOCK_HOLDER(cpu) (lock_holder = (cpu))
#else
#define LOCK_CHECK(condition) ((void)0)
#define LOCK_HOLDER(cpu) ((void)0)
#endif

// For what changes that others see.
#define ASSERT_LOCKED() LOCK_CHECK(lock_holder == this_cpu())

// Waits for its turn. Not recursive; interrupts are off.
static inline void
kernel_lock(void)
{
	struct cpu *self = this_cpu();
	u32 ticket;

	LOCK_CHECK(lock_holder != self && self->in_kernel == INSIDE);
	ticket = __atomic_fetch_add(&lock_next_ticket, 1, __ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&lock_serving, __ATOMIC_ACQUIRE) != ticket))
		lock_wait_turn(ticket);
	if (cpu_count > 1)
		lock_wait_beside();
	self->info->locks++;
	LOCK_HOLDER(self);
}

static inline void
kernel_unlock(void)
{
	u32 ticket = __atomic_load_n(&lock_serving, __ATOMIC_RELAXED);

	ASSERT_LOCKED();
	LOCK_HOLDER(NULL);
	ASSERT(ticket != __atomic_load_n(&lock_next_ticket, __ATOMIC_RELAXED));
	__atomic_store_n(&lock_serving, ticket + 1, __ATOMIC_RELEASE);
}

// Who has just said that it is BESIDE: may it go on? The lock is free, and whoever
// takes it now sees this processor and waits for it.
static inline bool
lock_is_free(void)
{
	LOCK_CHECK(this_cpu()->in_kernel == BESIDE);
	return __atomic_load_n(&lock_next_ticket, __ATOMIC_SEQ_CST) ==
	       __atomic_load_n(&lock_serving, __ATOMIC_SEQ_CST);
}
