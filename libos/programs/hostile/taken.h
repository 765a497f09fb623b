// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Frames of a hostile program, under a capability of their own: what a pool gives shares
// one, and cannot be dropped or lent alone. Without them there is no verdict but FAIL.

#include "libos/mem/map.h"
#include "libos/programs/hostile/verdict.h"

static inline struct frame_run
take(u32 count)
{
	struct cap_info info;
	i64 slot = need("take frames", sys_frame_alloc(FRAME_ANY, count));

	need("look", sys_cap_inspect(CAP_SLOT_SELF, (u32)slot, &info));
	return (struct frame_run){ info.base, count, (u32)slot };
}

// The same, at their direct addresses.
static inline struct frame_run
take_mapped(u32 count)
{
	struct frame_run run = take(count);

	need("map", map_direct(&run, PROT_READ | PROT_WRITE));
	return run;
}
