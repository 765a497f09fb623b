// SPDX-License-Identifier: BSD-2-Clause
// Wild pointers for every system call that takes one, and calls that there are
// not. A pointer that does not lead to memory of this program, readable or
// writable as the call needs, must be answered with E_ADDRESS (where the call
// wants its words aligned, E_ARGUMENT will do), and nothing may be written.

#include "kernel/base/string.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/verdict.h"

#define KERNEL_IMAGE 0xffffffff80110000ull
#define KERNEL_DIRECT 0xffff800000000000ull
#define NON_CANONICAL 0x0000800000000000ull
#define LAST_PAGE_VA (REGION_BASE + 8 * PAGE_SIZE)	// mapped, nothing behind
#define LAST_BYTES 3u
#define PATTERN 0x5a

// A call with a pointer in one place and otherwise sensible arguments.
struct call {
	const char *name;
	u64 number;
	u32 place;
	bool writes;		// the kernel writes there
	u64 argument[4];
};

static u32 ring_slot;
static u32 program_slot;

// Nowhere, or not for us.
static const u64 pointers[] = {
	0, 1, 8, USER_BASE - 8, REGION_BASE, USER_END - 1, TABLES_BASE - 4,
	TABLES_BASE + 0x8000000000, UAREA_BASE - 4, UAREA_BASE + PAGE_SIZE,
	LAST_PAGE_VA + PAGE_SIZE - LAST_BYTES, LAST_PAGE_VA + PAGE_SIZE,
	NON_CANONICAL - 4, NON_CANONICAL, NON_CANONICAL + 4, 0xffff7fffffffffffull,
	KERNEL_DIRECT, KERNEL_DIRECT + 0x1000, KERNEL_IMAGE, ~0ull - 4096,
	~0ull - 7, ~0ull - 3, ~0ull,
};

// Ours to read, not to write.
static const u64 constants[] = {
	TABLES_BASE + TABLE_INFO_OFFSET, TABLES_BASE + TABLE_ENVS_OFFSET,
	TABLES_BASE + TABLE_SLICES_OFFSET, TABLES_BASE + TABLE_RINGS_OFFSET,
	TABLES_BASE + TABLE_FRAMES_OFFSET, TABLES_BASE + TABLE_VOLUMES_OFFSET,
	TABLES_BASE + TABLE_REGISTRY_OFFSET, IMAGE_BASE, (u64)pointers,
};

static void
call_with(const struct call *call, u64 pointer)
{
	u64 a[4];
	i64 result;

	memcpy(a, call->argument, sizeof(a));
	a[call->place] = pointer;
	result = syscall_lossy(call->number, a[0], a[1], a[2], a[3], 0, 0);
	if (result == -E_ARGUMENT && pointer % 4)
		verdict.attempts++;	// wait and wake look at that first
	else
		refused(call->name, result, E_ADDRESS);
}

// Where there is no disk, queue_bind() and volume_open() say so before anything.
static void
try_pointers(const struct call *call)
{
	if ((call->number == SYS_queue_bind || call->number == SYS_volume_open) &&
	    !sys_info()->disk_blocks)
		return;
	for (u32 i = 0; i < ARRAY_SIZE(pointers); i++)
		call_with(call, pointers[i]);
	for (u32 i = 0; call->writes && i < ARRAY_SIZE(constants); i++)
		call_with(call, constants[i]);
	print("wild: %s\n", call->name);
}

// Lengths that no buffer has, at a place that is good for its first page.
static void
try_lengths(void)
{
	static const u64 lengths[] = { 1ull << 20, 1ull << 32, 1ull << 63, ~0ull };
	u64 va = LAST_PAGE_VA;

	for (u32 i = 0; i < ARRAY_SIZE(lengths); i++) {
		u64 n = lengths[i];

		denied("page_batch of too many", syscall_raw(SYS_page_batch,
			CAP_SLOT_SELF, va, n, 0, 0, 0));
		denied("wait for too many", syscall_raw(SYS_wait, va, n, 1, 0, 0, 0));
		denied("watch for too many", syscall_raw(SYS_watch, va, n, 0, 0, 0, 0));
		denied("ring_narrow by too many", syscall_raw(SYS_ring_narrow,
			ring_slot, va, n, 0, 0, 0));
		denied("entry_wait for too many", syscall_lossy(SYS_entry_wait, va, n,
			1, va, va, 0));
		denied("wait_for too many", syscall_raw(SYS_wait_for, program_slot, va,
			n, 1, 0, 0));
		denied("entropy_read of too much", syscall_raw(SYS_entropy_read, va,
			n, 0, 0, 0, 0));
	}
}

