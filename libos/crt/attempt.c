// SPDX-License-Identifier: BSD-2-Clause
// Recovery from faults: the handler resumes not at the faulting instruction but
// at the end of attempt_run() (attempt.S), with the stack pointer from its
// beginning.
//
// Invariant: saved_rsp is not 0 exactly while a body runs.

#include "libos/crt/attempt.h"
#include "kernel/base/assert.h"

#define RFLAGS_PLAIN 0x202u	// interrupts on, nothing else

static u64 saved_rsp;
static struct upcall_frame caught;

// Runs body(argument) after storing the stack pointer. Returns 0, or 1 when it
// was resumed at attempt_failed.
u64
attempt_run(void (*body)(void *argument), void *argument, u64 *rsp);

extern const u8 attempt_failed[];

static bool
on_fault(struct upcall_context *context)
{
	if (!saved_rsp)
		return false;
	caught = context->frame;
	context->frame.rip = (u64)attempt_failed;
	context->frame.rsp = saved_rsp;
	context->frame.rflags = RFLAGS_PLAIN;
	saved_rsp = 0;
	return true;
}

bool
attempt(void (*body)(void *argument), void *argument,
	struct upcall_frame *fault)
{
	bool failed;

	ASSERT(!saved_rsp);
	fault_handler_add(on_fault);
	failed = attempt_run(body, argument, &saved_rsp);
	fault_handler_remove(on_fault);
	saved_rsp = 0;
	if (failed)
		*fault = caught;
	return failed;
}
