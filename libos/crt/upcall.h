// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Upcalls: what the kernel tells an environment by entering it, dispatched to
// the handlers that a program registers (kernel/abi/uarea.h has the mechanism).
//
// A handler runs on the upcall stack, between two instructions of whatever was
// interrupted, so it calls nothing that could have been interrupted half-way:
// not print(), not the heap, not the frame pool. It may make system calls and
// it may fault (upcalls nest while the stack lasts).

#include "kernel/abi/uarea.h"

#define VECTOR_DIVIDE 0u
#define VECTOR_DEBUG 1u
#define VECTOR_BREAKPOINT 3u
#define VECTOR_OVERFLOW 4u
#define VECTOR_INVALID_OPCODE 6u
#define VECTOR_STACK 12u
#define VECTOR_PROTECTION 13u
#define VECTOR_PAGE_FAULT 14u
#define VECTOR_FLOAT 16u
#define VECTOR_ALIGNMENT 17u
#define VECTOR_SIMD 19u

// Bits of a page fault's error code.
#define FAULT_PRESENT 0x1u	// a page is there, but not for this access
#define FAULT_WRITE 0x2u
#define FAULT_FETCH 0x10u

#define UPCALL_STACK_SIZE 8192u
#define FAULT_HANDLERS_MAX 4u

// Registers as upcall_entry (upcall.S) pushes them, below the kernel's frame.
// A handler may change any of them: the resumed code runs with the new values.
struct upcall_context {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	struct upcall_frame frame;
};

// Returns true when the interrupted instruction should run again (or whatever
// frame.rip now says), false when the fault is not its business.
typedef bool fault_handler(struct upcall_context *context);

typedef void timer_handler(struct upcall_context *context);
typedef void slice_handler(struct upcall_context *context);
typedef void cause_handler(struct upcall_context *context);

// Tells the kernel where upcalls enter. Called once by start-up.
void
upcall_init(void);

// Adds a handler for exceptions. They are asked in the order in which they were
// added; start-up's own (growth of the stack) is the first. At most
// FAULT_HANDLERS_MAX at a time.
void
fault_handler_add(fault_handler *handler);

void
fault_handler_remove(fault_handler *handler);

// Sets the handler of timer upcalls (sys_timer_set), or NULL for none.
void
timer_handler_set(timer_handler *handler);

// Asks for upcalls at the start and at the end of slices; NULL for none. When the
// handler of an end returns, the processor is given up, and the interrupted code
// goes on with the next slice. SLICE_OVERRUN_NS after the end the kernel takes the
// processor by force.
void
slice_handlers_set(slice_handler *at_start, slice_handler *at_end);

// Asks for upcalls of a cause that come only to who wants them, or with NULL for
// none.
void
upcall_want(enum upcall_cause cause, cause_handler *handler);

// A critical section: keeps upcalls other than faults back, and lets them in again.
// Those that came meanwhile are made up for at once: handlers are called, and the
// processor is given up if a slice has ended. Calls do not nest.
void
upcall_hold(void);
void
upcall_release(void);

// A short name for a cause, and for an x86 exception, for people.
const char *
upcall_name(u32 cause);
const char *
vector_name(u32 vector);
