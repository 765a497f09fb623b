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
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"
#include "kernel/sys/env_life.h"

// What an upcall tells; the rest of its frame is the environment's context.
struct event {
	enum upcall_cause cause;
	u32 vector;
	u64 error;
	u64 address;
};

static void
refuse(struct env *env, enum env_end how, const struct event *event)
{
	env->info->fault_vector = event->cause == UPCALL_FAULT ?
				  event->vector : VECTOR_TIMER_UPCALL;
	env->info->fault_rip = env->context.rip;
	env->info->fault_address = event->address;
	env_end(env, how, 0);
}

struct bounds {
	u64 bottom;
	u64 top;
};

static struct bounds
stack_bounds(const struct uarea *uarea)
{
	return (struct bounds){
		__atomic_load_n(&uarea->upcall_stack_bottom, __ATOMIC_RELAXED),
		__atomic_load_n(&uarea->upcall_stack_top, __ATOMIC_RELAXED),
	};
}

static bool
within(struct bounds stack, u64 rsp)
{
	return rsp >= stack.bottom && rsp <= stack.top;
}

// Where the frame goes, or 0 when the stack cannot take it. It is aligned to its own
// size, so that it lies in one page.
static inline u64
frame_place(const struct uarea *uarea, u64 rsp)
{
	struct bounds stack = stack_bounds(uarea);
	// A full stack is still that stack: the next one does not start at its top.
	u64 from = within(stack, rsp) ? rsp : stack.top;

	if (stack.bottom >= stack.top || stack.top > USER_END ||
	    stack.bottom < USER_BASE)
		return 0;
	STATIC_ASSERT(PAGE_SIZE % sizeof(struct upcall_frame) == 0);
	from = ALIGN_DOWN(from, sizeof(struct upcall_frame));
	if (from < stack.bottom ||
	    from - stack.bottom < sizeof(struct upcall_frame))
		return 0;
	return from - sizeof(struct upcall_frame);
}

// Returns END_NONE, or how the environment is to end because it cannot be entered;
// then nothing has changed.
must_check static inline __attribute__((always_inline)) enum env_end
deliver(struct env *env, const struct event *event)
{
	struct context *c = &env->context;
	u64 entry = __atomic_load_n(&env->uarea->upcall_entry, __ATOMIC_RELAXED);
	struct upcall_frame *to;
	u64 place, frame;

	if (entry < USER_BASE || entry >= USER_END)
		return END_FAULT;
	place = frame_place(env->uarea, c->rsp);
	to = place ? paging_translate(env, place, true, &frame) : NULL;
	if (!to)
		return END_UPCALL;
	*to = (struct upcall_frame){
		.cause = event->cause,
		.vector = event->vector,
		.error = event->error,
		.address = event->address,
		.rip = c->rip,
		.cs = c->cs,
		.rflags = c->rflags,
		.rsp = c->rsp,
		.ss = c->ss,
	};
	c->rsp = place;
	c->rip = entry;
	c->rflags = RFLAGS_USER;
	ASSERT(c->rip < USER_END && c->rsp < USER_END);
	return END_NONE;
}

hot_ bool
upcall_fault(struct env *env, bool locked)
{
	const struct context *c = &env->context;
	const struct event event = {
		.cause = UPCALL_FAULT,
		.vector = (u32)c->vector,
		.error = c->error,
		.address = c->vector == VECTOR_PAGE_FAULT ? cr2_read() : 0,
	};
	u64 rip = c->rip;
	enum env_end how;

	ASSERT(c->vector < VECTOR_EXCEPTIONS);
	// It may be written by now: paging_map().
	if (c->vector == VECTOR_PAGE_FAULT && c->error == PAGE_FAULT_WRITE &&
	    paging_writable(env, event.address))
		return true;
	how = deliver(env, &event);
	if (how && !locked)
		return false;
	env->info->faults++;
	trace_beside(TRACE_FAULT, event.vector,
		     c->vector == VECTOR_PAGE_FAULT ? event.address : rip);
	if (how)
		refuse(env, how, &event);
	return true;
}

// What a slice or a completion tells does not nest in what runs on the upcall stack:
// however many come, they take no more of it.
static bool
enters(const struct env *env, enum upcall_cause cause)
{
	return !__atomic_load_n(&env->uarea->upcall_held, __ATOMIC_RELAXED) &&
	       (cause == UPCALL_TIMER || cause == UPCALL_REVOKE ||
		!within(stack_bounds(env->uarea), env->context.rsp));
}

// Held back, an upcall leaves its bit for whoever lets upcalls in again.
static void
interrupt(struct env *env, struct event event)
{
	u64 rip = env->context.rip;
	enum env_end how;

	ASSERT(event.cause != UPCALL_FAULT);
	if (!enters(env, event.cause)) {
		__atomic_fetch_or(&env->uarea->upcall_pending, 1u << event.cause,
				  __ATOMIC_RELAXED);
		return;
	}
	how = deliver(env, &event);
	if (how)
		refuse(env, how, &event);
	else
		trace(TRACE_UPCALL, event.cause, rip);
}

void
upcall_timer(struct env *env, u64 now_ns)
{
	if (now_ns < env->timer_deadline_ns)
		return;
	env->timer_deadline_ns = NEVER;
	interrupt(env, (struct event){ .cause = UPCALL_TIMER });
}

void
upcall_slice(struct env *env, enum upcall_cause cause, u64 until_ns)
{
	const struct cpu *cpu = this_cpu();

	ASSERT(cpu->current == env->index);
	interrupt(env, (struct event){
		.cause = cause,
		.vector = cpu->index,
		.error = cpu->slice,
		.address = until_ns,
	});
}

void
upcall_late(struct env *env)
{
	__atomic_fetch_and(&env->uarea->upcall_pending, ~(1u << UPCALL_SLICE_END),
			   __ATOMIC_RELAXED);
}

static bool
told(const struct env *env, enum upcall_cause cause)
{
	return env->told >> cause & 1 &&
	       (cause != UPCALL_REVOKE || upcall_wanted(env, cause));
}

bool
upcall_told_enters(const struct env *env)
{
	return (told(env, UPCALL_REVOKE) && enters(env, UPCALL_REVOKE)) ||
	       (told(env, UPCALL_COMPLETION) && enters(env, UPCALL_COMPLETION));
}

void
upcall_told(struct env *env)
{
	static const enum upcall_cause causes[] = { UPCALL_REVOKE, UPCALL_COMPLETION };

	for (u32 i = 0; i < ARRAY_SIZE(causes); i++) {
		if (told(env, causes[i]))
			interrupt(env, (struct event){ .cause = causes[i] });
	}
	env->told = 0;
}
