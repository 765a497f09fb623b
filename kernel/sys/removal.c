// SPDX-License-Identifier: BSD-2-Clause
// The consequences of removing capabilities, leaf by leaf, so that by the time
// a root goes nothing below it is left.
//
// A removal goes in rounds of bounded work, between which programs run: what is
// withdrawn is refused from the first round on, so that nobody can derive as fast
// as it is removed. Mappings are looked at once a round for each environment that
// lost something, and not once for each capability.
//
// Invariants:
//   R1  outside this file an environment has a frame mapped only while one capability
//       in its list covers it with the rights of the mapping
//   R2  what is bound with a capability for frames got its node from check_frames(), or
//       is a copy under a lease, and that capability is `bound`: of ten thousand few are
//       looked for everywhere

#include "kernel/sys/removal.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/program.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/transfer.h"
#include "kernel/sys/volume.h"
#include "kernel/sys/wait.h"

u64 removal_blocks;

// Environments that lost capabilities for frames, and between which frames.
static u64 losers;
static struct {
	u64 first;
	u64 end;
} lost[ENVS_MAX];

// What is left of a round.
static struct {
	u32 steps;
	u32 tables;
} round;

#define EXPORT_STEPS 16u	// that what another node holds counts for

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
note_loss(u32 index, u64 first, u64 end)
{
	bool before = losers >> index & 1;

	lost[index].first = before ? MIN(lost[index].first, first) : first;
	lost[index].end = before ? MAX(lost[index].end, end) : end;
	losers |= 1ull << index;
	if (!before)
		round.tables -= MIN(round.tables, envs[index].tables);
}

// A capability for frames, as far as it lies between two.
struct span {
	u64 base;
	u64 end;
	u8 bits;		// of paging.h
};

static u32
find_spans(struct span *spans, u32 list, u64 first, u64 end)
{
	u32 count = 0;

	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		const struct cap *cap = cap_at(&caps, list, slot);

		if (!cap || cap->type != CAP_FRAMES || !(cap->rights & CAP_READ))
			continue;

		struct span s = { MAX(first, cap->base), MIN(end, cap->base + cap->count),
				  COVER_READ };

		s.bits |= cap->rights & CAP_WRITE ? COVER_WRITE : 0;
		s.bits |= cap->rights & CAP_EXECUTE ? COVER_EXECUTE : 0;
		if (s.base < s.end)
			spans[count++] = s;
	}
	return count;
}

// By their first frames, in Shell's way: nothing that a list can hold makes it slow.
static void
sort_spans(struct span *spans, u32 count)
{
	for (u32 gap = count / 2; gap > 0; gap /= 2) {
		for (u32 i = gap; i < count; i++) {
			struct span moved = spans[i];
			u32 at = i;

			for (; at >= gap && spans[at - gap].base > moved.base; at -= gap)
				spans[at] = spans[at - gap];
			spans[at] = moved;
		}
	}
}

// Adds a right to `cover` where sorted spans have it, or with `undo` forgets all of them.
// Each frame is visited once, however many capabilities it lies in.
static void
paint(const struct span *spans, u32 count, u8 right, bool undo)
{
	u64 at = 0;

	for (const struct span *s = spans; s < spans + count; s++) {
		if (!(s->bits & right))
			continue;
		for (at = MAX(at, s->base); at < s->end; at++)
			cover[at] = undo ? 0 : cover[at] | right;
	}
}

// Removes the mappings that nothing covers any more (R1).
static void
sweep(void)
{
	static struct span spans[CAP_LIST_SLOTS];	// under the lock

	for (; losers; losers &= losers - 1) {
		u32 index = (u32)__builtin_ctzll(losers);
		u64 first = lost[index].first, end = lost[index].end;
		u32 count;

		if (!envs[index].page_root)
			continue;
		count = find_spans(spans, index, first, end);
		sort_spans(spans, count);
		paint(spans, count, COVER_READ, false);
		paint(spans, count, COVER_WRITE, false);
		paint(spans, count, COVER_EXECUTE, false);
		paging_sweep(&envs[index], first, end - first, cover);
		paint(spans, count, COVER_READ, true);
	}
}

// What may be bound with capabilities of a type: it ends when one goes, or where one ends
// at a unit now that it reaches beyond.
static void (*const bound_with[CAP_TYPE_COUNT][4])(u32 node, u64 from) = {
	[CAP_FRAMES] = { ring_cap_gone, queue_cap_gone, fabric_cap_gone },
	[CAP_BLOCKS] = { queue_cap_gone, volume_cap_gone },
	[CAP_VOLUME] = { queue_cap_gone },
	[CAP_FABRIC] = { fabric_cap_gone },
	[CAP_REMOTE] = { fabric_cap_gone },
	[CAP_PROGRAM] = { wait_cap_gone, ring_cap_gone, volume_cap_gone, fabric_cap_gone },
	[CAP_RING] = { ring_guard_gone, ring_cap_gone },	// who bound a handler with it
	[CAP_NIC] = { ring_cap_gone },
};

