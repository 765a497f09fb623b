// SPDX-License-Identifier: BSD-2-Clause
// The ways to break the kernel that its protections must stop: each line of the
// table is one of them, and must end in a panic that names it.
//
//   W^X             write-text, run-data
//   SMAP, SMEP      read-user, run-user: with the address space of the first
//                   environment loaded, at its first instruction
//   guard page      stack: a double fault, reported on a stack of its own
//   stack protector smash

#include "kernel/main/provoke.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"
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

static void
run_data(void)
{
	static volatile u8 code = RETURN_INSTRUCTION;

	((void (*)(void))(u64)&code)();
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

// Pushes until the stack that traps use has no more pages.
static void
overflow_stack(void)
{
	__asm__ volatile("mov %0, %%rsp\n1:\tpush $0\n\tjmp 1b"
			 : : "r"(cpus[0].stack) : "memory");
}

static void
smash_stack(void)
{
	volatile u64 array[4] = { 0 };
	volatile u64 *at = array;

	for (u32 i = 0; i < 8; i++)
		at[i] = i;
}

void
provoke(const char *way)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {
		{ "assert", break_invariant },
		{ "write-text", write_text },
		{ "run-data", run_data },
		{ "read-null", read_null },
		{ "read-user", read_user },
		{ "run-user", run_user },
		{ "stack", overflow_stack },
		{ "smash", smash_stack },
	};

	for (u32 i = 0; i < ARRAY_SIZE(ways); i++) {
		size_t len = strlen(ways[i].name);

		if (!string_starts(way, ways[i].name) ||
		    (way[len] != 0 && way[len] != ' '))
			continue;
		ways[i].run();
		kprintf("panic=%s: nothing stopped it\n", ways[i].name);
		return;
	}
	kprintf("panic=: no such way to break the kernel\n");
}
