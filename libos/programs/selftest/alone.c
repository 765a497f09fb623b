// SPDX-License-Identifier: BSD-2-Clause
// Tests that one environment does by itself: clock, wait, timer upcalls,
// paging at user level, the stack, nested faults, registers, entropy.
//
// They compare counts and contents, never durations: the host may be busy. What
// must happen has PATIENCE_NS to do so.

#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/mem/region.h"
#include "libos/mem/stack.h"
#include "libos/programs/selftest/selftest.h"

#define PATTERN 0x1122334455667788ull
#define PAGES 64u

void
test_clock(void)
{
	u64 before = now_ns();

	for (u32 i = 0; i < 1000; i++) {
		u64 now = now_ns();

		if (!check(now >= before, "time does not go back"))
			return;
		before = now;
	}
	check(sys_info()->tsc_hz > 1000000, "the clock has a rate");
}

void
test_wait(void)
{
	static u32 words[2];
	struct wait_word set[2] = {
		{ .va = (u64)&words[0], .expected = 0 },
		{ .va = (u64)&words[1], .expected = 0 },
	};
	u64 until = now_ns() + 3 * NS_PER_MS;

	check(sys_wait(set, 2, until) == -E_TIMEOUT, "a deadline ends a wait");
	check(now_ns() >= until, "and not before its time");
	check(sys_wait(set, 2, 1) == -E_TIMEOUT, "one that passed at once");
	words[1] = 5;
	check(sys_wait(set, 2, NEVER) == 1, "the word that differs is named");
	words[0] = 5;
	check(sys_wait(set, 2, NEVER) == 0, "the first of them");
}

static volatile u32 timer_count;

static void
on_timer(struct upcall_context *context)
{
	(void)context;
	timer_count++;
}

// On a busy host the timer may come before the wait begins: then again.
static bool
wait_ended_by_timer(const struct wait_word *word)
{
	for (u32 i = 0; i < 20; i++) {
		sys_timer_set(now_ns() + 2 * NS_PER_MS);
		if (sys_wait(word, 1, now_ns() + 50 * NS_PER_MS) == -E_AGAIN)
			return true;
	}
	return false;
}

void
test_timer(void)
{
	static const u32 never;
	struct wait_word word = { .va = (u64)&never };
	u64 until = now_ns() + PATIENCE_NS;
	u32 seen;

	timer_count = 0;
	timer_handler_set(on_timer);
	sys_timer_set(now_ns() + NS_PER_MS);
	while (timer_count == 0 && now_ns() < until)
		;
	check(timer_count == 1, "a timer interrupts a loop, once");
	upcall_hold();
	sys_timer_set(now_ns());
	check(sys_wait(&word, 1, now_ns() + NS_PER_MS) < 0, "a short sleep");
	check(timer_count == 1, "a timer that is held waits");
	upcall_release();
	check(timer_count == 2, "and comes when it is let in");
	check(wait_ended_by_timer(&word), "a timer ends a wait");
	sys_timer_set(now_ns() + NS_PER_MS);
	sys_timer_set(NEVER);
	seen = timer_count;
	check(sys_wait(&word, 1, now_ns() + 3 * NS_PER_MS) == -E_TIMEOUT,
	      "a timer that was taken back ends none");
	check(timer_count == seen, "nor comes");
	timer_handler_set(NULL);
}

