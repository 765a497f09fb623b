// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The clock algorithm: which pages go when frames are wanted (Corbato, 1968). A hand
// goes round over the pages; one that was used since the hand passed last is spared
// once. A sans-IO core: the host reads and clears the bits (page_bits) of the pages that
// the hand passes, and makes the victims go.

#include "kernel/abi/syscalls.h"

#define CLOCK_STEP 64u		// pages that the hand passes at once

struct clock {
	u32 pages;
	u32 hand;
};

// How many pages the hand passes next: at most CLOCK_STEP, not beyond the last page.
u32
clock_step(const struct clock *clock);

// Passes clock_step() pages, whose bits are bits[0..): those that are mapped and not
// accessed go, at most `want` (at least 1). The hand stops behind the last that it had to look at.
// Returns how many pages are in victims[].
must_check u32
clock_pass(struct clock *clock, const u8 *bits, u32 want, u32 *victims);
