// SPDX-License-Identifier: BSD-2-Clause
// Starting the other processors: INIT and STARTUP to the trampoline (boot.S),
// which finds page tables, stack and argument in its last words. One at a time,
// because there is one trampoline.

#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/acpi.h"
#include "kernel/dev/apic.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/sched.h"

#define TRAMPOLINE 0x8000u		// boot.S
// A machine takes a millisecond. A virtual one's processor is a thread, which a busy
// host may not run for seconds; a dead one delays the boot by this, once.
#define START_TIMEOUT_NS (20 * NS_PER_SECOND)

extern u8 trampoline_start[], trampoline_end[];
extern u8 trampoline_root[], trampoline_stack[], trampoline_argument[];

// Linked at its physical address, which is out of reach of a kernel-model
// reference once the lower half is gone: go through the direct map.
static void
set_word(const u8 *word, u64 v)
{
	memcpy((u8 *)direct(TRAMPOLINE) + (word - trampoline_start), &v, sizeof(v));
}

// Returns whether it came up.
static bool
start_one(u32 index, u32 apic)
{
	struct cpu *cpu = &cpus[index];
	u64 deadline;

	ASSERT(index < CPUS_MAX);
	cpu->index = index;
	cpu->apic_id = apic;
	if (!cpu->stack)
		cpu_make_stacks(cpu);
	sched_init(cpu);
	set_word(trampoline_stack, cpu->stack);
	set_word(trampoline_argument, index);
	apic_start_processor(apic, TRAMPOLINE >> PAGE_SHIFT);
	deadline = clock_ns() + START_TIMEOUT_NS;
	while (!__atomic_load_n(&cpu->started, __ATOMIC_ACQUIRE)) {
		if (clock_ns() > deadline) {
			// It must not wake up late, on a stack that is another's.
			apic_hold_processor(apic);
			cpu->started = false;
			kprintf("smp: processor %u does not start\n", apic);
			return false;
		}
		cpu_pause();
	}
	return true;
}

void
smp_start(void)
{
	u64 len = (u64)(trampoline_end - trampoline_start);

	ASSERT(len <= PAGE_SIZE);
	if (acpi_info.processor_count <= 1)
		return;
	memcpy(direct(TRAMPOLINE), direct((u64)trampoline_start), len);
	set_word(trampoline_root, kernel_map_root());
	kernel_map_identity(TRAMPOLINE, true);
	for (u32 i = 0; i < acpi_info.processor_count && cpu_count < CPUS_MAX; i++) {
		u32 apic = acpi_info.processor_apic_id[i];

		if (apic != cpus[0].apic_id && start_one(cpu_count, apic))
			cpu_count++;
	}
	kernel_map_identity(TRAMPOLINE, false);
}
