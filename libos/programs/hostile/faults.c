// SPDX-License-Identifier: BSD-2-Clause
// Every way in which an instruction can fault that a program has, one after the
// other. Each must come back as an upcall and hurt nobody. Prints for each
//
//	faults: NAME: vector V error 0xE		or	faults: NAME: no fault
//
// and the test compares with what the processor's manual says.

#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"

#define KERNEL_IMAGE 0xffffffff80000000ull
#define KERNEL_TEXT (KERNEL_IMAGE + 0x110000)
#define KERNEL_DATA (KERNEL_IMAGE + 0x144000)
#define KERNEL_DIRECT 0xffff800000000000ull
#define NON_CANONICAL 0x0000800000000000ull
#define NOT_MAPPED (REGION_BASE + 0x1000000)
#define STUB_BYTES 4u			// of one `int n; ret`
#define PORTS 0x1000u			// more than a map at the TSS would open
#define LOW_VA USER_BASE		// where the reset LDT would have entries
#define LOW_SELECTOR (LOW_VA | 7)	// local, ring 3

static u8 some_data[16] aligned_(16) = { 0xc3 };	// ret
static const u8 some_constant[16] = { 0xc3 };

static void
read_from(void *at)
{
	*(volatile u8 *)at;
}

static void
write_to(void *at)
{
	*(volatile u8 *)at = 0;
}

static void
run_at(void *at)
{
	((void (*)(void))at)();
}

static void
push_at(void *at)
{
	__asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; push %%rax; "
			 "mov %%rbx, %%rsp" : : "r"(at) : "rbx", "memory");
}

static void
run_on_stack(void *argument)
{
	volatile u8 code[16] = { 0xc3 };

	(void)argument;
	run_at((void *)(u64)code);
}

// One instruction, or few, each a function.
#define DEED(name, text) \
	static void \
	name(void *argument) \
	{ \
		__asm__ volatile(text : : "D"(argument) \
				 : "rax", "rcx", "rdx", "rbx", "memory"); \
	}

DEED(divide_by_zero, "xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx")
DEED(divide_overflow, "mov $2, %%edx; mov $1, %%ecx; div %%ecx")
DEED(breakpoint, "int3")
DEED(icebp, ".byte 0xf1")
DEED(undefined, "ud2")
DEED(bad_lock, ".byte 0xf0, 0x90")
DEED(bad_into, ".byte 0xce")
DEED(bad_far_call, ".byte 0x9a")
DEED(too_long, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
	       "0x66,0x66,0x66,0x66,0x90")
DEED(do_cli, "cli")
DEED(do_sti, "sti")
DEED(do_hlt, "hlt")
DEED(do_in, "mov $0x3f8, %%edx; in %%dx, %%al")
DEED(do_out, "mov $0x3f8, %%edx; out %%al, %%dx")
DEED(in_port, "mov %%edi, %%edx; in %%dx, %%al")
DEED(do_rdmsr, "mov $0xc0000080, %%ecx; rdmsr")
DEED(do_wrmsr, "mov $0xc0000082, %%ecx; wrmsr")
DEED(do_lgdt, "lgdt (%%rdi)")
DEED(do_lidt, "lidt (%%rdi)")
DEED(do_lldt, "xor %%eax, %%eax; lldt %%ax")
DEED(do_ltr, "mov $0x30, %%eax; ltr %%ax")
DEED(read_cr0, "mov %%cr0, %%rax")
DEED(read_cr3, "mov %%cr3, %%rax")
DEED(read_cr4, "mov %%cr4, %%rax")
DEED(read_cr8, "mov %%cr8, %%rax")
DEED(write_cr0, "mov %%rdi, %%cr0")
DEED(write_cr3, "mov %%rdi, %%cr3")
DEED(write_cr4, "mov %%rdi, %%cr4")
DEED(write_cr8, "mov %%rdi, %%cr8")
DEED(do_lmsw, "mov $1, %%eax; lmsw %%ax")
DEED(do_clts, "clts")
DEED(do_invlpg, "invlpg (%%rdi)")
DEED(do_wbinvd, "wbinvd")
DEED(do_invd, "invd")
DEED(do_swapgs, "swapgs")
DEED(do_sysret, "sysretq")
DEED(read_dr7, "mov %%dr7, %%rax")
DEED(write_dr7, "mov %%rdi, %%dr7")
DEED(do_rdpmc, "xor %%ecx, %%ecx; rdpmc")
DEED(do_sgdt, "sgdt (%%rdi)")
DEED(do_sidt, "sidt (%%rdi)")
DEED(do_sldt, "sldt (%%rdi)")
DEED(do_str, "str (%%rdi)")
DEED(do_smsw, "smsw (%%rdi)")
DEED(do_xgetbv, "xor %%ecx, %%ecx; xgetbv")
DEED(do_xsave, "xor %%edx, %%edx; xor %%eax, %%eax; xsave (%%rdi)")
DEED(do_monitor, "mov %%rdi, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor")
DEED(load_ss_null, "xor %%eax, %%eax; mov %%eax, %%ss")
DEED(load_ss_kernel, "mov $0x10, %%eax; mov %%eax, %%ss")
DEED(load_ds_kernel, "mov $0x10, %%eax; mov %%eax, %%ds")
DEED(load_fs_tss, "mov $0x30, %%eax; mov %%eax, %%fs")
DEED(load_gs_local, "mov %%rdi, %%rax; mov %%eax, %%gs")
DEED(far_jump, "ljmp *(%%rdi)")
DEED(far_call, "lcall *(%%rdi)")
DEED(iret_to_kernel, "push $0x10; push %%rsp; push $2; push $8; push %%rdi; iretq")
DEED(iret_nested, "pushf; orq $0x4000, (%%rsp); popf; iretq")
DEED(iret_non_canonical, "mov %%rsp, %%rax; push $0x23; push %%rax; push $0x202; "
			 "push $0x2b; mov $0x800000000000, %%rax; push %%rax; iretq")
