// SPDX-License-Identifier: BSD-2-Clause
// The ways to break the kernel that its protections must stop: each line of the
// table is one of them, and must end in a panic that names it.
//
//   W^X             write-text, run-data, run-direct, run-frame, run-stack; -alias: by the
//                   direct map
//   read-only       write-constant; after boot write-sealed, write-gate
//   SMAP, SMEP      read-user, run-user: with the address space of the first
//                   environment loaded, at its first instruction
//   guard page      stack: a double fault, reported on a stack of its own
//   stack protector smash
//   audit           leak-frame, leak-table, leak-slice, leak-ring, leak-quota,
//                   leak-pin, leak-block: what was given out and is nobody's;
//                   twice-block: what is somebody's and given out again
//
// One more way lets the node boot: with lost-block the first block of a volume that is given
// up does not become free (start.c).

#include "harness/broken/provoke.h"
#include "harness/broken/ways.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env.h"
#include "kernel/sys/tables.h"

#define RETURN_INSTRUCTION 0xc3

static void
break_invariant(void)
{
	ASSERT(env_table[0].state == ENV_FREE);
}

static void
write_text(void)
{
	__asm__ volatile("movb $0, (%0)" : : "r"(provoke) : "memory");
}

// The same byte by its other address.
static void
write_text_alias(void)
{
	*(volatile u8 *)direct((u64)provoke - KERNEL_BASE) = 0;
}

static void
write_constant(void)
{
	static const u8 constant[] = { 1, 2, 3 };

	__asm__ volatile("movb $0, (%0)" : : "r"(constant) : "memory");
}

static void
write_sealed(void)
{
	*(volatile bool *)&cpu_features.smep = false;
}

static void
write_sealed_alias(void)
{
	*(volatile u8 *)direct((u64)&cpu_features - KERNEL_BASE) = 0;
}

// The table of interrupts, by the address that the processor has.
static void
write_gate(void)
{
	struct { u16 limit; u64 base; } packed_ table;

	__asm__ volatile("sidt %0" : "=m"(table));
	*(volatile u8 *)table.base = 0;
}

static void
run_direct(void)
{
	((void (*)(void))direct((u64)provoke - KERNEL_BASE))();
}

static void
write_and_run(void *at)
{
	*(volatile u8 *)at = RETURN_INSTRUCTION;
	((void (*)(void))at)();
}

static void
run_frame(void)
{
	write_and_run(frame_memory(own_find(&frames, FRAME_ANY, 1)));
}

// The one that traps use: boot's, which this runs on, is data of the image.
static void
run_stack(void)
{
	write_and_run((void *)(cpus[0].stack - sizeof(u64)));
}

static void
run_data(void)
{
	static u8 code;

	write_and_run(&code);
}

static void
read_null(void)
{
	u64 null = 0;

	__asm__ volatile("mov (%0), %0" : "+r"(null));
}

static u64
enter_first_space(void)
{
	cr3_write(envs[0].page_root << PAGE_SHIFT);
	return envs[0].context.rip;
}

static void
read_user(void)
{
	*(volatile u8 *)enter_first_space();
}

static void
run_user(void)
{
	((void (*)(void))enter_first_space())();
}

// Pushes until a stack has no more pages: the one for NMIs, below whose guard page lies
// another.
static void
overflow_stack(void)
{
	__asm__ volatile("mov %0, %%rsp\n1:\tpush $0\n\tjmp 1b"
			 : : "r"(cpus[0].tss.ist[1]) : "memory");
}

static void
smash_stack(void)
{
	volatile u64 array[4] = { 0 };
	volatile u64 *at = array;

	for (u32 i = 0; i < 8; i++)
		at[i] = i;
}

// Each of these takes one away from where it belongs; the audit must miss it.
static void
leak_frame(void)
{
	u64 frame = own_find(&frames, FRAME_ANY, 1);

	do_machine_audit(NULL);
	own_take(&frames, frame, 1, 0, FRAME_OWNED);
	env_table[0].used.frames++;
	do_machine_audit(NULL);
}

static void
leak_table(void)
{
	u64 frame = own_find(&frames, FRAME_ANY, 1);

	own_take(&frames, frame, 1, 0, FRAME_TABLE);
	do_machine_audit(NULL);
}

static void
leak_slice(void)
{
	slice_table[0][1].owner = 0;
	do_machine_audit(NULL);
}

static void
leak_ring(void)
{
	env_table[0].used.rings++;
	do_machine_audit(NULL);
}

static void
leak_quota(void)
{
	env_table[0].quota.slices--;
	do_machine_audit(NULL);
}

static void
leak_pin(void)
{
	own_pin(&frames, envs[0].uarea_frame, 1);
	do_machine_audit(NULL);
}

static void
leak_block(void)
{
	sys_info.disk_blocks++;
	do_machine_audit(NULL);
}

static void
twice_block(void)
{
	i64 slot = cap_mint(&caps, 0, SLOT_NONE, CAP_BLOCKS, CAP_READ, 1, 1);

	if (slot > 0)
		do_machine_audit(NULL);
}

void
provoke(const char *way)
{
	static const struct way ways[] = {
		{ "assert", break_invariant },
		{ "write-text", write_text },
		{ "write-text-alias", write_text_alias },
		{ "write-constant", write_constant },
		{ "write-sealed", write_sealed },
		{ "write-sealed-alias", write_sealed_alias },
		{ "write-gate", write_gate },
		{ "run-data", run_data },
		{ "run-direct", run_direct },
		{ "run-frame", run_frame },
		{ "run-stack", run_stack },
		{ "read-null", read_null },
		{ "read-user", read_user },
		{ "run-user", run_user },
		{ "stack", overflow_stack },
		{ "smash", smash_stack },
		{ "leak-frame", leak_frame },
		{ "leak-table", leak_table },
		{ "leak-slice", leak_slice },
		{ "leak-ring", leak_ring },
		{ "leak-quota", leak_quota },
		{ "leak-pin", leak_pin },
		{ "leak-block", leak_block },
		{ "twice-block", twice_block },
	};

	if (!ways_go(ways, ARRAY_SIZE(ways), way))
		kprintf("panic=: no such way to break the kernel\n");
}
