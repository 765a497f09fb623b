// SPDX-License-Identifier: BSD-2-Clause
// The checked kernel's ear: a test program speaks to it by the null call (its
// words are in libos/programs/hostile/control.h).
//
// Scarcity: each SCARCE() of the kernel's sources counts, for the environment that
// asked only, and the nth fails. A site that has failed remembers it.

#include "harness/checked/checked.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/scarce.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/call.h"
#include "libos/programs/hostile/control.h"

u32 planted_bug;		// planted.py: 0 for none

static bool performing;			// in a do_*, which may not fail
static u32 scarce_env = ENVS_MAX;
static u64 scarce_left;
static u64 sites_failed;

i64
__real_do_null(struct call *call);
i64
__wrap_do_null(struct call *call);

u32
__real_cap_derive(struct cap_tree *tree, u32 list, u32 slot, u32 target, u32 rights,
		  u64 base, u64 count);
u32
__wrap_cap_derive(struct cap_tree *tree, u32 list, u32 slot, u32 target, u32 rights,
		  u64 base, u64 count);
bool
__real_dispatch_beside(struct env *env);
bool
__wrap_dispatch_beside(struct env *env);

bool
scarce_fails(struct scarce_site *site)
{
	if (performing || this_cpu()->current != scarce_env || !scarce_left ||
	    --scarce_left)
		return false;
	if (!site->failed)
		kprintf("scarce: %s:%d\n", site->file, site->line);
	sites_failed += !site->failed;
	site->failed = true;
	return true;
}

// It asserts what its check said, and asks for room once more.
u32
__wrap_cap_derive(struct cap_tree *tree, u32 list, u32 slot, u32 target, u32 rights,
		  u64 base, u64 count)
{
	u32 derived;

	performing = true;
	derived = __real_cap_derive(tree, list, slot, target, rights, base, count);
	performing = false;
	return derived;
}

// Null calls take no lock. Those that are orders do: they look at everything.
bool
__wrap_dispatch_beside(struct env *env)
{
	return env->context.rdi != CONTROL_MAGIC && __real_dispatch_beside(env);
}

i64
__wrap_do_null(struct call *call)
{
	if (call->a[0] != CONTROL_MAGIC)
		return __real_do_null(call);
	switch ((enum control)call->a[1]) {
	case CONTROL_PRESENT:
		return 1;
	case CONTROL_AUDIT:
		audit();
		return 0;
	case CONTROL_SCARCE:
		scarce_env = call->env->index;
		scarce_left = call->a[2];
		return 0;
	case CONTROL_SCARCE_LEFT:
		return (i64)scarce_left;
	case CONTROL_SITES:
		return (i64)sites_failed;
	case CONTROL_PLANT:
		planted_bug = (u32)call->a[2];
		return 0;
	case CONTROL_COUNT:
		break;
	}
	return -E_ARGUMENT;
}
