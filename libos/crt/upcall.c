// SPDX-License-Identifier: BSD-2-Clause
// Dispatch of upcalls.
//
// Invariants:
//   U1  handlers[0..handler_count) are set and different
//   U2  a fault that no handler takes ends the environment by the same fault:
//       the line on the console is for people, the kernel's table entry
//       (END_FAULT with vector, rip and address) is the record
//
// U2 is kept by taking the upcall entry away and resuming: the instruction
// faults again, and an environment without an entry is destroyed.

#include "libos/crt/upcall.h"
#include "kernel/abi/tables.h"
#include "kernel/base/assert.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"

static u8 upcall_stack[UPCALL_STACK_SIZE] aligned_(16);
static fault_handler *handlers[FAULT_HANDLERS_MAX];
static u32 handler_count;
static timer_handler *on_timer;
static slice_handler *on_start, *on_end;
static cause_handler *wanted[UPCALL_CAUSES];

extern const u8 upcall_entry[];

// The offsets that upcall.S uses.
STATIC_ASSERT(offsetof(struct upcall_context, frame) == 120);
STATIC_ASSERT(offsetof(struct upcall_frame, rip) == 24);
STATIC_ASSERT(offsetof(struct upcall_frame, rflags) == 40);
STATIC_ASSERT(offsetof(struct upcall_frame, rsp) == 48);
STATIC_ASSERT(UAREA_BASE == 0x00007f0000000000);
STATIC_ASSERT(offsetof(struct uarea, upcall_stack_bottom) == 8);
STATIC_ASSERT(offsetof(struct uarea, upcall_stack_top) == 16);
STATIC_ASSERT(offsetof(struct uarea, upcall_held) == 24);
STATIC_ASSERT(offsetof(struct uarea, upcall_pending) == 28);
STATIC_ASSERT(UPCALL_CAUSES == 6);

void
upcall_dispatch(struct upcall_context *context);

void
upcall_init(void)
{
	struct uarea *u = uarea();

	u->upcall_stack_bottom = (u64)upcall_stack;
	u->upcall_stack_top = (u64)upcall_stack + sizeof(upcall_stack);
	u->upcall_held = 0;
	u->upcall_entry = (u64)upcall_entry;
}

void
fault_handler_add(fault_handler *handler)
{
	ASSERT(handler && handler_count < FAULT_HANDLERS_MAX);
	for (u32 i = 0; i < handler_count; i++)
		ASSERT(handlers[i] != handler);
	handlers[handler_count++] = handler;
}

void
fault_handler_remove(fault_handler *handler)
{
	u32 i = 0;

	while (i < handler_count && handlers[i] != handler)
		i++;
	ASSERT(i < handler_count);
	handler_count--;
	for (; i < handler_count; i++)
		handlers[i] = handlers[i + 1];
}

void
timer_handler_set(timer_handler *handler)
{
	on_timer = handler;
}

