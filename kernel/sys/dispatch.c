// SPDX-License-Identifier: BSD-2-Clause
// System call dispatch. The table is made from syscalls.def; each processor has a struct
// call, since calls may run beside the kernel lock (lock.h).
//
// Invariants:
//   D1  do_* runs only right after its check_* returned 0
//   D2  what runs beside the lock reads what only changes under it, and changes
//       nothing but its caller's context, page tables and memory: no new table

#include "kernel/sys/dispatch.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/main/trace.h"
#include "kernel/sys/call.h"

static const struct entry {
	i64 (*check)(struct call *call);
	i64 (*perform)(struct call *call);
	u8 type, rights;	// that a[0] must have; CAP_NONE: no matter
} aligned_(32) calls[] = {
#define X(number, name, arguments, sentence) \
	[number].check = check_##name, [number].perform = do_##name,
#define NEEDS(name, cap_type, cap_rights) \
	[SYS_##name].type = cap_type, [SYS_##name].rights = cap_rights,
#include "kernel/abi/syscalls.def"
#include "kernel/sys/authority.def"
#undef NEEDS
#undef X
};

static struct call current[CPUS_MAX];

static inline struct call *
take_arguments(struct env *env)
{
	struct call *call = &current[this_cpu()->index];
	const struct context *c = &env->context;

	call->env = env;
	call->a[0] = c->rdi;
	call->a[1] = c->rsi;
	call->a[2] = c->rdx;
	call->a[3] = c->r10;
	call->a[4] = c->r8;
	call->a[5] = c->r9;
	return call;
}

static inline i64
check(struct call *call, const struct entry *entry)
{
	i64 error = 0;

	if (entry->type != CAP_NONE)
		error = check_cap(call, call->a[0], entry->type, entry->rights,
				  &call->cap);
	return error ? error : entry->check(call);
}

hot_ bool
dispatch_beside(struct env *env)
{
	struct call *call = take_arguments(env);
	const struct entry *entry = &calls[env->context.rax];
	i64 result;

	// Of these null alone needs no capability, and changes nothing.
	if (entry->type == CAP_NONE) {
		result = entry->check(call);
		env->context.rax = (u64)(result ? result : entry->perform(call));
		return true;
	}
	result = check(call, entry);
	if (result == 0) {
		if (!call->own)
			return false;
		result = entry->perform(call);
	}
	trace_beside(TRACE_SYSCALL, (u32)env->context.rax, (u64)result);
	env->context.rax = (u64)result;
	return true;
}

void
dispatch(struct env *env)
{
	struct call *call = take_arguments(env);
	u64 number = env->context.rax;
	i64 result = -E_CALL;

	if (number < ARRAY_SIZE(calls)) {
		result = check(call, &calls[number]);
		ASSERT(result <= 0);
		if (result == 0)
			result = calls[number].perform(call);
	}
	if (number != SYS_null)
		trace(TRACE_SYSCALL, (u32)MIN(number, 0xffffu), (u64)result);
	env->context.rax = (u64)result;
}