DEED(single_step, "pushf; orq $0x100, (%%rsp); popf; nop; nop")
DEED(step_syscall, "xor %%eax, %%eax; pushf; orq $0x100, (%%rsp); popf; syscall; nop")
DEED(fault_with_ac, "pushf; orq $0x40000, (%%rsp); popf; ud2")
DEED(step_shadow, "mov %%ss, %%edx; xor %%eax, %%eax; pushf; orq $0x100, (%%rsp); "
		  "popf; mov %%edx, %%ss; syscall; nop")
// An exception that waits in the FPU while others run.
DEED(x87_waiting, "sub $8, %%rsp; movw $0x37b, (%%rsp); fninit; fldcw (%%rsp); "
		  "add $8, %%rsp; fldz; fld1; fdivp; mov $14, %%eax; "
		  "mov $0xffffffff, %%edi; syscall; fninit")
DEED(x87_divide, "sub $8, %%rsp; movw $0x37b, (%%rsp); fninit; fldcw (%%rsp); "
		 "add $8, %%rsp; fldz; fld1; fdivp; fwait; nop")
DEED(sse_divide, "sub $8, %%rsp; movl $0x1d80, (%%rsp); ldmxcsr (%%rsp); "
		 "add $8, %%rsp; xorps %%xmm0, %%xmm0; divps %%xmm0, %%xmm0; "
		 "mov $1, %%eax; cvtsi2ss %%eax, %%xmm1; divss %%xmm0, %%xmm1")
DEED(bad_mxcsr, "sub $8, %%rsp; movl $0xffff0000, (%%rsp); ldmxcsr (%%rsp); "
		"add $8, %%rsp")
DEED(fs_non_canonical, "wrfsbase %%rdi")
DEED(gs_into_kernel, "wrgsbase %%rdi; mov %%gs:0, %%al")
DEED(avx, ".byte 0xc5, 0xf8, 0x77")	// vzeroupper

#define AT(address) ((void *)(address))
#define TABLE(offset) AT(TABLES_BASE + (offset))

static u8 scratch[4096] aligned_(64);

// Far pointers: the offset, then the selector.
struct far {
	u32 offset;
	u16 selector;
};

static const struct far to_kernel = { 0x80110000, 0x08 };
static const struct far to_null = { 0x400000, 0x1b };
static const struct far to_data = { 0x400000, 0x23 };
static const struct far to_tss = { 0x400000, 0x33 };
static const struct far to_gate = { 0, LOW_SELECTOR + 8 };

