// SPDX-License-Identifier: BSD-2-Clause
// The consequences of removing capabilities, leaf by leaf, so that by the time
// a root goes nothing below it is left.
//
// Invariant R1: an environment has a frame mapped only while its list covers it
// with the rights of the mapping.

#include "kernel/sys/removal.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/slice.h"

static bool
still_covered(const struct env *env, u64 frame, bool write, bool execute)
{
	u32 rights = CAP_READ | (write ? CAP_WRITE : 0) |
		     (execute ? CAP_EXECUTE : 0);

	return cap_list_covers(&caps, env->index, CAP_FRAMES, rights, frame);
}

static void
frames_gone(const struct cap *removed, u32 node)
{
	struct env *holder = &envs[removed->list];

	ring_cap_gone(node);
	queue_cap_gone(node);
	if (holder->page_root)
		paging_sweep(holder, removed->base, removed->count, still_covered);
	// Roots over modules were minted by boot, over frames that stay reserved.
	if (removed->depth == 0 &&
	    frames.frame[removed->base].state == FRAME_OWNED) {
		ASSERT(frames.frame[removed->base].owner == removed->list);
		own_release(&frames, removed->base, removed->count);
		holder->info->used.frames -= (u32)removed->count;
	}
}

static void
apply(const struct cap *removed, u32 node)
{
	bool root = removed->depth == 0;

	switch ((enum cap_type)removed->type) {
	case CAP_FRAMES:
		frames_gone(removed, node);
		break;
	case CAP_ENV:
		if (root)
			env_capability_gone(&envs[removed->base]);
		break;
	case CAP_SLICES:
		slice_capability_gone(removed, node);
		break;
	case CAP_RING:
		if (root)
			ring_destroy((u32)removed->base);
		break;
	case CAP_QUEUE:
		if (root)
			queue_destroy((u32)removed->base);
		break;
	case CAP_BLOCKS:
		queue_cap_gone(node);
		break;
	case CAP_NIC:
		ring_cap_gone(node);
		break;
	case CAP_CONSOLE:
	case CAP_MACHINE:
		break;			// checked at each call: nothing is bound
	case CAP_NONE:
	case CAP_TYPE_COUNT:
		ASSERT(false);
	}
}

void
removal_run(u32 list, u32 slot, bool self)
{
	struct cap removed;
	u32 node;

	for (u32 steps = 0;; steps++) {
		ASSERT(steps <= caps.pool_size);
		node = cap_remove_step(&caps, list, slot, self, &removed);
		if (node == CAP_NIL)
			return;
		apply(&removed, node);
	}
}
