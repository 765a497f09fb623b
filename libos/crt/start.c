// SPDX-License-Identifier: BSD-2-Clause
// Start-up in C: from the uarea to main().
//
// The parent wrote the uarea and is not trusted to have written it well: counts
// are clipped to what the structure can hold, strings to its end.

#include "libos/crt/start.h"
#include "kernel/abi/syscalls.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"
#include "libos/mem/stack.h"

static char *arguments[ARGUMENTS_MAX + 1];
static char name[ENV_NAME_SIZE];
static u32 index_of_self;

// What -fstack-protector-strong compares with; its name is the compiler's.
u64 __stack_chk_guard = 0x00a3c5f07d5a9b00;

noreturn_ void
start(void);

noreturn_ void
__stack_chk_fail(void);

void
__stack_chk_fail(void)
{
	assert_failed("stack guard intact", program_name(), 0);
}

const char *
program_name(void)
{
	return name;
}

u32
self_index(void)
{
	return index_of_self;
}

const struct startup_cap *
startup_find(enum startup_role role, u32 nth)
{
	const struct uarea *u = uarea();
	u32 count = MIN(u->cap_count, STARTUP_CAPS_MAX);

	for (u32 i = 0; i < count; i++) {
		if (u->cap[i].role == role && nth-- == 0)
			return &u->cap[i];
	}
	return NULL;
}

u32
startup_slot(enum startup_role role)
{
	const struct startup_cap *cap = startup_find(role, 0);

	return cap ? cap->slot : SLOT_NONE;
}

static int
find_arguments(void)
{
	struct uarea *u = uarea();
	char *end = u->arguments + sizeof(u->arguments);
	char *at = u->arguments;
	u32 count = MIN(u->argument_count, ARGUMENTS_MAX);
	u32 found = 0;

	end[-1] = 0;
	while (found < count && at < end) {
		arguments[found++] = at;
		at += strlen(at) + 1;
	}
	if (found == 0)
		arguments[found++] = name;
	ASSERT(found <= ARGUMENTS_MAX);
	return (int)found;
}

void
start_find_self(void)
{
	struct cap_info self;

	if (sys_cap_inspect(CAP_SLOT_SELF, CAP_SLOT_SELF, &self) < 0 ||
	    self.base >= ENVS_MAX)
		sys_env_exit(255);
	index_of_self = (u32)self.base;
	for (u32 i = 0; i < ENV_NAME_SIZE - 1; i++)
		name[i] = env_table()[index_of_self].name[i];
}

// The guard is set in a function that has none, and never returns.
__attribute__((optimize("no-stack-protector"))) void
start(void)
{
	u64 random = 0;

	start_find_self();
	if (sys_entropy_read(&random, sizeof(random)) >= 0)
		__stack_chk_guard = random & ~0xffull;
	upcall_init();
	stack_init();
	sys_env_exit((u32)main(find_arguments(), arguments));
}
