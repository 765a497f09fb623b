// SPDX-License-Identifier: BSD-2-Clause
// The hand of the clock (clock.h).
//
// Whoever calls it clears the accessed bits of all pages that a step covers, also of
// those behind the place where the hand stops: they are passed next, and then count as
// unused unless they were used again. Two rounds find a victim wherever one is mapped.

#include "libos/pager/clock.h"
#include "kernel/base/assert.h"

u32
clock_step(const struct clock *clock)
{
	ASSERT(clock->hand < clock->pages);
	return MIN(CLOCK_STEP, clock->pages - clock->hand);
}

u32
clock_pass(struct clock *clock, const u8 *bits, u32 want, u32 *victims)
{
	u32 step = clock_step(clock);
	u32 count = 0, i = 0;

	ASSERT(want > 0);
	while (i < step && count < want) {
		if (bits[i] && !(bits[i] & PAGE_ACCESSED))
			victims[count++] = clock->hand + i;
		i++;
	}
	clock->hand = (clock->hand + i) % clock->pages;
	return count;
}
