// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Invalidation of translations on other processors. A processor inside the
// kernel counts as flushed: it looks at its flush flag on its way back to user
// mode, and until then uses no user translation. So the sender waits only for
// processors in user mode, which always take the interrupt, and never for one
// that waits for the kernel lock: it cannot deadlock.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/base/types.h"
#include "kernel/sys/env.h"

// More pages than this are not flushed one by one: everything is.
#define FLUSH_PAGES_MAX 32u
#define FLUSH_ALL (~0ull)	// as `pages`: every translation

// Forgets the translations of `pages` pages of an address space that is loaded here.
void
shootdown_loaded(u64 va, u64 pages);

// The same, if it is.
static inline void
shootdown_here(const struct env *env, u64 va, u64 pages)
{
	if (this_cpu()->space != env->index)
		return;
	if (pages == 1)
		page_flush(va);
	else
		shootdown_loaded(va, pages);
}

// Makes every other processor that has the address space loaded forget all of
// its translations. Returns when none can use an old one. Under the kernel lock.
void
shootdown_processors(const struct env *env);

static inline void
shootdown_others(const struct env *env)
{
	if (cpu_count > 1)
		shootdown_processors(env);
}

// Both.
static inline void
shootdown(const struct env *env, u64 va, u64 pages)
{
	shootdown_here(env, va, pages);
	shootdown_others(env);
}

// Entering and leaving the kernel; leaving flushes when somebody asked.
static inline void
shootdown_enter(struct cpu *cpu, enum in_kernel where)
{
	__atomic_store_n(&cpu->in_kernel, (u8)where, __ATOMIC_SEQ_CST);
}

static inline void
shootdown_leave(struct cpu *cpu)
{
	ASSERT(cpu->in_kernel != OUTSIDE);
	__atomic_store_n(&cpu->in_kernel, OUTSIDE, __ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&cpu->flush, __ATOMIC_SEQ_CST))) {
		__atomic_store_n(&cpu->flush, false, __ATOMIC_SEQ_CST);
		cr3_write(cr3_read());
	}
}
