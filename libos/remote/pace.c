// SPDX-License-Identifier: BSD-2-Clause
// A program's own congestion control; see pace.h. A round is as many answers as the
// window had room for when it began, so each is judged by operations that were sent
// under one window.

#include "libos/remote/pace.h"
#include "kernel/base/assert.h"

#define FEW 4u			// of the window's frames in queues: there is room for more
#define MANY 12u		// so many are too many
#define STEP 2u			// frames a round

static void
round_begin(struct far_pace *pace, u32 frames)
{
	pace->round_ns = 0;
	pace->flights = MAX(pace->window / MAX(frames, 1u), 1u);
}

void
far_pace_begin(struct far_pace *pace)
{
	*pace = (struct far_pace){ .window = FAR_PACE_LEAST, .first = true };
	round_begin(pace, FAR_PACE_LEAST);
}

// Frames of the window that were not on the way, but stood.
static u32
queued(const struct far_pace *pace)
{
	ASSERT(pace->base_ns && pace->round_ns >= pace->base_ns);
	return (u32)(pace->window * (pace->round_ns - pace->base_ns) / pace->round_ns);
}

static void
round_end(struct far_pace *pace)
{
	u32 standing = queued(pace);

	if (standing < FEW) {
		pace->window += pace->first ? pace->window : STEP;
	} else {
		pace->first = false;
		if (standing > MANY)
			pace->window -= MIN(pace->window, STEP);
	}
	pace->window = MIN(MAX(pace->window, FAR_PACE_LEAST), FAR_PACE_MOST);
}

u32
far_pace_took(struct far_pace *pace, u32 frames, u64 wire_ns)
{
	u64 took = MAX(wire_ns, 1ull);

	if (!pace->base_ns || took < pace->base_ns)
		pace->base_ns = took;
	if (!pace->round_ns || took < pace->round_ns)
		pace->round_ns = took;
	if (--pace->flights)
		return pace->window;
	round_end(pace);
	round_begin(pace, frames);
	ASSERT(pace->window >= FAR_PACE_LEAST && pace->window <= FAR_PACE_MOST);
	return pace->window;
}
