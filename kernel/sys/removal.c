// SPDX-License-Identifier: BSD-2-Clause
// The consequences of removing capabilities, leaf by leaf, so that by the time
// a root goes nothing below it is left.
//
// Mappings are looked at once for each environment that lost something, when
// everything is removed, and not once for each capability: the page tables of
// all environments together are no more than the node's frames, which bounds
// the work whatever was derived from what.
//
// Invariant R1: outside removal_run() and removal_run_all() an environment has a
// frame mapped only while one capability in its list covers it with the rights
// of the mapping.

#include "kernel/sys/removal.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/slice.h"

// Environments that lost capabilities for frames, and between which frames.
static u64 losers;
static struct {
	u64 first;
	u64 end;
} lost[ENVS_MAX];

// For each frame what one environment may map, while its tables are swept: bits
// of paging.h; otherwise 0.
static u8 *cover;

void
removal_init(void)
{
	ASSERT(!cover && frames.count > 0);
	cover = boot_frames(ALIGN_UP(frames.count, PAGE_SIZE) / PAGE_SIZE);
}

static void
frames_gone(const struct cap *removed, u32 node)
{
	u32 index = removed->list;
	u64 end = removed->base + removed->count;
	bool before = losers >> index & 1;

	ring_cap_gone(node);
	queue_cap_gone(node);
	fabric_cap_gone(node);
	losers |= 1ull << index;
	lost[index].first = before ? MIN(lost[index].first, removed->base)
				   : removed->base;
	lost[index].end = before ? MAX(lost[index].end, end) : end;
	// Roots over modules were minted by boot, over frames that stay reserved.
	if (removed->depth == 0 &&
	    frames.frame[removed->base].state == FRAME_OWNED) {
		ASSERT(frames.frame[removed->base].owner == index);
		own_release(&frames, removed->base, removed->count);
		envs[index].info->used.frames -= (u32)removed->count;
	}
}

// Adds to `cover` what the list allows between two frames; with `undo` forgets it.
static void
mark_cover(u32 list, u64 first, u64 end, bool undo)
{
	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		const struct cap *cap = cap_at(&caps, list, slot);

		if (!cap || cap->type != CAP_FRAMES || !(cap->rights & CAP_READ))
			continue;

		u64 from = MAX(first, cap->base);
		u64 to = MIN(end, cap->base + cap->count);
		u8 bits = COVER_READ;

		bits |= cap->rights & CAP_WRITE ? COVER_WRITE : 0;
		bits |= cap->rights & CAP_EXECUTE ? COVER_EXECUTE : 0;
		for (u64 f = from; f < to; f++)
			cover[f] = undo ? 0 : cover[f] | bits;
	}
}

// Removes the mappings that nothing covers any more (R1).
static void
sweep(void)
{
	for (; losers; losers &= losers - 1) {
		u32 index = (u32)__builtin_ctzll(losers);
		u64 first = lost[index].first, end = lost[index].end;

		if (!envs[index].page_root)
			continue;
		mark_cover(index, first, end, false);
		paging_sweep(&envs[index], first, end - first, cover);
		mark_cover(index, first, end, true);
	}
}

static void
apply(const struct cap *removed, u32 node)
{
	bool root = removed->depth == 0;

	if (removed->list >= FABRIC_LIST_FIRST) {
		fabric_export_gone(removed, node);
		return;
	}
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
	case CAP_FABRIC:
		fabric_cap_gone(node);
		break;
	case CAP_FABRIC_QUEUE:
		if (root)
			fabric_queue_destroy((u32)removed->base);
		break;
	case CAP_ENDPOINT:
		if (root)
			endpoint_destroy((u32)removed->base);
		break;
	case CAP_REMOTE:
		if (root)
			remote_gone(removed->base);
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

static void
remove_tree(u32 list, u32 slot, bool self)
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

void
removal_run(u32 list, u32 slot, bool self)
{
	ASSERT(losers == 0);
	remove_tree(list, slot, self);
	sweep();
}

void
removal_run_all(u32 list)
{
	ASSERT(losers == 0);
	for (u32 slot = CAP_LIST_SLOTS; slot-- > 0;)
		remove_tree(list, slot, true);
	sweep();
}
