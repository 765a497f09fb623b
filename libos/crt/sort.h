// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Shell's sort, in place and without a stack: for samples of a measurement, which
// are few and in no bad order.

#include "kernel/base/types.h"

static inline void
sort_u32(u32 *values, u32 count)
{
	for (u32 gap = count / 2; gap > 0; gap /= 2) {
		for (u32 i = gap; i < count; i++) {
			u32 value = values[i], at = i;

			for (; at >= gap && values[at - gap] > value; at -= gap)
				values[at] = values[at - gap];
			values[at] = value;
		}
	}
}
