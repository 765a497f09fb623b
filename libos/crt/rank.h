// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The median and the tails of samples, without sorting what lies between them: Hoare's
// FIND, in place and without a stack. A sample is moved a few times, however many there
// are, so that what is counted with a measurement is the measurement.

#include "kernel/base/types.h"

// Returns what would be at `rank` were the values sorted. It is there then, with what is
// not more before it and what is not less behind it.
static inline u32
rank_u32(u32 *values, u32 count, u32 rank)
{
	i64 first = 0, last = (i64)count - 1;

	while (first < last) {
		u32 middle = values[rank];
		i64 up = first, down = last;

		while (up <= down) {
			while (values[up] < middle)
				up++;
			while (values[down] > middle)
				down--;
			if (up <= down) {
				u32 value = values[up];

				values[up++] = values[down];
				values[down--] = value;
			}
		}
		if (down < (i64)rank)
			first = up;
		if (up > (i64)rank)
			last = down;
	}
	return values[rank];
}
