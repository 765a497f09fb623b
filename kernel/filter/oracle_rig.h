// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What atoms mean, word by word as kernel/abi/ring.h puts it: the oracle of the
// filter's tests. Slow, and without any idea of masks that merge.

#include "kernel/abi/ring.h"

// Does a frame of `len` bytes meet every atom?
static inline bool
oracle_accepts(const struct ring_atom *atoms, u32 count, const u8 *frame, u32 len)
{
	for (u32 i = 0; i < count; i++) {
		u32 word = 0;

		for (u32 b = 0; b < 4; b++) {
			u32 at = atoms[i].offset + b;

			word = word << 8 | (at < len ? frame[at] : 0);
		}
		if ((word & atoms[i].mask) != atoms[i].value)
			return false;
	}
	return true;
}
