// SPDX-License-Identifier: BSD-2-Clause
// Children for the tests that need a second environment: the same program, given a
// page that both map, and how the two tell each other of what changed there.

#include "kernel/base/assert.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"


static struct spawn_grant
grant_frames(const struct frame_run *run, u32 rights)
{
	return (struct spawn_grant){
		.role = ROLE_SHARED,
		.slot = run->slot,
		.rights = rights,
		.base = run->frame,
		.count = run->count,
	};
}

void
helper_start(struct helper *helper, char *what, u32 cpu,
	     const struct frame_run *lent)
{
	helper_start_with(helper, what, cpu, lent,
			  (struct quota){ .frames = CHILD_FRAMES });
}

void
helper_start_with(struct helper *helper, char *what, u32 cpu,
		  const struct frame_run *lent, struct quota quota)
{
	static struct archive boot;
	char *argv[] = { "selftest", "child", what, NULL };
	struct spawn_grant grants[5];
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 3,
		.argv = argv,
		.grants = grants,
		.quota = quota,
		.cpu = cpu,
		.slices = 1,
	};

	if (!boot.data)
		must(archive_open(ROLE_BOOT_ARCHIVE, &boot), "boot archive");
	must(frames_take(1, &helper->page), "a shared frame");
	helper->shared = direct_address(helper->page.frame);
	*helper->shared = (struct shared){ 0 };
	grants[spec.grant_count++] =
		grant_frames(&helper->page, CAP_READ | CAP_WRITE);
	if (lent)
		grants[spec.grant_count++] = grant_frames(lent, CAP_READ);
	if (!grant_of_role(ROLE_CONSOLE, quota.envs ? CAP_WRITE | CAP_DERIVE
						     : CAP_WRITE,
			   &grants[spec.grant_count]))
		spec.grant_count++;
	if (quota.rings && !grant_of_role(ROLE_NIC, CAP_READ | CAP_WRITE,
					  &grants[spec.grant_count]))
		spec.grant_count++;
	if (quota.envs && !grant_of_role(ROLE_BOOT_ARCHIVE, CAP_ALL & ~CAP_FORGE,
					 &grants[spec.grant_count]))
		spec.grant_count++;
	must(program_start(&spec, &helper->child), "a child");
}

void
helper_end(struct helper *helper)
{
	child_reap(&helper->child, NULL);
	frames_give(&helper->page);
}

void
helper_settled(const struct helper *helper)
{
	const volatile struct env_info *info = &env_table()[helper->child.index];

	for (u32 open = info->requests; open; open = info->requests) {
		if (!changed(&info->requests, open)) {
			check(false, "requests end");
			return;
		}
	}
}

void
helper_recorded(const struct helper *helper, u32 which, enum cap_type type, u32 slot,
		u64 base, u64 count)
{
	const volatile struct revoke_taken *r = &helper->shared->record[which];

	check(helper->shared->records > which && r->type == type && r->slot == slot &&
	      r->base == base && r->count == count, "the record says so");
}

bool
changed(const volatile u32 *word, u32 was)
{
	u64 until = now_ns() + PATIENCE_NS;
	struct wait_word wait = { .va = (u64)word, .expected = was };

	while (*word == was) {
		if (sys_wait(&wait, 1, until) == -E_TIMEOUT)
			return false;
	}
	return true;
}

void
announce(volatile u32 *word, u32 value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	sys_wake((const u32 *)word);
}

u32
processor(void)
{
	return env_table()[self_index()].processor;
}