// Takes away what a root capability stands for, where that is one entry of a table.
static void (*const destroy[CAP_TYPE_COUNT])(u32 index) = {
	[CAP_RING] = ring_destroy,
	[CAP_QUEUE] = queue_destroy,
	[CAP_FABRIC_QUEUE] = fabric_queue_destroy,
	[CAP_ENDPOINT] = endpoint_destroy,
	[CAP_PROGRAM] = program_destroy,
	[CAP_VOLUME] = volume_destroy,
	[CAP_ENV] = env_capability_gone,
};

static void
bindings_gone(const struct cap *cap, u32 node, u64 from)
{
	if (cap->type == CAP_FRAMES && !cap->bound)
		return;							// R2
	for (u32 i = 0; i < ARRAY_SIZE(bound_with[0]) && bound_with[cap->type][i]; i++)
		bound_with[cap->type][i](node, from);
}

// The units of a capability go, or those that it is shortened by.
static void
units_gone(const struct cap *part, u32 node)
{
	u64 first = part->base;

	if (part->type == CAP_SLICES)
		slice_capability_gone(part, node);
	if (part->type == CAP_BLOCKS && part->depth == 0)
		removal_blocks += part->count;
	if (part->type != CAP_FRAMES)
		return;
	note_loss(part->list, first, first + part->count);
	// Roots over modules were minted by boot, over frames that stay reserved.
	if (part->depth == 0 && frames.frame[first].state == FRAME_OWNED) {
		ASSERT(frames.frame[first].owner == part->list);
		env_return_frames(&envs[part->list], first, part->count);
	}
}

// The consequences, where a capability went, or with `from` is not 0 lost its units from
// there on.
static void
apply(void *host, const struct cap *was, u32 node, u64 from)
{
	struct cap part = *was;

	(void)host;
	ASSERT(was->type > CAP_NONE && was->type < CAP_TYPE_COUNT);
	if (from) {
		ASSERT(from > was->base && from - was->base < was->count);
		part.base = from;
		part.count -= from - was->base;
	}
	if (was->list >= FABRIC_LIST_FIRST) {
		(from ? fabric_export_shortened : fabric_export_gone)(&part, node);
		round.steps -= MIN(round.steps, EXPORT_STEPS) - 1;
		return;
	}
	bindings_gone(was, node, from);
	units_gone(&part, node);
	if (from && was->type == CAP_REMOTE)
		remote_shortened(was, from - was->base);
	if (from || was->depth > 0)
		return;
	if (was->type == CAP_REMOTE)
		remote_gone(was->base);
	else if (destroy[was->type])
		destroy[was->type]((u32)was->base);
}

static void
begin_round(void)
{
	ASSERT(losers == 0);
	ASSERT_LOCKED();
	round.steps = REMOVAL_STEPS;
	round.tables = REMOVAL_TABLES;
}

// Removes what hangs below a capability and, with `self`, it, leaf by leaf. Returns
// false when the round is over first.
static bool
remove_tree(u32 list, u32 slot, bool self)
{
	struct cap removed;
	const struct cap *top = cap_at(&caps, list, slot);

	if (!top)
		return true;
	cap_cut(&caps, cap_node(&caps, top), self);
	if (top->type == CAP_ENTRY)
		transfer_withdrawn();
	for (; round.steps && round.tables; round.steps--) {
		u32 node = cap_remove_step(&caps, list, slot, self, &removed);

		if (node == CAP_NIL)
			return true;
		apply(NULL, &removed, node, 0);
		// What other nodes hold is refused by now, and is swept away without
		// this call too: however much it is, the call does not take longer.
		if (removed.list >= FABRIC_LIST_FIRST)
			round.steps = MIN(round.steps, 2);
	}
	top = cap_at(&caps, list, slot);
	if (!top || (!self && !top->children))
		return true;
	fabric_withdrawn();
	return false;
}

bool
removal_run(u32 list, u32 slot, bool self)
{
	bool done;

	begin_round();
	done = remove_tree(list, slot, self);
	sweep();
	return done;
}

bool
removal_run_all(u32 list)
{
	bool done = true;

	begin_round();
	for (u32 slot = CAP_LIST_SLOTS; done && slot-- > 0;)
		done = remove_tree(list, slot, true);
	sweep();
	return done;
}

bool
removal_trim(u32 list, u32 slot, u64 count)
{
	bool more = true;

	begin_round();
	for (; more && round.steps && round.tables; round.steps--)
		more = cap_trim_step(&caps, list, slot, count, apply, NULL);
	sweep();
	return !more;
}
