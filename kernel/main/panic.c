// SPDX-License-Identifier: BSD-2-Clause
// Words to people, and the panic report: reason, processor, environment,
// registers, backtrace with symbol names, the last trace events, and the
// command that opens a debugger on such a node.
//
// The symbol table is linked in by the build (kernel/main/symbols.py).

#include "kernel/main/panic.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/dev/apic.h"
#include "kernel/dev/console.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/trace.h"
#include "kernel/sys/env.h"

#define LINE_SIZE 256
#define FRAMES_MAX 32
#define PANIC_EVENTS 64

extern const u64 symbol_count;
extern const u64 symbol_addresses[];
extern const u32 symbol_names[];
extern const char symbol_text[];

u64 __stack_chk_guard sealed_ = 0x9c3b5f2ad1e4770aull;	// replaced at boot
static bool panicking;

void
kprintf(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	size_t len = fmt_into_va(line, sizeof(line), format, args);
	va_end(args);
	console_put(line, MIN(len, sizeof(line) - 1));
}

static void
print_symbol(u64 address)
{
	u64 low = 0, high = symbol_count;

	while (low < high) {
		u64 middle = (low + high) / 2;

		if (symbol_addresses[middle] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0) {
		kprintf("  %016lx\n", address);
		return;
	}
	kprintf("  %016lx %s+0x%lx\n", address, symbol_text + symbol_names[low - 1],
		address - symbol_addresses[low - 1]);
}

// May the frame be read? What a smashed stack left in rbp must not fault here.
static bool
is_stack(u64 frame)
{
	u64 boot_end = KERNEL_BASE + kernel_image_end();

	if (frame % 8 != 0)
		return false;
	return kernel_map_is_stack(frame, 2 * sizeof(u64)) ||
	       (frame >= KERNEL_BASE && frame < boot_end - 2 * sizeof(u64));
}

static void
print_backtrace(u64 rip, u64 frame)
{
	kprintf("backtrace:\n");
	print_symbol(rip);
	for (u32 i = 0; i < FRAMES_MAX && is_stack(frame); i++) {
		const u64 *words = (const u64 *)frame;

		if (!words[1])
			break;
		print_symbol(words[1]);
		if (words[0] <= frame)
			break;
		frame = words[0];
	}
}

static void
print_trace(void)
{
	static struct trace_event events[PANIC_EVENTS];
	u32 count = trace_copy(events, PANIC_EVENTS);

	kprintf("last events:\n");
	for (u32 i = 0; i < count; i++) {
		kprintf("  %12lu ns env %5d %-8s 0x%x 0x%lx\n",
			events[i].time_ns, (i16)events[i].env,
			trace_name(events[i].kind), events[i].a, events[i].b);
	}
}

static void
print_where(void)
{
	const struct cpu *cpu = this_cpu();

	kprintf("processor %u", cpu->index);
	if (cpu->current < ENVS_MAX) {
		const struct env_info *info = envs[cpu->current].info;

		kprintf(", environment %u (%.*s)", info->id, ENV_NAME_SIZE,
			info->name);
	}
	kprintf("\n");
}

static void
print_registers(const struct context *c)
{
	kprintf("vector %lu error 0x%lx cr2 %016lx\n", c->vector, c->error, cr2_read());
	kprintf("rip %016lx rsp %016lx rflags %08lx cs %lx\n",
		c->rip, c->rsp, c->rflags, c->cs);
	const u64 *r = &c->rax;
	static const char names[][4] = { "rax", "rbx", "rcx", "rdx", "rsi",
		"rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		kprintf("%-3s %016lx%s", names[i], r[i],
			i % 4 == 3 || i == ARRAY_SIZE(names) - 1 ? "\n" : " ");
	}
}

noreturn_ static void
finish(u64 rip, u64 frame)
{
	print_where();
	print_backtrace(rip, frame);
	print_trace();
	kprintf("halted; `make qemu-gdb` and `make gdb` stop a node like this\n");
	cpu_stop();
}

// A second panic while the first one prints only stops; so do the other
// processors, which meet it as an NMI.
static void
begin(void)
{
	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		cpu_stop();
	apic_stop_others();
	kprintf("\nPANIC: ");
}

void
panic(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	begin();
	va_start(args, format);
	fmt_into_va(line, sizeof(line), format, args);
	va_end(args);
	kprintf("%s\n", line);
	finish((u64)__builtin_return_address(0),
	       *(u64 *)__builtin_frame_address(0));
}

void
panic_trap(const struct context *context)
{
	begin();
	kprintf("exception %lu in %s mode\n", context->vector,
		context->cs & 3 ? "user" : "kernel");
	print_registers(context);
	finish(context->rip, context->rbp);
}

void
assert_failed(const char *expression, const char *file, int line)
{
	panic("%s:%d: broken invariant: %s", file, line, expression);
}

noreturn_ void
__stack_chk_fail(void);

void
__stack_chk_fail(void)
{
	panic("stack smashed");
}
