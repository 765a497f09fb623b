// SPDX-License-Identifier: BSD-2-Clause
// The order of boot. Read this first: each line is a part of the kernel.
//
// boot.S calls kernel_main() on the boot processor and kernel_secondary() on
// each other one, on a kernel stack, interrupts off. Both end in the scheduler
// and never return. The boot processor holds the kernel lock throughout, so the
// others begin to schedule only when boot is complete.

#include "kernel/abi/program.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/multiboot.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/acpi.h"
#include "kernel/dev/apic.h"
#include "kernel/dev/console.h"
#include "kernel/dev/nic.h"
#include "kernel/dev/rtc.h"
#include "kernel/fabric/fabric.h"
#include "kernel/dev/devices.h"
#include "kernel/main/entropy.h"
#include "kernel/main/first_env.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/memory_init.h"
#include "kernel/main/words.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"

// Every slot of every list, so that nobody can take another's.
#define LISTS (ENVS_MAX + FABRIC_LISTS)
#define CAP_POOL_SIZE (LISTS * CAP_LIST_SLOTS)

extern u64 __stack_chk_guard;

noreturn_ void
kernel_main(u32 magic, u64 information);
noreturn_ void
kernel_secondary(u64 index);

static struct cap cap_pool[CAP_POOL_SIZE];
static struct cap_list cap_lists[LISTS];
static struct boot_info boot sealed_;

// Before anything can go wrong: what a panic looks at. Changes the stack
// protector's value, so it must not be under its protection.
__attribute__((no_stack_protector)) static void
start_processor_zero(void)
{
	struct cpu *cpu = &cpus[0];
	u64 random;

	cpu_early(cpu);
	cpu_count = 1;
	sched_init(cpu);
	__stack_chk_guard ^= tsc_read() << 8;
	if ((cpuid(1, 0).c & 1u << 30) && random_u64(&random))
		__stack_chk_guard ^= random << 8;
}

static void
start_interrupts(void)
{
	clock_init();
	// The 8259s first: an interrupt that firmware left pending there would
	// otherwise stay asserted at the processor with no vector behind it.
	ioapic_init();
	apic_init();
	apic_enable();
	cpus[0].apic_id = apic_id();
	apic_calibrate();
}

static void
fill_info(void)
{
	u64 unix_now;

	sys_info.abi_version = ABI_VERSION;
	sys_info.cpu_count = cpu_count;
	sys_info.frame_count = frames.count;
	sys_info.tsc_hz = kernel_clock.tsc_hz;
	sys_info.tsc_boot = kernel_clock.tsc_boot;
	sys_info.tsc_ns_mult = kernel_clock.ns_mult;
	unix_now = rtc_read_unix();
	if (unix_now)
		sys_info.boot_unix_seconds =
			unix_now - clock_ns() / NS_PER_SECOND;
	smbios_uuid(sys_info.node_uuid);
	if (!entropy_fill(&sys_info.incarnation, sizeof(sys_info.incarnation)))
		kprintf("boot: no source of entropy\n");
}

const char *
boot_word(const char *prefix)
{
	const char *at = boot.cmdline;

	for (; *at; at++) {
		bool begins = at == boot.cmdline || at[-1] == ' ';

		if (begins && string_starts(at, prefix))
			return at + strlen(prefix);
	}
	return NULL;
}

void
kernel_main(u32 magic, u64 information)
{
	start_processor_zero();
	console_init();
	kernel_lock();
	multiboot_read(magic, information, &boot);
	memory_init(&boot);
	cpu_make_stacks(&cpus[0]);
	cpu_setup(&cpus[0]);
	acpi_init();
	start_interrupts();
	env_init();
	cap_init(&caps, cap_pool, CAP_POOL_SIZE, cap_lists, LISTS);
	removal_init();
	slice_init();
	nic_ask_mtu(boot_word("mtu="));
	devices_init();
	smp_start();
	fill_info();
	kernel_map_code_window(KERNEL_PROGRAMS_MAX);
	fabric_init(boot.cmdline, frames.count <= SMALL_NODE_FRAMES);
	tables_share();
	console_listen();
	kernel_map_seal();
	first_env(&boot);
	kprintf("DEOS: %u processor%s, %llu MiB, %u ms, incarnation %016lx\n",
		cpu_count, cpu_count == 1 ? "" : "s",
		frames.count * 4 / KIB, (u32)(clock_ns() / NS_PER_MS),
		sys_info.incarnation);
	sched_leave();
}

void
kernel_secondary(u64 index)
{
	struct cpu *cpu = &cpus[index];

	ASSERT(index > 0 && index < CPUS_MAX);
	cpu_setup(cpu);
	apic_enable();
	kernel_lock();
	flush_everything();		// boot is over: what it sealed is read-only
	sched_leave();
}