static const struct deed {
	const char *name;
	void (*body)(void *argument);
	void *argument;
} deeds[] = {
	{ "read-null", read_from, AT(0) },
	{ "write-null", write_to, AT(0) },
	{ "run-null", run_at, AT(0) },
	{ "read-unmapped", read_from, AT(NOT_MAPPED) },
	{ "write-text", write_to, AT(read_from) },
	{ "write-constant", write_to, AT(some_constant) },
	{ "run-data", run_at, AT(some_data) },
	{ "run-constant", run_at, AT(some_constant) },
	{ "run-stack", run_on_stack, NULL },
	{ "read-kernel", read_from, AT(KERNEL_TEXT) },
	{ "write-kernel", write_to, AT(KERNEL_TEXT) },
	{ "run-kernel", run_at, AT(KERNEL_TEXT) },
	{ "read-kernel-data", read_from, AT(KERNEL_DATA) },
	{ "write-kernel-data", write_to, AT(KERNEL_DATA) },
	{ "read-direct-map", read_from, AT(KERNEL_DIRECT) },
	{ "write-direct-map", write_to, AT(KERNEL_DIRECT) },
	{ "write-info", write_to, TABLE(TABLE_INFO_OFFSET) },
	{ "write-envs", write_to, TABLE(TABLE_ENVS_OFFSET) },
	{ "write-slices", write_to, TABLE(TABLE_SLICES_OFFSET) },
	{ "write-rings", write_to, TABLE(TABLE_RINGS_OFFSET) },
	{ "write-frames", write_to, TABLE(TABLE_FRAMES_OFFSET) },
	{ "write-devices", write_to, TABLE(TABLE_DEVICES_OFFSET) },
	{ "write-cpus", write_to, TABLE(TABLE_CPUS_OFFSET) },
	{ "write-links", write_to, TABLE(TABLE_LINKS_OFFSET) },
	{ "write-fabric", write_to, TABLE(TABLE_FABRIC_OFFSET) },
	{ "run-tables", run_at, TABLE(TABLE_INFO_OFFSET) },
	{ "run-uarea", run_at, AT(UAREA_BASE) },
	{ "read-behind-uarea", read_from, AT(UAREA_BASE + PAGE_SIZE) },
	{ "read-last-canonical", read_from, AT(NON_CANONICAL - 1) },
	{ "read-non-canonical", read_from, AT(NON_CANONICAL) },
	{ "write-non-canonical", write_to, AT(~0ull >> 4) },
	{ "run-non-canonical", run_at, AT(NON_CANONICAL) },
	{ "push-non-canonical", push_at, AT(NON_CANONICAL + 64) },
	{ "push-kernel", push_at, AT(KERNEL_TEXT) },
	{ "divide-by-zero", divide_by_zero, NULL },
	{ "divide-overflow", divide_overflow, NULL },
	{ "int3", breakpoint, NULL },
	{ "icebp", icebp, NULL },
	{ "ud2", undefined, NULL },
	{ "bad-lock", bad_lock, NULL },
	{ "into", bad_into, NULL },
	{ "far-call", bad_far_call, NULL },
	{ "too-long", too_long, NULL },
	{ "cli", do_cli, NULL },
	{ "sti", do_sti, NULL },
	{ "hlt", do_hlt, NULL },
	{ "in", do_in, NULL },
	{ "out", do_out, NULL },
	{ "rdmsr", do_rdmsr, NULL },
	{ "wrmsr", do_wrmsr, NULL },
	{ "lgdt", do_lgdt, scratch },
	{ "lidt", do_lidt, scratch },
	{ "lldt", do_lldt, NULL },
	{ "ltr", do_ltr, NULL },
	{ "read-cr0", read_cr0, NULL },
	{ "read-cr3", read_cr3, NULL },
	{ "read-cr4", read_cr4, NULL },
	{ "read-cr8", read_cr8, NULL },
	{ "write-cr0", write_cr0, NULL },
	{ "write-cr3", write_cr3, NULL },
	{ "write-cr4", write_cr4, NULL },
	{ "write-cr8", write_cr8, NULL },
	{ "lmsw", do_lmsw, NULL },
	{ "clts", do_clts, NULL },
	{ "invlpg", do_invlpg, scratch },
	{ "wbinvd", do_wbinvd, NULL },
	{ "invd", do_invd, NULL },
	{ "swapgs", do_swapgs, NULL },
	{ "sysret", do_sysret, NULL },
	{ "read-dr7", read_dr7, NULL },
	{ "write-dr7", write_dr7, NULL },
	{ "rdpmc", do_rdpmc, NULL },
	{ "sgdt", do_sgdt, scratch },
	{ "sidt", do_sidt, scratch },
	{ "sldt", do_sldt, scratch },
	{ "str", do_str, scratch },
	{ "smsw", do_smsw, scratch },
	{ "xgetbv", do_xgetbv, NULL },
	{ "xsave", do_xsave, scratch },
	{ "avx", avx, NULL },
	{ "monitor", do_monitor, scratch },
	{ "load-ss-null", load_ss_null, NULL },
	{ "load-ss-kernel", load_ss_kernel, NULL },
	{ "load-ds-kernel", load_ds_kernel, NULL },
	{ "load-fs-tss", load_fs_tss, NULL },
	{ "load-gs-local", load_gs_local, AT(LOW_SELECTOR) },
	{ "jump-to-kernel", far_jump, AT(&to_kernel) },
	{ "jump-to-null", far_jump, AT(&to_null) },
	{ "jump-to-data", far_jump, AT(&to_data) },
	{ "jump-to-tss", far_jump, AT(&to_tss) },
	{ "call-local-gate", far_call, AT(&to_gate) },
	{ "iret-to-kernel", iret_to_kernel, AT(KERNEL_TEXT) },
	{ "iret-nested", iret_nested, NULL },
	{ "iret-non-canonical", iret_non_canonical, NULL },
	{ "single-step", single_step, NULL },
	{ "single-step-syscall", step_syscall, NULL },
	{ "single-step-shadow", step_shadow, NULL },
	{ "ud2-with-ac", fault_with_ac, NULL },
	{ "x87-waiting", x87_waiting, NULL },
	{ "x87-divide", x87_divide, NULL },
	{ "sse-divide", sse_divide, NULL },
	{ "bad-mxcsr", bad_mxcsr, NULL },
	{ "fs-non-canonical", fs_non_canonical, AT(NON_CANONICAL) },
	{ "gs-into-kernel", gs_into_kernel, AT(KERNEL_DIRECT) },
};

