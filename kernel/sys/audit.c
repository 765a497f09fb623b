// SPDX-License-Identifier: BSD-2-Clause
// The audit: every frame, slice, ring, block, pin and unit of quota is counted from both
// sides, by the tables and by the capabilities or metadata that stand for it.
//
//   A1  the frames that an environment owns are those of its root capabilities, and
//       with what the kernel keeps for it they are its used.frames
//   A2  its slices are those of its root capabilities, and its used.slices
//   A3  its rings, queues and endpoints likewise, and its used.rings
//   A4  quotas add up to the node's: a child's is out of its parent's
//   A5  every pin is held by an operation with a device, a sleeper or a uarea
//   A6  the invariants of kernel/cap and kernel/own
//   A7  each block of the disk is in one root capability, or was given up; on an open
//       volume each is free, owned once or in limbo (kernel/volume), and busy only with
//       operations that the device has
// Nothing is in transit between two calls but what A5 counts: frames in limbo have
// pins, blocks under a device's hand are an operation of a queue.

#include "kernel/abi/ring.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/disk.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/call.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/volume.h"

// The most pins that one frame can have: each of A5's holders pins it at most once, for
// each piece of a frame to send and each word of a sleeper. So own_pin() never counts past
// what fits, whatever programs do.
#define PINS_MAX \
	(NIC_FLIGHTS_MAX * RING_PIECES_MAX + DISK_FLIGHTS_MAX + \
	 FABRIC_QUEUES_MAX * FABRIC_OPEN_MAX + ENVS_MAX * (2u * WAIT_WORDS_MAX + 1u))

STATIC_ASSERT(PINS_MAX < 0x10000u);

struct holdings {
	u64 owned;		// frames, by the frame table
	u64 kept;		// frames that the kernel keeps for it
	u64 slices;		// by the slice table
	u64 root_frames;	// by its capabilities
	u64 root_slices;
	u64 root_rings;
};

static struct holdings held[ENVS_MAX];
static u64 root_blocks;

static u64
count_frames(void)
{
	u64 pins = 0;

	for (u64 f = 0; f < frames.count; f++) {
		const struct frame_info *frame = &frames.frame[f];

		ASSERT(frame->pins <= PINS_MAX);
		pins += frame->pins;
		if (frame->state != FRAME_OWNED && frame->state != FRAME_TABLE)
			continue;
		ASSERT(frame->owner < ENVS_MAX);
		held[frame->owner].owned += frame->state == FRAME_OWNED;
		held[frame->owner].kept += frame->state == FRAME_TABLE;
	}
	return pins;
}

static void
count_slices(void)
{
	for (u32 i = 0; i < CPUS_MAX * SLICES_PER_CPU; i++) {
		const struct slice_info *slice =
			&slice_table[i / SLICES_PER_CPU][i % SLICES_PER_CPU];

		if (slice->owner != OWNER_NONE)
			held[slice->owner].slices++;
	}
}

static void
count_root(struct holdings *h, u32 index, const struct cap *cap)
{
	switch ((enum cap_type)demand_kind(cap->type)) {
	case CAP_FRAMES:
		// Modules of boot: their frames stay reserved.
		if (frames.frame[cap->base].state == FRAME_RESERVED)
			return;
		for (u64 f = cap->base; f < cap->base + cap->count; f++) {
			ASSERT(frames.frame[f].state == FRAME_OWNED);	// A1
			ASSERT(frames.frame[f].owner == index);
		}
		h->root_frames += cap->count;
		break;
	case CAP_SLICES:
		h->root_slices += cap->count;
		break;
	case CAP_RING:
		h->root_rings += cap->count;
		break;
	case CAP_BLOCKS:
		root_blocks += cap->count;
		break;
	default:
		break;
	}
}

static void
check_env(u32 index)
{
	struct holdings *h = &held[index];
	const struct env_info *info = envs[index].info;

	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		const struct cap *cap = cap_at(&caps, index, slot);

		if (cap && cap->depth == 0)
			count_root(h, index, cap);
	}
	ASSERT(h->owned == h->root_frames);				// A1
	ASSERT(h->owned + h->kept == info->used.frames);
	ASSERT(h->kept >= envs[index].tables);
	ASSERT(h->slices == h->root_slices);				// A2
	ASSERT(h->slices == info->used.slices);
	ASSERT(h->root_rings == info->used.rings);			// A3
}

static void
check_quotas(void)
{
	struct quota sum = { 0 };

	for (u32 kind = 0; kind < QUOTA_KINDS; kind++) {
		for (u32 i = 0; i < ENVS_MAX; i++) {
			const struct env_info *info = &env_table[i];

			ASSERT(info->used.of[kind] <= info->quota.of[kind]);
			sum.of[kind] += info->quota.of[kind];
		}
		ASSERT(sum.of[kind] == env_quota_total.of[kind]);	// A4
	}
}

// Of uareas and sleepers; devices' are counted by those who drive them.
static u64
count_pins(void)
{
	u64 pins = ring_pins() + queue_pins() + fabric_pins();

	for (u32 i = 0; i < ENVS_MAX; i++) {
		const struct env *env = &envs[i];

		if (!env_lives(env) && env->info->state != ENV_DYING)
			continue;
		// Who serves a call has the words of entry_wait().
		for (u32 w = 0; w < env->wait_count; w++)
			pins += !env->wait[w].exported;
		for (u32 w = 0; w < env->watch_count; w++)
			pins += !env->watch[w].exported;
		pins++;
	}
	return pins;
}

NEVER_REFUSED(machine_audit)

// Walks all that is owned, lent and in transit, and asserts that it adds up: a leak is a
// panic.
i64
do_machine_audit(struct call *call)
{
	u64 pins;

	(void)call;
	memset(held, 0, sizeof(held));
	root_blocks = 0;
	cap_check(&caps);						// A6
	own_check(&frames);
	pins = count_frames();
	count_slices();
	for (u32 i = 0; i < ENVS_MAX; i++)
		check_env(i);
	check_quotas();
	ASSERT(root_blocks + removal_blocks == sys_info.disk_blocks);	// A7
	volume_audit();
	ASSERT(pins == count_pins());					// A5
	return 0;
}
