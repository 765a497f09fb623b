// SPDX-License-Identifier: BSD-2-Clause
// Shoot-down, by three flags a processor: in_kernel, flush, and the halted
// state. The orders that matter are sequentially consistent:
//   sender:   flush = true;        then reads in_kernel
//   receiver: in_kernel = false;   then reads flush
// so that one of the two sees the other.

#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/base/assert.h"

void
shootdown(const struct env *env, u64 va)
{
	struct cpu *self = this_cpu();

	if (env->page_root << PAGE_SHIFT == cr3_read()) {
		if (va == FLUSH_ALL)
			cr3_write(cr3_read());
		else
			page_flush(va);
	}
	if (env->running_on == CPU_NONE || env->running_on == self->index)
		return;

	struct cpu *other = &cpus[env->running_on];

	__atomic_store_n(&other->flush, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&other->in_kernel, __ATOMIC_SEQ_CST))
		return;
	apic_kick(other->apic_id);
	while (__atomic_load_n(&other->flush, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&other->in_kernel, __ATOMIC_SEQ_CST))
		cpu_pause();
}

void
shootdown_enter(void)
{
	__atomic_store_n(&this_cpu()->in_kernel, true, __ATOMIC_SEQ_CST);
}

void
shootdown_leave(void)
{
	struct cpu *cpu = this_cpu();

	ASSERT(cpu->in_kernel);
	__atomic_store_n(&cpu->in_kernel, false, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&cpu->flush, false, __ATOMIC_SEQ_CST))
		cr3_write(cr3_read());
}
