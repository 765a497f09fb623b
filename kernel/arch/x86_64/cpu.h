// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The processor: its privileged registers, and what the kernel keeps for each.
// With trap.S and boot.S this folder holds the only assembly of the kernel.
//
// gs points at the processor's struct cpu whenever kernel code runs; user mode's
// gs base waits in MSR_KERNEL_GS_BASE meanwhile.

#include "kernel/abi/trace.h"
#include "kernel/arch/x86_64/context.h"
#include "kernel/base/types.h"

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TSS 0x30

#define CR4_PGE (1u << 7)

#define RFLAGS_USER 0x202ull		// interrupts on; bit 1 is always set

#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u	// the program's, while in the kernel

#define CR0_TS 0x8ull

#define VECTOR_PAGE_FAULT 14
#define PAGE_FAULT_WRITE 7		// its error code: a write of a user to a page that is there
#define VECTOR_FPU_ABSENT 7
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_NMI 2
#define VECTOR_MACHINE_CHECK 18
#define VECTOR_EXCEPTIONS 32		// below: exceptions; from here: interrupts

struct cpu_info;

// Where a processor is. Whoever is not outside sees to its own flush.
enum in_kernel {
	OUTSIDE,
	INSIDE,			// waits for the kernel lock, holds it, or halts
	BESIDE,			// runs without the lock, and keeps others from it
};

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 io_map;
} packed_;

// What the kernel keeps for one processor; gs points at it inside the kernel. What
// transfer.S uses lies together in one page.
struct cpu {
	struct cpu *self;
	u64 context_end;	// where entries from user mode push (trap.S)
	u64 stack;		// top of the kernel stack (trap.S)
	u64 scratch;		// of syscall_entry (trap.S)
	struct door *door;	// of whose address space it runs in (door.h)
	u64 timer_at_ns;	// when the timer will fire; NEVER: not set
	u32 space;		// whose address space is loaded, or ENVS_MAX
	volatile bool reschedule;	// look again before returning to user mode
	bool fpu_live;		// the FPU holds more than its initial state
	bool fsgsbase;		// cpu_features.fsgsbase
	u32 index;
	struct tss tss;
	u32 apic_id;
	bool started;
	// Scheduling (kernel/sys/sched.c), under the kernel lock.
	u32 current;		// environment index, or ENVS_MAX when idle
	u32 payer;		// who is charged: `current`, or who awaits its reply
	u32 slice;		// position in the slice vector
	u32 donee;		// who was given the rest of the slice, or ENVS_MAX
	u64 slice_end_ns;
	u64 since_ns;		// when `current` was last charged
	u64 due_ns;		// sleepers are looked at no later (wait.c)
	bool lent;		// `payer` runs in somebody else's slice
	bool fresh;		// the slice has begun and its owner not run in it yet
	bool overrun;		// the slice is over, `current` was told to yield
	u64 overrun_since_ns;
	u32 notice;		// UPCALL_SLICE_ to deliver to `current`, or 0
	struct cpu_info *info;	// its entry in the exported table
	// Shoot-down (shootdown.h) and the kernel lock (lock.h); read by others.
	volatile u8 in_kernel;	// enum in_kernel
	volatile bool flush;
	volatile bool halted;
	u64 code_seen;		// changes of the code window (kernel/sys/program.c)
	// Trace ring (kernel/main/trace.c).
	u32 trace_next;
	struct trace_event trace[TRACE_EVENTS];
} aligned_(256);

extern struct cpu cpus[];
extern u32 cpu_count;		// processors that are up

