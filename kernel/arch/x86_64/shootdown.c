// SPDX-License-Identifier: BSD-2-Clause
// Shoot-down, by two flags a processor: in_kernel (also while it halts) and
// flush. The orders that matter are sequentially consistent:
//   sender:   flush = true;          then reads in_kernel
//   receiver: in_kernel = OUTSIDE;   then reads flush
// so that one of the two sees the other.
//
// A processor keeps an address space loaded after its environment went to
// sleep, and goes on with what it has cached of it; so what counts is the space
// that is loaded, not who runs. `space` changes under the kernel lock. The sender
// holds it, or keeps others from it and runs in that space itself: then who has it
// loaded as well only halts.

#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/dev/apic.h"

void
shootdown_loaded(u64 va, u64 pages)
{
	if (pages > FLUSH_PAGES_MAX) {
		cr3_write(cr3_read());
		return;
	}
	for (u64 i = 0; i < pages; i++)
		page_flush(va + i * PAGE_SIZE);
}

static void
flush_other(struct cpu *other)
{
	__atomic_store_n(&other->flush, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&other->in_kernel, __ATOMIC_SEQ_CST) != OUTSIDE)
		return;
	apic_kick(other->apic_id);
	while (__atomic_load_n(&other->flush, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&other->in_kernel, __ATOMIC_SEQ_CST) == OUTSIDE)
		cpu_pause();
}

void
shootdown_processors(const struct env *env)
{
	const struct cpu *self = this_cpu();

	for (u32 i = 0; i < cpu_count; i++) {
		if (&cpus[i] != self && cpus[i].space == env->index)
			flush_other(&cpus[i]);
	}
}
