// SPDX-License-Identifier: BSD-2-Clause
// What the kernel could let slip: registers and FPU state of a new environment,
// registers after a call, fresh frames, what lies behind an answer, addresses of its
// own in the exported tables. Secrets are put where they could be carried over from;
// none may come out elsewhere.

#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/crt/spawn.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"

#define SECRET 0x5ec2e75ec2e75ec2ull
#define ARGUMENT 0xa26ull
#define CHILD_CODE REGION_BASE
#define CHILD_DATA (REGION_BASE + PAGE_SIZE)
#define REGISTERS 15u
#define FXSAVE_XMM 160u			// offset of xmm0 in the area
#define FILL 0x5a
#define FRESH_FRAMES 64u
#define FAR_STEP 0x8000000000ull	// tables of each level
#define FAR (40 * FAR_STEP)

// All a child does: its registers, then its FPU state, into its page, and the end. It
// needs no stack but that page.
__asm__(".pushsection .rodata\n"
	"child_begin:\n\t"
	"push %rax; push %rbx; push %rcx; push %rdx; push %rsi; push %rdi\n\t"
	"push %rbp; push %r8; push %r9; push %r10; push %r11; push %r12\n\t"
	"push %r13; push %r14; push %r15\n\t"
	"movabs $0x0000010000001000, %rax; fxsave64 (%rax)\n\t"
	"mov $3, %eax; xor %edi, %edi; syscall\n"
	"child_end:\n"
	".popsection");
extern const u8 child_begin[], child_end[];

STATIC_ASSERT(CHILD_DATA == 0x0000010000001000 && SYS_env_exit == 3);

static struct frame_run run;		// uarea, code, data

static void
fill_fpu(void)
{
	u64 secret = SECRET;

	__asm__ volatile("movq %0, %%xmm0; movq %0, %%xmm1; movq %0, %%xmm7\n\t"
			 "movq %0, %%xmm8; movq %0, %%xmm15; fildq %1; fldpi"
			 : : "r"(secret), "m"(secret));
}

// An environment by hand, with a slice of this one's.
static u32
make_child(void)
{
	struct env_spec spec = { .uarea_slot = run.slot, .uarea_frame = run.frame,
				 .quota = { .frames = 16 }, .name = "leak" };
	u32 env = (u32)need("create", sys_env_create(&spec));
	u32 slot = (u32)need("derive", sys_cap_derive(run.slot, env, CAP_READ |
				CAP_WRITE | CAP_EXECUTE, run.frame, 3));
	i64 slice;

	need("map code", sys_page_map(env, CHILD_CODE, slot, run.frame + 1, 1,
				      PROT_READ | PROT_EXECUTE));
	need("map data", sys_page_map(env, CHILD_DATA, slot, run.frame + 2, 1,
				      PROT_READ | PROT_WRITE));
	slice = need("take a slice", sys_slice_alloc(sys_info()->cpu_count - 1,
						     SLICE_ANY));
	need("bind", sys_slice_bind((u32)slice, env));
	return env;
}

static void
new_environment(void)
{
	const u64 *page = direct_address(run.frame + 2);
	const u64 *top = page + PAGE_SIZE / 8;
	const u8 *area = (const u8 *)page;
	struct cap_info info;
	u32 env = make_child();

	need("look", sys_cap_inspect(CAP_SLOT_SELF, env, &info));
	memcpy(direct_address(run.frame + 1), child_begin,
	       (u64)(child_end - child_begin));
	fill_fpu();
	need("start", sys_env_start(env, CHILD_CODE, CHILD_DATA + PAGE_SIZE, ARGUMENT));
	while (env_table()[info.base].state != ENV_DEAD)
		sys_yield(env);
	for (u32 i = 0; i < REGISTERS; i++)
		holds("a new environment's registers are empty",
		      top[-(i64)i - 1] == (i == 5 ? ARGUMENT : 0));
	for (u32 i = FXSAVE_XMM; i < FXSAVE_XMM + 16 * 16; i++)
		holds("a new environment's vector registers are empty", !area[i]);
	for (u32 i = 32; i < FXSAVE_XMM; i++)
		holds("a new environment's x87 registers are empty", !area[i]);
	holds("it ended as it should",
	      env_table()[info.base].end == END_EXIT);
	need("drop", cap_drop_all(env));
	while (env_table()[info.base].id)
		sys_yield(SLOT_NONE);
	for (u32 i = 0; i < sizeof(struct env_info); i++)
		holds("its entry in the table is empty",
		      !((const volatile u8 *)&env_table()[info.base])[i]);
}

// A call returns its result, rcx and r11, which are what the processor put there, and
// leaves the others alone.
static void
after_call(u64 number)
{
	u64 rip, flags, rcx, r11, rdx, rsi, r8, r9, r10;

	__asm__ volatile("mov %[secret], %%rdx; mov %%rdx, %%rsi; mov %%rdx, %%r8\n\t"
			 "mov %%rdx, %%r9; mov %%rdx, %%r10; mov %%rdx, %%rdi\n\t"
			 "pushf; pop %[flags]; lea 1f(%%rip), %[rip]; syscall\n"
			 "1:\tmov %%rcx, %[rcx]; mov %%r11, %[r11]\n\t"
			 "mov %%rdx, %[rdx]; mov %%rsi, %[rsi]; mov %%r8, %[r8]\n\t"
			 "mov %%r9, %[r9]; mov %%r10, %[r10]"
			 : [flags] "=&rm"(flags), [rip] "=&r"(rip), [rcx] "=m"(rcx),
			   [r11] "=m"(r11), [rdx] "=m"(rdx), [rsi] "=m"(rsi),
			   [r8] "=m"(r8), [r9] "=m"(r9), [r10] "=m"(r10), "+a"(number)
			 : [secret] "b"(SECRET)
			 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
			   "memory");
	holds("rcx is where the program goes on", rcx == rip);
	holds("r11 is the program's flags", r11 == flags);
	holds("a call keeps the other registers",
	      rdx == SECRET && rsi == SECRET && r8 == SECRET && r9 == SECRET &&
	      r10 == SECRET);
	holds("rax is 0 or an error", (i64)number <= 0 && (i64)number > -4096);
}

