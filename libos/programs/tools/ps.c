// SPDX-License-Identifier: BSD-2-Clause
// Lists the environments as processes: id, parent, state, processor time, memory, name.
// It reads the exported table, as anybody may; the shell's `envs` shows more of it.
//
//	ps

#include "libos/crt/clock.h"
#include "libos/programs/tools/tool.h"

static const char *
state_name(u32 state)
{
	static const char *const names[] = {
		"free", "new", "runs", "sleeps", "dying", "dead",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print("   ID PARENT STATE    CPU ms      KiB NAME\n");
	for (u32 i = 0; i < ENVS_MAX; i++) {
		const volatile struct env_info *e = &env_table()[i];
		u64 cpu_ms = e->cpu_ns / NS_PER_MS;
		char name[ENV_NAME_SIZE];

		if (e->id == 0)
			continue;
		for (u32 c = 0; c < ENV_NAME_SIZE; c++)
			name[c] = e->name[c];
		name[ENV_NAME_SIZE - 1] = 0;
		print("%5u %6u %-7s %7lu %8u %s\n", e->id, e->parent,
		      state_name(e->state), cpu_ms,
		      e->used.frames * 4, name);
	}
	return STATUS_OK;
}
