// SPDX-License-Identifier: BSD-2-Clause
// How children begin and end: their number, their quota, and who may end whom. Each
// test asks for more than there is, or for what is not his, once, and then looks that
// what is there still works.

#include "libos/crt/start.h"
#include "libos/mem/layout.h"
#include "libos/process/memory.h"
#include "libos/programs/procs/procs.h"


static u32
exit_with(u64 status)
{
	return (u32)status;
}

static u32
sleep_for_ever(u64 unused)
{
	(void)unused;
	for (;;) {
		if (sys_wait(NULL, 0, NEVER) >= 0)
			return 1;
	}
}

// As many children as there may be, and not one more; any of them is waited for.
void
test_many(void)
{
	u32 id[PROCESS_CHILDREN_MAX];
	u64 seen = 0;

	for (u32 i = 0; i < PROCESS_CHILDREN_MAX; i++)
		id[i] = begin(exit_with, i, 0);
	check(process_fork(NULL) == -E_TABLE, "one more is refused");
	check(status_of(id[3]) == 3, "the one asked for");
	for (u32 i = 1; i < PROCESS_CHILDREN_MAX; i++) {
		struct child_end end;
		i64 child = process_wait(0, &end, now_ns() + PATIENCE_NS);

		must(child, "wait");
		for (u32 j = 0; j < PROCESS_CHILDREN_MAX; j++)
			seen |= child == id[j] && end.status == j ? 1u << j : 0;
	}
	check(seen == (1u << PROCESS_CHILDREN_MAX) - 1 - (1u << 3),
	      "each once, with its own status");
	check(process_wait(0, NULL, NEVER) == -E_ABSENT, "then there is none");
}

// Writes more than its quota holds.
static u32
take_all(u64 unused)
{
	(void)unused;
	for (;;) {
		volatile u8 *at = process_alloc(64 * PAGE_SIZE);

		if (!at)
			return STATUS_GOOD;
		for (u32 i = 0; i < 64; i++)
			at[i * PAGE_SIZE] = 1;
	}
}

// The quota of a child bounds what it takes; the parent has what it had.
void
test_greedy(void)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 free = self->quota.frames - self->used.frames;

	check(status_of(begin(take_all, 0, 0)) == STATUS_GOOD,
	      "a child takes until it is refused");
	check(self->quota.frames - self->used.frames + 128 > free,
	      "its quota came back");
}

// Forks without end, everybody, with the quotas that nobody chose. Returns how many it
// made in all, itself included.
static u32
bomb(u64 depth)
{
	u32 count = 1;

	for (;;) {
		i64 child = process_fork(NULL);

		if (child == 0)
			sys_env_exit(depth > 30 ? 0 : bomb(depth + 1));
		if (child < 0)
			break;
	}
	for (;;) {
		struct child_end end;

		if (process_wait(0, &end, NEVER) < 0)
			return count;
		count += end.how == END_EXIT ? end.status : 1;
	}
}

// A fork bomb ends by itself: quotas halve with each generation.
void
test_bomb(void)
{
	i64 child = process_fork(NULL);
	u32 count;

	must(child, "fork");
	if (child == 0)
		sys_env_exit(bomb(0));
	count = status_of((u32)child);
	check(count > 1 && count < ENVS_MAX, "it was bounded");
}

void
test_kill(void)
{
	u32 child = begin(sleep_for_ever, 0, 0);
	struct child_end end;

	check(process_wait(child, &end, now_ns() + 5 * NS_PER_MS) == -E_TIMEOUT,
	      "it sleeps");
	must(process_kill(child), "kill");
	check(process_kill(child) == -E_ABSENT, "it is gone");
	check(process_wait(child, &end, NEVER) == -E_ABSENT, "nobody to wait for");
}

// Nobody ends what is not his: not the parent, not others, by id or by guessed slot.
static u32
kill_strangers(u64 parent)
{
	if (process_kill((u32)parent) != -E_ABSENT || process_kill(0) != -E_ABSENT ||
	    process_kill(1) != -E_ABSENT)
		return 1;
	for (u32 slot = 1; slot < CAP_LIST_SLOTS; slot++) {
		struct cap_info c;

		if (!sys_cap_inspect(CAP_SLOT_SELF, slot, &c) && c.type == CAP_ENV)
			return 2;
		if (sys_page_unmap(slot, REGION_BASE, 1) == 0)
			return 3;
	}
	return STATUS_GOOD;
}

void
test_strangers(void)
{
	u32 id = env_table()[self_index()].id;

	check(status_of(begin(kill_strangers, id, 0)) == STATUS_GOOD,
	      "a child has no hold on anybody else");
	check(process_kill(id) == -E_ABSENT, "nor has its parent on itself");
}