// Words to wait for that lie nowhere, in a list that lies well.
static void
try_words(void)
{
	struct wait_word words[WAIT_WORDS_MAX];

	for (u32 i = 0; i < ARRAY_SIZE(pointers); i++) {
		for (u32 j = 0; j < WAIT_WORDS_MAX; j++)
			words[j].va = (u64)&verdict;
		words[i % WAIT_WORDS_MAX].va = pointers[i];
		denied("wait for a word nowhere",
		       sys_wait(words, WAIT_WORDS_MAX, 1));
	}
}

static void
try_numbers(void)
{
	static const u64 numbers[] = {
		SYS_COUNT, SYS_COUNT + 1, 63, 64, 255, 256, 65535, 1ull << 16,
		1ull << 31, 1ull << 32, (1ull << 32) + SYS_console_write,
		1ull << 63, ~0ull - 1, ~0ull,
	};

	for (u32 i = 0; i < ARRAY_SIZE(numbers); i++)
		refused("a call that is none",
			syscall_raw(numbers[i], 0, 0, 0, 0, 0, 0), E_CALL);
}

static u8 *
map_last_page(void)
{
	struct frame_run page;

	need("take a frame", frames_take(1, &page));
	need("map it", sys_page_map(CAP_SLOT_SELF, LAST_PAGE_VA, page.slot,
				    page.frame, 1, PROT_READ | PROT_WRITE));
	return memset(direct_address(page.frame), PATTERN, PAGE_SIZE);
}

// A ring of our own address, for the calls that take one.
static u32
bind_ring(void)
{
	struct frame_run run;
	struct ring_spec spec = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = 5,
		.narrows = SLOT_NONE,
	};

	need("take a ring's frames", frames_take(RING_FRAMES, &run));
	spec.ring_slot = run.slot;
	spec.ring_frame = run.frame;
	return (u32)need("bind a ring", sys_ring_bind(&spec));
}

// A program that wakes at once, accepted.
static u32
load_program(void)
{
	static const struct code_insn text[] = {
		{ 0xb7, 0, 0, 1 }, { 0x95, 0, 0, 0 },
	};
	struct program_spec spec = { .text = (u64)text, .count = 2 };
	struct program_verdict v;
	u32 slot = (u32)need("load", sys_code_load(&spec));

	need("verify", sys_code_verify(slot, &v));
	return slot;
}

static u32
console_to_read(void)
{
	const struct startup_cap *cap = startup_find(ROLE_CONSOLE, 1);

	return (u32)need("find a console to read", cap ? cap->slot : -E_ABSENT);
}

int
main(int argc, char **argv)
{
	u8 *page = map_last_page();
	u64 console = startup_slot(ROLE_CONSOLE), keys = console_to_read();
	u64 machine = startup_slot(ROLE_MACHINE);
	u64 program = program_slot = load_program();
	u32 intact = 0;

	(void)argc;
	(void)argv;
	ring_slot = bind_ring();

	const struct call calls[] = {
		{ "env_create", SYS_env_create, 0, false, { 0 } },
		{ "cap_inspect", SYS_cap_inspect, 2, true, { 0 } },
		{ "page_batch", SYS_page_batch, 1, false, { 0, 0, 1 } },
		{ "wait", SYS_wait, 0, false, { 0, 1, 1 } },
		{ "wake", SYS_wake, 0, false, { 0 } },
		{ "watch", SYS_watch, 0, false, { 0, 1 } },
		{ "ring_bind", SYS_ring_bind, 0, false, { 0 } },
		{ "ring_narrow", SYS_ring_narrow, 1, false, { ring_slot, 0, 1 } },
		{ "ring_filter", SYS_ring_filter, 1, false, { ring_slot, 0 } },
		{ "queue_bind", SYS_queue_bind, 0, false, { 0 } },
		{ "volume_open", SYS_volume_open, 0, false, { 0 } },
		{ "console_write", SYS_console_write, 1, false, { console, 0, 9 } },
		{ "console_read", SYS_console_read, 1, true, { keys, 0, 9 } },
		{ "entropy_read", SYS_entropy_read, 0, true, { 0, 9 } },
		{ "trace_read", SYS_trace_read, 1, true, { machine, 0, 1 } },
		{ "page_bits", SYS_page_bits, 3, true, { CAP_SLOT_SELF,
			USER_BASE, 9 } },
		{ "code_load", SYS_code_load, 0, false, { 0 } },
		{ "code_verify", SYS_code_verify, 1, true, { program, 0 } },
		{ "wait_for", SYS_wait_for, 1, false, { program, 0, 1, 1 } },
		{ "entry_wait", SYS_entry_wait, 0, false, { 0, 1, 1, USER_BASE } },
	};

	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		try_pointers(&calls[i]);
	try_lengths();
	try_words();
	try_numbers();
	for (u32 i = 0; i < PAGE_SIZE; i++)
		intact += page[i] == PATTERN;
	holds("nothing was written half-way", intact == PAGE_SIZE);
	return verdict_end();
}