static void
set_wanted(enum upcall_cause cause, bool value)
{
	u32 *word = &uarea()->upcall_wanted;

	if (value)
		__atomic_fetch_or(word, 1u << cause, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(word, ~(1u << cause), __ATOMIC_SEQ_CST);
}

void
slice_handlers_set(slice_handler *at_start, slice_handler *at_end)
{
	on_start = at_start;
	on_end = at_end;
	set_wanted(UPCALL_SLICE_START, at_start);
	set_wanted(UPCALL_SLICE_END, at_end);
}

void
upcall_want(enum upcall_cause cause, cause_handler *handler)
{
	ASSERT(cause < UPCALL_CAUSES);
	wanted[cause] = handler;
	set_wanted(cause, handler);
}

static void
slice_ended(struct upcall_context *context)
{
	if (!on_end)
		return;
	on_end(context);
	sys_yield(SLOT_NONE);
}

// The end of a slice first: giving it up may bring the start of the next.
static void
make_up(struct upcall_context *context)
{
	u32 *pending = &uarea()->upcall_pending;
	u32 causes;

	while ((causes = __atomic_exchange_n(pending, 0, __ATOMIC_SEQ_CST))) {
		if (causes & 1u << UPCALL_SLICE_END)
			slice_ended(context);
		if (causes & 1u << UPCALL_SLICE_START && on_start)
			on_start(context);
		if (causes & 1u << UPCALL_TIMER && on_timer)
			on_timer(context);
		for (u32 cause = 0; cause < UPCALL_CAUSES; cause++) {
			if (causes >> cause & 1 && wanted[cause])
				wanted[cause](context);
		}
	}
}

void
upcall_hold(void)
{
	ASSERT(!uarea()->upcall_held);
	__atomic_store_n(&uarea()->upcall_held, 1, __ATOMIC_SEQ_CST);
}

void
upcall_release(void)
{
	struct upcall_context none = { .frame.cause = UPCALL_TIMER };

	ASSERT(uarea()->upcall_held);
	__atomic_store_n(&uarea()->upcall_held, 0, __ATOMIC_SEQ_CST);
	make_up(&none);
}

const char *
upcall_name(u32 cause)
{
	switch ((enum upcall_cause)cause) {
	case UPCALL_FAULT:
		return "fault";
	case UPCALL_TIMER:
		return "timer";
	case UPCALL_SLICE_START:
		return "slice start";
	case UPCALL_SLICE_END:
		return "slice end";
	case UPCALL_REVOKE:
		return "revoke";
	case UPCALL_COMPLETION:
		return "completion";
	case UPCALL_CAUSES:
		break;
	}
	return "unknown";
}

const char *
vector_name(u32 vector)
{
	switch (vector) {
	case VECTOR_DIVIDE:
		return "division";
	case VECTOR_DEBUG:
		return "debug trap";
	case VECTOR_BREAKPOINT:
		return "breakpoint";
	case VECTOR_OVERFLOW:
		return "overflow";
	case VECTOR_INVALID_OPCODE:
		return "invalid opcode";
	case VECTOR_STACK:
		return "stack segment";
	case VECTOR_PROTECTION:
		return "protection";
	case VECTOR_PAGE_FAULT:
		return "page fault";
	case VECTOR_FLOAT:
		return "floating point";
	case VECTOR_ALIGNMENT:
		return "alignment";
	case VECTOR_SIMD:
		return "SIMD";
	case VECTOR_TIMER_UPCALL:
		return "timer";
	}
	return "exception";
}

static void
die_of(const struct upcall_frame *f)
{
	print("%s: %s (vector %u) at rip 0x%lx address 0x%lx error 0x%lx\n",
	      program_name(), vector_name(f->vector), f->vector,
	      f->rip, f->address, f->error);
	uarea()->upcall_entry = 0;
}

static void
handle_fault(struct upcall_context *context)
{
	for (u32 i = 0; i < handler_count; i++) {
		if (handlers[i](context))
			return;
	}
	die_of(&context->frame);
}

static void
handle_other(struct upcall_context *context)
{
	switch ((enum upcall_cause)context->frame.cause) {
	case UPCALL_FAULT:
		ASSERT(false);
	case UPCALL_TIMER:
		if (on_timer)
			on_timer(context);
		return;
	case UPCALL_SLICE_START:
		if (on_start)
			on_start(context);
		return;
	case UPCALL_SLICE_END:
		slice_ended(context);
		return;
	case UPCALL_REVOKE:
	case UPCALL_COMPLETION:
		if (wanted[context->frame.cause])
			wanted[context->frame.cause](context);
		return;
	case UPCALL_CAUSES:		// from upcall.S
		make_up(context);
		return;
	}
}

void
upcall_dispatch(struct upcall_context *context)
{
	if (likely(context->frame.cause == UPCALL_FAULT))
		handle_fault(context);
	else
		handle_other(context);
}
