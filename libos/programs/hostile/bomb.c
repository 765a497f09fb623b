// SPDX-License-Identifier: BSD-2-Clause
// Starts itself again and again, and each of those does the same: as many
// environments as the quota of the first allows. The first then says how many
// there are and loops for ever, as all of them do.

#include "kernel/base/string.h"
#include "libos/crt/program.h"
#include "libos/programs/hostile/verdict.h"

static struct archive boot;

static const volatile struct env_info *
self(void)
{
	return &env_table()[self_index()];
}

// Half of what is left goes to the next one.
static i64
start_another(void)
{
	char *argv[] = { "bomb", "child", NULL };
	const volatile struct env_info *me = self();
	struct spawn_grant grant;
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 2,
		.argv = argv,
		.grants = &grant,
		.quota = {
			.frames = (me->quota.frames - me->used.frames) / 2,
			.envs = (me->quota.envs - me->used.envs) / 2,
			.slices = (me->quota.slices - me->used.slices) / 2,
		},
		.cpu = sys_info()->cpu_count - 1,
		.slices = 1,
	};
	struct child child;

	spec.grant_count = !grant_of_role(ROLE_BOOT_ARCHIVE, CAP_READ |
					  CAP_EXECUTE | CAP_DERIVE, &grant);
	return program_start(&spec, &child);
}

static u32
count_bombs(void)
{
	u32 count = 0;

	for (u32 i = 0; i < ENVS_MAX; i++) {
		const volatile struct env_info *e = &env_table()[i];

		count += e->id && e->name[0] == 'b' && e->name[1] == 'o';
	}
	return count;
}

int
main(int argc, char **argv)
{
	i64 result;

	(void)argv;
	need("open the archive", archive_open(ROLE_BOOT_ARCHIVE, &boot));
	while ((result = start_another()) >= 0)
		;
	if (argc == 1)
		print("bomb: %u environments, then: %s\n", count_bombs(),
		      error_text(result));
	for (;;)
		;
}