// Memory on first touch, and all of it back at the end.
void
test_paging(void)
{
	static u16 slots[REGION_SLOTS(PAGES, 8)];
	struct region region = {
		.base = REGION_BASE + REGION_SIZE_MAX,
		.pages = PAGES,
		.granule_pages = 2,
		.stock_pages = 8,
		.slots = slots,
		.slots_max = ARRAY_SIZE(slots),
	};
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 used;

	must(sys_page_unmap(CAP_SLOT_SELF, region.base, PAGES), "unmap");
	must(region_open(&region), "region_open");
	*(volatile u8 *)region.base = 1;		// page tables stay
	region_close(&region);
	used = self->used.frames;
	region.slots_used = region.stock_left = 0;
	region.present = 0;
	must(region_open(&region), "region_open");
	for (u64 i = 0; i < PAGES; i += 5) {
		volatile u64 *at = (volatile u64 *)(region.base + i * PAGE_SIZE);

		check(at[7] == 0, "a new page is zero");
		at[7] = PATTERN + i;
	}
	for (u64 i = 0; i < PAGES; i += 5)
		check(*(u64 *)(region.base + i * PAGE_SIZE + 56) == PATTERN + i,
		      "a page keeps what is written");
	check(self->used.frames > used, "memory came");
	region_close(&region);
	check(self->used.frames == used, "memory went back");
}

static u32
sink(u8 *bytes, u32 deep);

// Uses a KiB of stack a level.
static u32
sink_level(u32 deep)
{
	u8 bytes[1024];

	memset(bytes, (int)deep, sizeof(bytes));
	return sink(bytes, deep);
}

static u32
sink(u8 *bytes, u32 deep)
{
	__asm__ volatile("" : : "r"(bytes) : "memory");
	return deep ? sink_level(deep - 1) + bytes[3] : 0;
}

void
recurse_for_ever(void *argument)
{
	(void)argument;
	sink_level(1u << 30);
}

// The stack grows on demand, and ends.
void
test_stack(void)
{
	struct upcall_frame fault = { 0 };

	check(sink_level(128) > 0, "128 KiB of stack are there");
	check(attempt(recurse_for_ever, NULL, &fault), "endless recursion faults");
	check(fault.vector == VECTOR_PAGE_FAULT, "on the guard");
	check(fault.rsp - fault.address < 2 * PAGE_SIZE ||
	      fault.address - fault.rsp < 2 * PAGE_SIZE, "below the stack");
}

// mov (%rdi), %al: two bytes, which fault_again() skips.
static inline void
probe(u64 va)
{
	__asm__ volatile(".byte 0x8a, 0x07" : : "D"(va) : "rax", "memory");
}

static u32 nesting;
static u64 frame_bits;			// of the frames' addresses

static bool
fault_again(struct upcall_context *context)
{
	frame_bits |= (u64)&context->frame;
	if (++nesting < 5)
		probe(REGION_BASE + 9 * PAGE_SIZE);
	context->frame.rip += 2;
	return true;
}

// Handlers that fault themselves nest, and each returns to its own place.
void
test_nested_faults(void)
{
	u64 kept = PATTERN;

	nesting = 0;
	fault_handler_add(fault_again);
	probe(REGION_BASE + 8 * PAGE_SIZE);
	fault_handler_remove(fault_again);
	check(nesting == 5, "five faults, one in the other");
	check(frame_bits % sizeof(struct upcall_frame) == 0,
	      "each with a frame that lies in one page");
	check(kept == PATTERN, "and everything is as it was");
}

// What somebody left in a frame is not the next one's to read.
void
test_fresh_frames(void)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, 8);
	struct cap_info info;
	struct frame_run run;
	u64 sum = 0;

	must(slot, "frame_alloc");
	must(sys_cap_inspect(CAP_SLOT_SELF, (u32)slot, &info), "cap_inspect");
	run = (struct frame_run){ info.base, 8, (u32)slot };
	must(map_direct(&run, PROT_READ | PROT_WRITE), "map");
	memset(direct_address(run.frame), 0xa5, 8 * PAGE_SIZE);
	must(sys_cap_drop(run.slot), "cap_drop");
	slot = sys_frame_alloc(run.frame, 8);
	must(slot, "the same frames again");
	run.slot = (u32)slot;
	must(map_direct(&run, PROT_READ), "map");
	for (u64 i = 0; i < 8 * PAGE_SIZE / 8; i++)
		sum |= ((const u64 *)direct_address(run.frame))[i];
	check(sum == 0, "frames come zeroed");
	must(unmap_run(CAP_SLOT_SELF, (u64)direct_address(run.frame), 8), "unmap");
	must(sys_cap_drop(run.slot), "cap_drop");
}

