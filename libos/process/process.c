// SPDX-License-Identifier: BSD-2-Clause
// The children of a process: making, waiting for, and ending them.
//
// Invariants:
//   K1  an entry is in use exactly when its child.id is not 0
//   K2  `spare` is a block that no child uses, or has count 0
//
// In a child that was just forked, both are its parent's: process_began() empties
// them before anything else is done.

#include "libos/process/process.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/locate.h"
#include "libos/process/fork.h"
#include "libos/process/memory.h"

static struct entry {
	struct forked forked;
	u32 fork;		// its number, from 1
} children[PROCESS_CHILDREN_MAX];

static struct frame_run spare;

// Where descriptor.c is linked: what a child holds.
__attribute__((weak)) void
descriptors_forked(u32 index, u32 id);

i64
fork_enter(const struct quota *quota);

i64
fork_parent(u64 rsp, const struct quota *wanted);

i64
process_init(void)
{
	return memory_init();
}

u32
process_oldest_fork(void)
{
	u32 oldest = PAGES_NONE;

	for (u32 i = 0; i < PROCESS_CHILDREN_MAX; i++) {
		const struct entry *e = &children[i];

		if (e->forked.child.id && !child_is_dead(&e->forked.child))
			oldest = MIN(oldest, e->fork);
	}
	return oldest;
}

u32
process_children(void)
{
	u32 count = 0;

	for (u32 i = 0; i < PROCESS_CHILDREN_MAX; i++)
		count += children[i].forked.child.id != 0;
	return count;
}

static struct entry *
find(u32 id)
{
	for (u32 i = 0; i < PROCESS_CHILDREN_MAX; i++) {
		if (children[i].forked.child.id == id)
			return &children[i];
	}
	return NULL;
}

// Unless the caller says otherwise, a third of what is left.
static i64
default_quota(struct quota *quota)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 frames = self->quota.frames - self->used.frames;
	u32 slices = self->quota.slices - self->used.slices;
	u32 envs = self->quota.envs - self->used.envs;

	if (!slices || !envs)
		return -E_QUOTA;
	*quota = (struct quota){
		.frames = frames / 3,
		.slices = (slices - 1) / 3,
		.envs = (envs - 1) / 3,
	};
	return 0;
}

// The processor with the most free slices.
static u32
emptiest_processor(void)
{
	u32 best = 0, most = 0;

	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		const volatile struct slice_info *s =
			slice_table() + cpu * SLICES_PER_CPU;
		u32 free = 0;

		for (u32 i = 0; i < SLICES_PER_CPU; i++)
			free += s[i].owner == OWNER_NONE;
		if (free > most) {
			best = cpu;
			most = free;
		}
	}
	return best;
}

// Keeps a block for the next fork: the longer one.
static void
keep_block(const struct frame_run *block)
{
	struct frame_run worse = *block;

	if (block->count > spare.count) {
		worse = spare;
		spare = *block;
	}
	if (worse.count)
		cap_drop_all(worse.slot);
}

static void
take_down(struct entry *e, struct child_end *end)
{
	child_reap(&e->forked.child, end);
	keep_block(&e->forked.block);
	*e = (struct entry){ 0 };
}

i64
fork_parent(u64 rsp, const struct quota *wanted)
{
	struct entry *e = find(0);
	struct quota quota;
	i64 result = 0;

	if (wanted)
		quota = *wanted;
	else
		result = default_quota(&quota);

	if (!e)
		return -E_TABLE;
	if (!result && quota.frames < FORK_FRAMES_MIN)
		result = -E_QUOTA;
	if (result)
		return result;
	ASSERT(memory.forks < PAGES_NONE - 1);
	e->fork = ++memory.forks;
	result = fork_copy(rsp, &quota, emptiest_processor(), &spare, &e->forked,
			   descriptors_forked);
	if (result < 0)
		take_down(e, NULL);
	return result;
}

static void
process_began(void)
{
	memset(children, 0, sizeof(children));
	spare = (struct frame_run){ 0 };
	frames_forget();
	locate_forget();
	start_find_self();
}

i64
process_fork(const struct quota *quota)
{
	u64 here = (u64)__builtin_frame_address(0);
	i64 result;

	if (!memory.ready || pages_find(&memory.pages, here) == PAGES_NONE)
		return -E_STATE;
	result = fork_enter(quota);
	if (result == 0)
		process_began();
	return result;
}

// A child that has ended, of id 0 any; *set has the words of those that run.
static struct entry *
ended(u32 id, struct wait_word words[PROCESS_CHILDREN_MAX], u32 *count)
{
	*count = 0;
	for (u32 i = 0; i < PROCESS_CHILDREN_MAX; i++) {
		struct child *child = &children[i].forked.child;

		if (!child->id || (id && child->id != id))
			continue;
		words[(*count)++] = child_word(child);
		if (child_is_dead(child))
			return &children[i];
	}
	return NULL;
}

i64
process_wait(u32 id, struct child_end *end, u64 deadline_ns)
{
	for (;;) {
		struct wait_word words[PROCESS_CHILDREN_MAX];
		u32 count;
		struct entry *e = ended(id, words, &count);
		i64 result;

		if (e) {
			result = e->forked.child.id;
			take_down(e, end);
			return result;
		}
		if (!count)
			return -E_ABSENT;
		result = sys_wait(words, count, deadline_ns);
		if (result == -E_TIMEOUT)
			return result;
		ASSERT(result >= 0 || result == -E_AGAIN);
	}
}

i64
process_kill(u32 id)
{
	struct entry *e = id ? find(id) : NULL;

	if (!e)
		return -E_ABSENT;
	take_down(e, NULL);
	return 0;
}
