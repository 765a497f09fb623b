// SPDX-License-Identifier: BSD-2-Clause
// The checked kernel's ear: a test program speaks to it by the null call (its
// words are in libos/programs/hostile/control.h). And what holds at each entry.
//
// Scarcity: each SCARCE() of the kernel's sources counts, for the environment that
// asked only, and the nth fails; or the one that is named fails, for whoever comes there
// next. A site that has failed remembers it.

#include "harness/checked/checked.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/scarce.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/call.h"
#include "libos/programs/hostile/control.h"

#define FLAG_TF 0x100u
#define FLAG_IF 0x200u
#define FLAG_DF 0x400u
#define FLAG_IOPL 0x3000u
#define FLAG_NT 0x4000u
#define FLAG_AC 0x40000u

u32 planted_bug;		// planted.py: 0 for none

static bool performing;			// in a do_*, which may not fail
static u32 scarce_env = ENVS_MAX;
static u64 scarce_left;
static u64 named_file;			// the first letters of its name
static u64 named_line;			// where the mark begins; 0: none is named
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
void
__real_dispatch(struct env *env);
void
__wrap_dispatch(struct env *env);
bool
__real_upcall_fault(struct env *env, bool locked);
bool
__wrap_upcall_fault(struct env *env, bool locked);

static bool
is_counted_out(void)
{
	return this_cpu()->current == scarce_env && scarce_left && !--scarce_left;
}

// The compiler names the last line of a mark.
static bool
is_named(const struct scarce_site *site)
{
	u64 line = (u64)site->line;
	const char *name = site->file;

	if (line < named_line || line >= named_line + SCARCE_LINES_MAX)
		return false;
	for (const char *at = name; *at; at++)
		name = *at == '/' ? at + 1 : name;
	if (control_word(name) != named_file)
		return false;
	named_line = 0;
	return true;
}

bool
scarce_fails(struct scarce_site *site)
{
	if (performing || !((named_line && is_named(site)) || is_counted_out()))
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

// Whatever flags the program had, the kernel runs with its own: AC would suspend SMAP, NT
// make the next IRETQ fail, TF trap, DF turn copies round.
static void
check_flags(void)
{
	u64 flags, never = FLAG_NT | FLAG_IOPL | FLAG_DF | FLAG_IF | FLAG_TF;

	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	if (cpu_features.smap)
		never |= FLAG_AC;
	if (flags & never)
		checked_report("flags of a program in the kernel: 0x%llx",
			       (unsigned long long)flags);
}

void
__wrap_dispatch(struct env *env)
{
	check_flags();
	__real_dispatch(env);
}

bool
__wrap_upcall_fault(struct env *env, bool locked)
{
	check_flags();
	return __real_upcall_fault(env, locked);
}

// Null calls take no lock. Those that are orders do: they look at everything.
bool
__wrap_dispatch_beside(struct env *env)
{
	check_flags();
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
	case CONTROL_SCARCE_FILE:
		named_file = call->a[2];
		return 0;
	case CONTROL_SCARCE_LINE:
		named_line = call->a[2];
		return 0;
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