// A system call keeps every register but rax, rcx and r11; an interrupt and a
// timer upcall keep all.
void
test_registers(void)
{
	u64 bad = 0;

	timer_count = 0;
	timer_handler_set(on_timer);
	for (u32 i = 0; i < 2000; i++) {
		u64 number = i % 2 ? SYS_null : SYS_timer_set;
		u64 result = 0;

		if (i % 100 == 0)
			sys_timer_set(now_ns() + 20 * NS_PER_US);
		__asm__ volatile(
			"mov $0x1111, %%rbx; mov $0x2222, %%rdx\n\t"
			"mov $0x3333, %%r8; mov $0x4444, %%r9\n\t"
			"mov $0x5555, %%r10; mov $0x6666, %%r12\n\t"
			"mov $0x7777, %%r13; mov $0x8888, %%r14\n\t"
			"mov $0x9999, %%r15; mov $0xaaaa, %%rsi\n\t"
			"mov $-1, %%rdi\n\t"
			"syscall\n\t"
			"sub $0x1111, %%rbx; sub $0x2222, %%rdx\n\t"
			"sub $0x3333, %%r8; sub $0x4444, %%r9\n\t"
			"sub $0x5555, %%r10; sub $0x6666, %%r12\n\t"
			"sub $0x7777, %%r13; sub $0x8888, %%r14\n\t"
			"sub $0x9999, %%r15; sub $0xaaaa, %%rsi\n\t"
			"inc %%rdi\n\t"
			"or %%rbx, %%rdx; or %%r8, %%rdx; or %%r9, %%rdx\n\t"
			"or %%r10, %%rdx; or %%r12, %%rdx; or %%r13, %%rdx\n\t"
			"or %%r14, %%rdx; or %%r15, %%rdx; or %%rsi, %%rdx\n\t"
			"or %%rdi, %%rdx"
			: "+a"(number), "=d"(result)
			: : "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10",
			    "r11", "r12", "r13", "r14", "r15", "memory");
		bad |= result | number;
	}
	timer_handler_set(NULL);
	sys_timer_set(NEVER);
	check(bad == 0, "registers are kept");
}

// The FPU starts clean, and is each environment's own.
void
test_float(void)
{
	struct helper h;
	u64 low = 1, mine = PATTERN, seen, switches = 0;
	u32 control, start, count;
	u16 x87;

	__asm__ volatile("stmxcsr %0; fnstcw %1; movq %%xmm7, %2"
			 : "=m"(control), "=m"(x87), "=r"(low));
	check(control == 0x1f80 && x87 == 0x37f && low == 0,
	      "the FPU starts as after reset");
	__asm__ volatile("movq %0, %%xmm5" : : "r"(mine));
	helper_start(&h, "float", processor(), NULL);
	start = h.shared->count;
	for (u64 until = now_ns() + PATIENCE_NS; switches < 20;) {
		count = h.shared->count;
		switches += count != start;
		start = count;
		sys_yield(SLOT_NONE);
		__asm__ volatile("movq %%xmm5, %0" : "=r"(seen));
		if (!check(seen == mine, "a register keeps its value") ||
		    !check(now_ns() < until, "both ran"))
			break;
	}
	check(h.shared->vector == 0, "so do the other's");
	helper_end(&h);
}

void
test_entropy(void)
{
	u64 first[4] = { 0 }, second[4] = { 0 };

	must(syscall_raw(SYS_entropy_read, (u64)first, sizeof(first), 0, 0, 0, 0),
	     "entropy_read");
	must(syscall_raw(SYS_entropy_read, (u64)second, sizeof(second), 0, 0, 0, 0),
	     "entropy_read");
	check(memcmp(first, second, sizeof(first)) != 0, "bytes differ");
	check(first[0] && first[3], "all of them were filled");
}