// The same frames again, with what was in them.
static void
fresh_frames(void)
{
	for (u32 round = 0; round < 2; round++) {
		i64 slot = need("take", sys_frame_alloc(round ? run.frame : FRAME_ANY,
							FRESH_FRAMES));
		struct frame_run fresh;
		u64 *words;
		bool empty = true;

		need("look", run_of_slot((u32)slot, &fresh));
		need("map", map_direct(&fresh, PROT_READ | PROT_WRITE));
		words = direct_address(fresh.frame);
		for (u64 i = 0; i < FRESH_FRAMES * PAGE_SIZE / 8; i++)
			empty = empty && !words[i];
		holds("fresh frames are empty", empty);
		for (u64 i = 0; i < FRESH_FRAMES * PAGE_SIZE / 8; i++)
			words[i] = SECRET;
		run.frame = fresh.frame;
		need("give back", cap_drop_all((u32)slot));
	}
}

static void
read_at(void *at)
{
	*(volatile u8 *)at;
}

// Page tables are made of frames that somebody had: what was left there maps nothing. The
// kernel looks for frames behind those that it gave out last.
static void
page_tables(void)
{
	u64 entry = run.frame << PAGE_SHIFT | 0x67;	// present, for all, used
	i64 slot = need("take", sys_frame_alloc(FRAME_ANY, FRESH_FRAMES));
	struct frame_run left;
	struct upcall_frame fault;
	u64 *words;

	need("look", run_of_slot((u32)slot, &left));
	need("map", map_direct(&left, PROT_READ | PROT_WRITE));
	words = direct_address(left.frame);
	for (u64 i = 0; i < FRESH_FRAMES * PAGE_SIZE / 8; i++)
		words[i] = entry;
	need("give back", cap_drop_all((u32)slot));
	need("take the first again", sys_frame_alloc(left.frame, 1));
	for (u64 va = FAR; va < FAR + 4 * FAR_STEP; va += FAR_STEP) {
		need("map far away", sys_page_map(CAP_SLOT_SELF, va, run.slot,
						  run.frame, 1, PROT_READ));
		holds("a new page table maps nothing",
		      attempt(read_at, (void *)(va + PAGE_SIZE), &fault) &&
		      fault.vector == VECTOR_PAGE_FAULT);
	}
}

// An answer is as long as it says, and an error writes nothing.
static void
answers(void)
{
	u8 buffer[sizeof(struct cap_info) + 16];
	bool kept = true;

	memset(buffer, FILL, sizeof(buffer));
	refused("an empty slot's number beyond the list",
		sys_cap_inspect(CAP_SLOT_SELF, CAP_LIST_SLOTS,
				(struct cap_info *)(void *)buffer), E_SLOT);
	for (u32 i = 0; i < sizeof(buffer); i++)
		kept = kept && buffer[i] == FILL;
	holds("an error writes nothing", kept);
	need("inspect", sys_cap_inspect(CAP_SLOT_SELF, 200,
					(struct cap_info *)(void *)buffer));
	for (u32 i = 0; i < sizeof(struct cap_info); i++)
		holds("what an empty slot holds is empty", !buffer[i]);
	for (u32 i = sizeof(struct cap_info); i < sizeof(buffer); i++)
		holds("nothing is written behind an answer", buffer[i] == FILL);
}

static bool
is_kernel_address(u64 word)
{
	return (word >= 0xffff800000000000 && word < 0xffff810000000000) ||
	       (word >= 0xffffc00000000000 && word < 0xffffe00000000000) ||
	       (word >= 0xffffffff80000000 && word < 0xffffffffc0000000);
}

static void
tables(void)
{
	static const struct { u64 at, len; } table[] = {
		{ TABLE_INFO_OFFSET, sizeof(struct sys_info) },
		{ TABLE_ENVS_OFFSET, sizeof(struct env_info) * ENVS_MAX },
		{ TABLE_RINGS_OFFSET, sizeof(struct ring_info) * RINGS_MAX },
		{ TABLE_SLICES_OFFSET, sizeof(struct slice_info) * SLICES_PER_CPU * CPUS_MAX },
		{ TABLE_FABRIC_OFFSET, sizeof(struct fabric_info) },
	};

	for (u32 t = 0; t < ARRAY_SIZE(table); t++) {
		const volatile u64 *words = (const volatile u64 *)(TABLES_BASE +
								   table[t].at);
		u64 end = ALIGN_UP(table[t].len, PAGE_SIZE) / 8;

		for (u64 i = 0; i < end; i++) {
			holds("no address of the kernel is in a table",
			      !is_kernel_address(words[i]));
			holds("nothing lies behind a table",
			      i * 8 < table[t].len || !words[i]);
		}
	}
}

int
main(int argc, char **argv)
{
	i64 slot = need("take frames", sys_frame_alloc(FRAME_ANY, 3));

	(void)argc;
	(void)argv;
	need("look", run_of_slot((u32)slot, &run));
	need("map", map_direct(&run, PROT_READ | PROT_WRITE));
	new_environment();
	after_call(SYS_null);
	after_call(SYS_cap_inspect);
	after_call(SYS_COUNT + 7);
	answers();
	tables();
	page_tables();
	fresh_frames();
	return verdict_end();
}