static void
commit(const struct deed *deed)
{
	struct upcall_frame fault;

	verdict.attempts++;
	if (attempt(deed->body, deed->argument, &fault))
		print("faults: %s: vector %u error 0x%lx\n", deed->name,
		      fault.vector, fault.error);
	else
		print("faults: %s: no fault\n", deed->name);
	// The FPU as it was: an exception that waits would come again.
	__asm__ volatile("fninit");
}

// Descriptors where a local table would be that nobody had set: a data segment,
// and a gate through which a call would run with the kernel's rights.
static void
make_low_descriptors(void)
{
	static const u64 descriptors[] = {
		0x00cff3000000ffff,		// data, ring 3
		0x0040ec0000080000,		// gate to 8:0x400000, ring 3
		0,
	};
	struct frame_run page;

	need("take a frame", frames_take(1, &page));
	memcpy(direct_address(page.frame), descriptors, sizeof(descriptors));
	need("map it low", sys_page_map(CAP_SLOT_SELF, LOW_VA, page.slot,
					page.frame, 1, PROT_READ | PROT_WRITE));
}

// INT n for every n, from a page of code made here. Only the breakpoint's and
// the overflow's gates are open; the rest is a protection fault that names n
// (the emulator writes n * 16 where processors write n * 8).
static void
every_interrupt(void)
{
	struct frame_run page;
	struct upcall_frame fault;
	u8 *code;

	need("take a frame", frames_take(1, &page));
	code = direct_address(page.frame);
	for (u32 n = 0; n < 256; n++) {
		code[n * STUB_BYTES] = 0xcd;
		code[n * STUB_BYTES + 1] = (u8)n;
		code[n * STUB_BYTES + 2] = 0xc3;
	}
	need("map it to run", sys_page_map(CAP_SLOT_SELF, REGION_BASE, page.slot,
					   page.frame, 1, PROT_READ | PROT_EXECUTE));
	for (u64 n = 0; n < 256; n++) {
		bool open = n == VECTOR_BREAKPOINT || n == VECTOR_OVERFLOW;
		bool faulted = attempt(run_at, AT(REGION_BASE + n * STUB_BYTES),
				       &fault);

		holds("INT n from user mode",
		      faulted && (open ? fault.vector == n
				       : fault.vector == VECTOR_PROTECTION &&
					 (fault.error == n * 8 + 2 ||
					  fault.error == n * 16 + 2)));
	}
}

