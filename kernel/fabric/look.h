// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Whether a processor that has nothing to do looks for frames before it halts. To wake
// from a halt takes as long as a frame's way there and back, so where frames come one
// after the other it is better to look for the next one; and where they do not, it is
// time taken from whoever else the host could run, the device's own threads first.
//
// It looks when the last LOOK_AFTER waits in a row were ended by a frame within the
// bound, and no longer than that. One wait that was longer, whether it looked or halted,
// and it halts at once until it has seen short ones again. So the bound is what is lost
// each time that frames stop coming.
//
// A sans-IO core: time is passed in.

#include "kernel/base/types.h"

#define LOOK_AFTER 2u
#define LOOK_MOST_US 10000u

struct look {
	u64 bound_ns;		// 0: it always halts
	u64 since;		// when the wait began; 0: there is none
	u32 soon;		// waits in a row that were short
};

// A frame came. Those that follow it at once say nothing of waiting.
static inline void
look_frame(struct look *look, u64 now)
{
	if (!look->since)
		return;
	look->soon = now - look->since <= look->bound_ns
			     ? MIN(look->soon + 1, LOOK_AFTER) : 0;
	look->since = 0;
}

// There is nothing to do. Until when to look; 0: halt.
static inline u64
look_until(struct look *look, u64 now)
{
	if (!look->bound_ns)
		return 0;
	if (!look->since)
		look->since = now;
	if (now - look->since >= look->bound_ns)
		look->soon = 0;
	return look->soon < LOOK_AFTER ? 0 : look->since + look->bound_ns;
}
