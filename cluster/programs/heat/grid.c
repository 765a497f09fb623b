// SPDX-License-Identifier: BSD-2-Clause
// The computation itself, on rows wherever they lie. Whole numbers, so that the result
// is the same in whatever order and by however many it is computed.

#include "cluster/programs/heat/heat.h"

u64
grid_first(u64 round, u32 row, u32 column)
{
	u64 z = round << 32 | row << 16 | column;

	z = (z ^ (z >> 15)) * 0xd168aaad2c1b3c6dull;
	z = (z ^ (z >> 31)) * 0xaf723597a7d5e1b3ull;
	return (z >> 40) % HEAT_SCALE;
}

void
grid_row(volatile u64 *to, const volatile u64 *above, const volatile u64 *from,
	 const volatile u64 *below, bool is_edge)
{
	u32 last = HEAT_COLUMNS - 1;

	for (u32 c = 0; c <= last; c++)
		to[c] = is_edge || c == 0 || c == last
				? from[c]
				: (above[c] + below[c] + from[c - 1] +
				   from[c + 1]) / 4;
}

heat_row *
grid_alone(heat_row *plates[2], u64 round, u32 steps)
{
	for (u32 r = 0; r < HEAT_ROWS; r++) {
		for (u32 c = 0; c < HEAT_COLUMNS; c++)
			plates[0][r][c] = grid_first(round, r, c);
	}
	for (u32 step = 1; step <= steps; step++) {
		heat_row *to = plates[step % 2], *from = plates[(step + 1) % 2];

		for (u32 r = 0; r < HEAT_ROWS; r++) {
			bool is_edge = r == 0 || r == HEAT_ROWS - 1;

			grid_row(to[r], from[is_edge ? r : r - 1], from[r],
				 from[is_edge ? r : r + 1], is_edge);
		}
	}
	return plates[steps % 2];
}

u64
grid_sum(const volatile heat_row *plate)
{
	u64 sum = 0;

	for (u32 r = 0; r < HEAT_ROWS; r++) {
		for (u32 c = 0; c < HEAT_COLUMNS; c++)
			sum = sum * 31 + plate[r][c];
	}
	return sum;
}