// The map that says which ports are open: there is none, wherever one would begin.
static void
every_port(void)
{
	struct upcall_frame fault;

	for (u64 port = 0; port < PORTS; port++)
		holds("a port that is read", attempt(in_port, AT(port), &fault) &&
					     fault.vector == VECTOR_PROTECTION);
}

// Flags that a program may set and must not gain from.
static void
flags(void)
{
	u64 seen = 0;
	i64 result;

	__asm__ volatile("pushf; orq $0x3000, (%%rsp); andq $~0x200, (%%rsp); "
			 "popf; pushf; pop %0" : "=r"(seen));
	holds("IOPL stays 0 and interrupts on", (seen & 0x3200) == 0x200);
	__asm__ volatile("pushf; orq $0x40000, (%%rsp); popf; "
			 "movl 1(%1), %%eax; pushf; pop %0; "
			 "andq $~0x40000, %0; push %0; popf"
			 : "=&r"(seen) : "r"(scratch) : "rax");
	holds("an unaligned read with AC set", true);
	__asm__ volatile("pushf; orq $0x40000, (%%rsp); popf; syscall; "
			 "pushf; andq $~0x40000, (%%rsp); popf"
			 : "=a"(result) : "a"(SYS_null) : "rcx", "r11", "memory");
	holds("a call with AC set", result == 0);
	__asm__ volatile("pushf; orq $0x4000, (%%rsp); popf; syscall; "
			 "pushf; andq $~0x4000, (%%rsp); popf"
			 : "=a"(result) : "a"(SYS_null) : "rcx", "r11", "memory");
	holds("a call with NT set", result == 0);
}

// The kernel's string instructions go up, whatever was left behind: a derivation
// clears an entry of a table by one, and down from there lies another's. (The
// emulator clears the flag in any case; processors do as the kernel asks.)
static void
direction(void)
{
	struct frame_run page;
	register u64 r10 __asm__("r10");
	register u64 r8 __asm__("r8");
	i64 slot;

	need("take a frame", frames_take(1, &page));
	for (u32 i = 0; i < 8; i++) {
		r10 = page.frame;
		r8 = 1;
		__asm__ volatile("std; syscall; cld"
				 : "=a"(slot)
				 : "a"(SYS_cap_derive), "D"(page.slot),
				   "S"(CAP_SLOT_SELF), "d"(CAP_READ), "r"(r10),
				   "r"(r8)
				 : "rcx", "r11", "memory");
		holds("a call with DF set",
		      slot > 0 && sys_cap_drop((u32)slot) == 0);
	}
}

// Calls from a stack that is none: the kernel must not use it.
static void
stackless_calls(void)
{
	static const u64 stacks[] = { 0, 8, NON_CANONICAL, KERNEL_TEXT, ~0ull };
	i64 result;

	for (u32 i = 0; i < ARRAY_SIZE(stacks); i++) {
		__asm__ volatile("mov %%rsp, %%rbx; mov %2, %%rsp; syscall; "
				 "mov %%rbx, %%rsp"
				 : "=a"(result)
				 : "a"(SYS_null), "r"(stacks[i])
				 : "rbx", "rcx", "r11", "memory");
		holds("a call without a stack", result == 0);
	}
}

static bool
has_fsgsbase(void)
{
	u32 a = 7, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b & 1;
}

// Segment bases are the program's own to set, whatever it sets them to.
static void
segment_bases(void)
{
	u64 fs, gs;

	if (!has_fsgsbase())
		return;
	__asm__ volatile("wrfsbase %0; wrgsbase %1"
			 : : "r"(KERNEL_DIRECT), "r"(KERNEL_TEXT));
	sys_null();
	sys_yield(SLOT_NONE);
	__asm__ volatile("rdfsbase %0; rdgsbase %1" : "=r"(fs), "=r"(gs));
	holds("segment bases are kept", fs == KERNEL_DIRECT && gs == KERNEL_TEXT);
}

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	make_low_descriptors();
	for (u32 i = 0; i < ARRAY_SIZE(deeds); i++)
		commit(&deeds[i]);
	every_interrupt();
	every_port();
	flags();
	direction();
	stackless_calls();
	segment_bases();
	return verdict_end();
}
