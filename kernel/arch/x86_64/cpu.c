// SPDX-License-Identifier: BSD-2-Clause
// Per-processor set-up: GDT, TSS with its interrupt stacks, IDT, control
// registers, the SYSCALL entry. Everything that a processor needs before it can
// take a trap; run once on each.
//
// Interrupt stacks: a double fault, an NMI and a machine check each have a
// stack of their own, so that a kernel stack overflow still prints a report.
// Every stack has a guard page below it.

#include "kernel/arch/x86_64/cpu.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/door.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/base/assert.h"
#include "kernel/main/kprintf.h"

#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_FMASK 0xc0000084u

#define EFER_SYSCALL 0x1u
#define CR4_MCE (1u << 6)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP (1u << 11)
#define CR4_FSGSBASE (1u << 16)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
// Cleared at SYSCALL: IF, TF, DF, NT, AC, IOPL.
#define SYSCALL_FLAG_MASK 0x47700u

#define IST_COUNT 3u
#define STACKS (1u + IST_COUNT)		// of one processor

struct idt_gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 kind;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
} packed_;

struct table_pointer {
	u16 limit;
	u64 base;
} packed_;

#define OFFSET(name, structure, field, bytes) \
	STATIC_ASSERT(offsetof(struct structure, field) == (bytes));
#include "kernel/arch/x86_64/offsets.def"
#undef OFFSET

struct cpu cpus[CPUS_MAX];
u32 cpu_count sealed_;
struct cpu_features cpu_features sealed_;
u8 fpu_initial[FPU_AREA_SIZE] sealed_ aligned_(16);

static u64 gdt[CPUS_MAX][8] sealed_;
static struct idt_gate idt[256] sealed_ aligned_(4096);

extern const u64 trap_stubs[256];
void
syscall_entry(void);

static void
setup_features(void)
{
	struct cpuid basic = cpuid(1, 0), extended = { 0 };

	if (cpuid(0, 0).a >= 7)
		extended = cpuid(7, 0);
	if (!(basic.c & 1u << 13))
		panic("this processor lacks CMPXCHG16B, which DEOS requires");
	if (!(basic.d & 1u << 24))
		panic("this processor lacks FXSAVE, which DEOS requires");
	cpu_features = (struct cpu_features){
		.rdrand = basic.c & 1u << 30,
		.mce = basic.d & 1u << 7,
		.fsgsbase = extended.b & 1u << 0,
		.smep = extended.b & 1u << 7,
		.smap = extended.b & 1u << 20,
		.umip = extended.c & 1u << 2,
	};
}

static void
setup_gdt(struct cpu *cpu)
{
	struct tss *t = &cpu->tss;
	u64 base = (u64)t;
	u64 *table = gdt[cpu->index];

	t->io_map = sizeof(*t);		// no port is open to user mode
	table[0] = 0;
	table[1] = 0x00af9b000000ffff;	// kernel code
	table[2] = 0x00cf93000000ffff;	// kernel data
	table[3] = 0;			// SYSRET's base: 32-bit code, not offered
	table[4] = 0x00cff3000000ffff;	// user data
	table[5] = 0x00affb000000ffff;	// user code
	table[6] = (sizeof(*t) - 1) | (base & 0xffffff) << 16 |
		   0x89ull << 40 | (base >> 24 & 0xff) << 56;
	table[7] = base >> 32;

	struct table_pointer pointer = { sizeof(gdt[0]) - 1, (u64)table };

	// No local table: after reset it is the first 64 KiB of the address space,
	// where a program could lay out a gate into the kernel.
	__asm__ volatile(
		"lgdt %0\n\t"
		"pushq %1\n\t"
		"lea 1f(%%rip), %%rax\n\t"
		"push %%rax\n\t"
		"lretq\n"
		"1:\tmov %2, %%ds\n\t"
		"mov %2, %%es\n\t"
		"mov %2, %%ss\n\t"
		"xor %%eax, %%eax\n\t"
		"mov %%eax, %%fs\n\t"
		"mov %%eax, %%gs\n\t"
		"lldt %%ax\n\t"
		"ltr %w3"
		: : "m"(pointer), "i"(SELECTOR_KERNEL_CODE),
		    "r"((u32)SELECTOR_KERNEL_DATA), "r"((u32)SELECTOR_TSS)
		: "rax", "memory");
}

// gs points at the processor's structure, and traps lead here.
static void
begin_traps(struct cpu *cpu)
{
	struct table_pointer pointer = { sizeof(idt) - 1, (u64)idt };

	cpu->self = cpu;
	msr_write(MSR_GS_BASE, (u64)cpu);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void
cpu_early(struct cpu *cpu)
{
	for (u32 v = 0; v < 256; v++) {
		u64 at = trap_stubs[v];

		idt[v] = (struct idt_gate){
			.offset_low = (u16)at,
			.selector = SELECTOR_KERNEL_CODE,
			// Interrupt gate; INT3 and INTO may come from user mode.
			.kind = v == 3 || v == 4 ? 0xee : 0x8e,
			.offset_middle = (u16)(at >> 16),
			.offset_high = (u32)(at >> 32),
		};
	}
	begin_traps(cpu);
}

void
cpu_make_stacks(struct cpu *cpu)
{
	u32 first = cpu->index * STACKS;

	ASSERT(cpu->index < CPUS_MAX);
	cpu->stack = kernel_map_stack(first);
	for (u32 i = 0; i < IST_COUNT; i++) {
		u64 top = kernel_map_stack(first + 1 + i);

		*(struct cpu **)(top - 8) = cpu;	// for trap_fatal in trap.S
		cpu->tss.ist[i] = top - 16;
	}
}

static void
setup_control(void)
{
	u64 cr4 = cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE;

	cr4 |= cpu_features.mce ? CR4_MCE : 0;
	cr4 |= cpu_features.fsgsbase ? CR4_FSGSBASE : 0;
	cr4 |= cpu_features.smep ? CR4_SMEP : 0;
	cr4 |= cpu_features.smap ? CR4_SMAP : 0;
	cr4 |= cpu_features.umip ? CR4_UMIP : 0;
	cr4_write(cr4);
	cr0_write((cr0_read() & ~0xcull) | 0x22);	// clear EM and TS, set MP and NE
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SYSCALL);
	msr_write(MSR_STAR, (u64)(SELECTOR_USER_DATA - 8) << 48 |
			    (u64)SELECTOR_KERNEL_CODE << 32);
	msr_write(MSR_LSTAR, (u64)syscall_entry);
	msr_write(MSR_FMASK, SYSCALL_FLAG_MASK);
}

void
cpu_setup(struct cpu *cpu)
{
	bool first = cpu->index == 0;

	ASSERT(cpu->index < CPUS_MAX && cpu == &cpus[cpu->index]);
	ASSERT(cpu->stack != 0);
	if (first) {
		setup_features();
		idt[VECTOR_DOUBLE_FAULT].ist = 1;
		idt[VECTOR_NMI].ist = 2;
		idt[VECTOR_MACHINE_CHECK].ist = 3;
	}
	setup_gdt(cpu);
	begin_traps(cpu);
	msr_write(MSR_KERNEL_GS_BASE, 0);
	setup_control();
	if (first) {
		u32 mxcsr = 0x1f80;	// every SIMD exception masked

		__asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
		fpu_save(fpu_initial);
	}
	cpu->fsgsbase = cpu_features.fsgsbase;
	cpu->started = true;
}