// The processor that runs this. Inside the kernel, after cpu_early().
static inline struct cpu *
this_cpu(void)
{
	struct cpu *cpu;
	__asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

static inline u64
msr_read(u32 msr)
{
	u32 low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void
msr_write(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

// NAME_read() and NAME_write() of a register that one instruction reads or writes.
#define REGISTER_READ(name, instruction) \
	static inline u64 name##_read(void) \
	{ \
		u64 v; \
		__asm__ volatile(instruction : "=r"(v)); \
		return v; \
	}
#define REGISTER_WRITE(name, instruction) \
	static inline void name##_write(u64 v) \
	{ \
		__asm__ volatile(instruction : : "r"(v) : "memory"); \
	}

REGISTER_READ(cr0, "mov %%cr0, %0")
REGISTER_WRITE(cr0, "mov %0, %%cr0")
REGISTER_READ(cr2, "mov %%cr2, %0")
REGISTER_READ(cr3, "mov %%cr3, %0")
REGISTER_WRITE(cr3, "mov %0, %%cr3")		// flushes what is not global
REGISTER_READ(cr4, "mov %%cr4, %0")
REGISTER_WRITE(cr4, "mov %0, %%cr4")
REGISTER_READ(fs_base, "rdfsbase %0")
REGISTER_WRITE(fs_base, "wrfsbase %0")
#undef REGISTER_READ
#undef REGISTER_WRITE

// Forgets every translation, global ones too.
static inline void
flush_everything(void)
{
	u64 cr4 = cr4_read();

	cr4_write(cr4 ^ CR4_PGE);
	cr4_write(cr4);
}

static inline void
page_flush(u64 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline u64
tsc_read(void)
{
	u32 low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

struct cpuid {
	u32 a, b, c, d;
};

static inline struct cpuid
cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;
	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

// One word from RDRAND, where the processor has it. False when it has none ready;
// *v is then nothing to use.
static inline bool
random_u64(u64 *v)
{
	bool ok;
	__asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

// Compares and swaps 16 aligned bytes in one step; leaves in `expected` what was
// there.
static inline bool
cmpxchg16(u64 at[2], u64 expected[2], const u64 desired[2])
{
	bool same;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(same), "+m"(*(unsigned __int128 *)(void *)at),
			   "+a"(expected[0]), "+d"(expected[1])
			 : "b"(desired[0]), "c"(desired[1])
			 : "memory");
	return same;
}

static inline void
cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

// User mode may have set AC, which would suspend SMAP; entry by an interrupt
// gate keeps it. Only where SMAP exists.
static inline void
smap_resume(void)
{
	__asm__ volatile("clac" : : : "cc");
}

// The next instruction that uses the FPU traps (VECTOR_FPU_ABSENT), or does not.
static inline void
fpu_forbid(void)
{
	cr0_write(cr0_read() | CR0_TS);
}

static inline void
fpu_allow(void)
{
	__asm__ volatile("clts");
}

// FPU_AREA_SIZE bytes, 16-aligned.
static inline void
fpu_save(void *area)
{
	__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

// AMD processors save and restore the x87 error pointers only while an exception
// is pending, so that one environment's would stay for the next: a load from
// here overwrites them first (CVE-2006-1056).
static inline void
fpu_restore(const void *area)
{
	static const u32 zero;

	__asm__ volatile("fnclex; emms; fildl %0; fxrstor64 (%1)"
			 : : "m"(zero), "r"(area) : "memory");
}

// Loads the null selector into every data segment register. A program may have
// left another value there, for the next one to read. Changes the bases of fs
// and of the program's gs.
static inline void
selectors_clear(void)
{
	u32 ds, es, fs, gs;

	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	if (!(ds | es | fs | gs))
		return;
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs\n\t"
			 "swapgs; mov %0, %%gs; swapgs" : : "r"(0));
}

// Waits for an interrupt and handles it (irq.h); returns with interrupts off.
// The caller does not hold the kernel lock, and cpu->halted is set meanwhile.
static inline void
cpu_halt_for_interrupt(void)
{
	this_cpu()->halted = true;
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	this_cpu()->halted = false;
}

// Handles the interrupts that have come by now, as if it had halted.
static inline void
cpu_let_interrupt(void)
{
	this_cpu()->halted = true;
	__asm__ volatile("sti; nop; cli" : : : "memory");
	this_cpu()->halted = false;
}

// For good: nothing but an NMI or a reset gets through.
static inline noreturn_ void
cpu_stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

// Features that the boot processor found and every processor turns on.
struct cpu_features {
	bool rdrand;
	bool mce;
	bool fsgsbase;
	bool smep;
	bool smap;
	bool umip;
};
extern struct cpu_features cpu_features;

// On the boot processor, first of all: what a panic and an exception in the
// kernel need to print a report.
void
cpu_early(struct cpu *cpu);

// Gives the processor its kernel stack and its interrupt stacks. On the boot
// processor, when kernel_map_stack() works.
void
cpu_make_stacks(struct cpu *cpu);

// Loads descriptor tables, control registers and the SYSCALL entry for the
// processor `cpu`, whose stacks are made. Runs once on each. Panics without what
// DEOS requires (NX, CMPXCHG16B, FXSAVE).
void
cpu_setup(struct cpu *cpu);

// The FPU state with which every environment begins.
extern u8 fpu_initial[FPU_AREA_SIZE];

// Leaves the kernel into the context. trap.S.
noreturn_ void
context_resume(struct context *context);
