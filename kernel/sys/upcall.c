// SPDX-License-Identifier: BSD-2-Clause
// Upcall delivery. The uarea is the environment's to scribble on at any time,
// from another thread of it never (it runs on one processor), but between two
// reads it may hold anything: each word is read once and checked.
//
// Invariant U1: after delivery the context lies in user space and the frame was
// written where the environment itself could have written.

#include "kernel/sys/upcall.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env_life.h"

static void
refuse(struct env *env, enum env_end how, const struct upcall_frame *frame)
{
	env->info->fault_vector = frame->cause == UPCALL_FAULT ?
				  frame->vector : VECTOR_TIMER_UPCALL;
	env->info->fault_rip = frame->rip;
	env->info->fault_address = frame->address;
	env_end(env, how, 0);
}

// Where the frame goes, or 0 when the stack cannot take it.
static u64
frame_place(const struct uarea *uarea, u64 rsp)
{
	u64 bottom = __atomic_load_n(&uarea->upcall_stack_bottom, __ATOMIC_RELAXED);
	u64 top = __atomic_load_n(&uarea->upcall_stack_top, __ATOMIC_RELAXED);
	// A full stack is still that stack: the next one does not start at its top.
	u64 from = rsp >= bottom && rsp <= top ? rsp : top;

	if (bottom >= top || top > USER_END || bottom < USER_BASE)
		return 0;
	from = ALIGN_DOWN(from, 16);
	if (from < bottom || from - bottom < sizeof(struct upcall_frame))
		return 0;
	return from - sizeof(struct upcall_frame);
}

static void
deliver(struct env *env, const struct upcall_frame *frame)
{
	struct context *c = &env->context;
	u64 entry = __atomic_load_n(&env->uarea->upcall_entry, __ATOMIC_RELAXED);
	struct user_out out;
	u64 place;

	if (entry < USER_BASE || entry >= USER_END) {
		refuse(env, END_FAULT, frame);
		return;
	}
	place = frame_place(env->uarea, c->rsp);
	if (!place || user_out(env, place, sizeof(*frame), &out)) {
		refuse(env, END_UPCALL, frame);
		return;
	}
	user_write(&out, frame, sizeof(*frame));
	trace(TRACE_UPCALL, frame->cause, frame->rip);
	c->rsp = place;
	c->rip = entry;
	c->rflags = RFLAGS_USER;
	ASSERT(c->rip < USER_END && c->rsp < USER_END);
}

void
upcall_fault(struct env *env)
{
	const struct context *c = &env->context;
	struct upcall_frame frame = {
		.cause = UPCALL_FAULT,
		.vector = (u32)c->vector,
		.error = c->error,
		.address = c->vector == VECTOR_PAGE_FAULT ? cr2_read() : 0,
		.rip = c->rip,
		.cs = c->cs,
		.rflags = c->rflags,
		.rsp = c->rsp,
		.ss = c->ss,
	};

	ASSERT(c->vector < VECTOR_EXCEPTIONS);
	trace(TRACE_FAULT, (u32)c->vector, frame.address);
	env->info->faults++;
	deliver(env, &frame);
}

void
upcall_timer(struct env *env, u64 now_ns)
{
	const struct context *c = &env->context;

	if (now_ns < env->timer_deadline_ns)
		return;
	env->timer_deadline_ns = NEVER;
	if (__atomic_load_n(&env->uarea->upcall_held, __ATOMIC_RELAXED)) {
		__atomic_fetch_or(&env->uarea->upcall_pending,
				  1u << UPCALL_TIMER, __ATOMIC_RELAXED);
		return;
	}

	struct upcall_frame frame = {
		.cause = UPCALL_TIMER,
		.rip = c->rip,
		.cs = c->cs,
		.rflags = c->rflags,
		.rsp = c->rsp,
		.ss = c->ss,
	};

	deliver(env, &frame);
}
