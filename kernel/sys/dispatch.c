// SPDX-License-Identifier: BSD-2-Clause
// System call dispatch. The table is made from syscalls.def; one struct call is
// enough, because calls run one at a time under the kernel lock.
//
// Invariant D1: do_* runs only right after its check_* returned 0.

#include "kernel/sys/dispatch.h"
#include "kernel/base/assert.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"

static const struct {
	i64 (*check)(struct call *call);
	i64 (*perform)(struct call *call);
} calls[] = {
#define X(number, name, arguments, sentence) \
	[number] = { check_##name, do_##name },
#include "kernel/abi/syscalls.def"
#undef X
};

static struct call the_call;

void
dispatch(struct env *env)
{
	struct context *c = &env->context;
	u64 number = c->rax;
	i64 result = -E_CALL;

	the_call.env = env;
	the_call.a[0] = c->rdi;
	the_call.a[1] = c->rsi;
	the_call.a[2] = c->rdx;
	the_call.a[3] = c->r10;
	the_call.a[4] = c->r8;
	the_call.a[5] = c->r9;
	if (number < ARRAY_SIZE(calls)) {
		result = calls[number].check(&the_call);
		ASSERT(result <= 0);
		if (result == 0)
			result = calls[number].perform(&the_call);
	}
	if (number != SYS_null)
		trace(TRACE_SYSCALL, (u32)MIN(number, 0xffffu), (u64)result);
	c->rax = (u64)result;
}
