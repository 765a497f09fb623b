// SPDX-License-Identifier: BSD-2-Clause
// Address to frame. The direct window is arithmetic; the image's segments were
// told at start-up (ROLE_IMAGE: first frame, and the address as argument).
//
// The direct window is trusted to hold what is being named: a wrong address
// yields a frame that no region of a ring or queue covers, and is refused there.

#include "libos/mem/locate.h"
#include "kernel/base/assert.h"
#include "libos/crt/start.h"
#include "libos/mem/layout.h"
#include "libos/mem/map.h"

// A program has at most this many segments.
#define SEGMENTS_MAX 8u

static struct {
	u64 va;
	struct frame_run run;
} segments[SEGMENTS_MAX];
static u32 segment_count;
static bool segments_known;

static void
learn_segments(void)
{
	const struct startup_cap *cap;

	segments_known = true;
	for (u32 i = 0; segment_count < SEGMENTS_MAX; i++) {
		cap = startup_find(ROLE_IMAGE, i);
		if (!cap)
			return;
		if (run_of_slot(cap->slot, &segments[segment_count].run))
			continue;
		segments[segment_count++].va = cap->argument;
	}
}

// The segment that holds all of [at, at + len), or segment_count.
static u32
segment_of(u64 at, u64 len)
{
	u32 i;

	if (!segments_known)
		learn_segments();
	for (i = 0; i < segment_count; i++) {
		u64 size = segments[i].run.count * PAGE_SIZE;
		u64 offset = at - segments[i].va;

		if (offset < size && len <= size - offset)
			break;
	}
	return i;
}

bool
locate(const void *at, u64 len, struct place *place)
{
	u64 address = (u64)at;
	u32 i;

	ASSERT(len > 0);
	place->offset = (u32)(address % PAGE_SIZE);
	if (is_direct(at)) {
		place->frame = direct_frame(at);
		return true;
	}
	i = segment_of(address, len);
	if (i == segment_count)
		return false;
	place->frame = segments[i].run.frame +
		       (address - segments[i].va) / PAGE_SIZE;
	return true;
}

void
locate_forget(void)
{
	segments_known = true;
	segment_count = 0;
}

bool
locate_segment(const void *at, struct frame_run *run)
{
	u32 i = segment_of((u64)at, 1);

	if (i == segment_count)
		return false;
	*run = segments[i].run;
	return true;
}
