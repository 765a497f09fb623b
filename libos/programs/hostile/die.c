// SPDX-License-Identifier: BSD-2-Clause
// Meets a fault, or a timer, with an upcall handler that is none. The kernel
// must end this environment, say how in its table, and nothing more:
//
//	die WAY [timer | slice]
//
// WAY names what is wrong (the table below); with `timer` or `slice` the upcall is
// that of a timer, or of the start of a slice, instead of a fault.

#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define KERNEL_IMAGE 0xffffffff80100000ull
#define NON_CANONICAL 0x0000800000000000ull
#define NOT_MAPPED (REGION_BASE + 0x1000000)
#define STACK_SIZE 4096u
#define TURNS 1000u		// until a slice of its own begins

static u8 stack[STACK_SIZE] aligned_(16);
static const u8 constant[STACK_SIZE] aligned_(16) = { 1 };

static void
store_nowhere(void)
{
	*(volatile u8 *)NOT_MAPPED = 0;
}

// Entered by the kernel, on a stack that is not aligned as C wants it: only
// faults again.
static void
handler(void)
{
	store_nowhere();
}

static const struct way {
	const char *name;
	u64 entry;
	u64 bottom;
	u64 top;
} ways[] = {
#define STACK (u64)stack, (u64)stack + STACK_SIZE
#define HANDLER (u64)handler
	{ "no-handler", 0, STACK },
	{ "handler-low", USER_BASE - 1, STACK },
	{ "handler-kernel", KERNEL_IMAGE, STACK },
	{ "handler-tables", TABLES_BASE, STACK },
	{ "handler-uarea", UAREA_BASE, STACK },
	{ "handler-non-canonical", NON_CANONICAL, STACK },
	{ "handler-unmapped", NOT_MAPPED, STACK },
	{ "handler-data", (u64)stack, STACK },
	{ "handler-faults", HANDLER, STACK },
	{ "stack-none", HANDLER, 0, 0 },
	{ "stack-upside-down", HANDLER, (u64)stack + STACK_SIZE, (u64)stack },
	{ "stack-tiny", HANDLER, (u64)stack, (u64)stack + 16 },
	{ "stack-unmapped", HANDLER, NOT_MAPPED, NOT_MAPPED + STACK_SIZE },
	{ "stack-constant", HANDLER, (u64)constant, (u64)constant + STACK_SIZE },
	{ "stack-text", HANDLER, IMAGE_BASE, IMAGE_BASE + STACK_SIZE },
	{ "stack-kernel", HANDLER, KERNEL_IMAGE, KERNEL_IMAGE + STACK_SIZE },
	{ "stack-tables", HANDLER, TABLES_BASE, TABLES_BASE + STACK_SIZE },
	{ "stack-uarea", HANDLER, UAREA_BASE, UAREA_BASE + STACK_SIZE },
	{ "stack-non-canonical", HANDLER, NON_CANONICAL,
	  NON_CANONICAL + STACK_SIZE },
	{ "stack-everything", HANDLER, 0, ~0ull },
	{ "stack-low", HANDLER, 0, 64 },
#undef STACK
#undef HANDLER
};

static void
prepare(const struct way *way)
{
	struct uarea *u = uarea();

	u->upcall_stack_bottom = way->bottom;
	u->upcall_stack_top = way->top;
	u->upcall_entry = way->entry;
}

int
main(int argc, char **argv)
{
	for (u32 i = 0; argc > 1 && i < ARRAY_SIZE(ways); i++) {
		if (strcmp(ways[i].name, argv[1]))
			continue;
		print("die: trying %s\n", argv[1]);
		prepare(&ways[i]);
		if (argc > 2 && !strcmp(argv[2], "slice"))
			uarea()->upcall_wanted = 1u << UPCALL_SLICE_START;
		else if (argc > 2)
			sys_timer_set(1);
		for (u32 turn = 0; argc > 2 && turn < TURNS; turn++)
			sys_yield(SLOT_NONE);
		store_nowhere();
	}
	print("die: which way?\n");
	return STATUS_USAGE;
}
