// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// heat: how warmth spreads over a plate, computed by all instances of a job together.
// The plate is HEAT_ROWS rows of HEAT_COLUMNS whole numbers, a page each; in a step every
// inner point becomes the mean of its four neighbours, from one plate to the other.
// Instances take rows by their rank. A plate's edge, and its first content, follow from
// the number of the round, so any result can be computed again by one alone (grid.c).
//
// The region: two pages that say which step is complete, then the two plates. Every
// instance publishes the rows that it wrote before it meets the others, and step k is
// called complete by the first of them before anybody begins k + 1, which writes over
// what k was made from. So whoever dies at any time, a complete plate is there, and the
// others go on from it, in whatever number they are.
//
// What was published has two copies. When two instances go at once a page may be lost, and
// is said to be; then the round begins anew. Lost pages stay so until both first pages say
// that nothing is complete, and of these the second stays lost until the first one says it.
// So whoever dies in the middle of that leaves a page that is lost, or first pages that say
// different things: the next group begins the round anew, too. (harness/dsmsim/heat.c has
// the same rule, and tries it.)

#include "kernel/abi/layout.h"

#define HEAT_ROWS 32u
#define HEAT_COLUMNS (PAGE_SIZE / sizeof(u64))
#define HEAT_SAID 2u		// pages that say what is complete
#define HEAT_PAGES (HEAT_SAID + 2 * HEAT_ROWS)
#define HEAT_SCALE 1000000u

typedef u64 heat_row[HEAT_COLUMNS];

// What a plate holds at first.
u64
grid_first(u64 round, u32 row, u32 column);

// One row of a step; `from` is its row of the other plate, with its neighbours'.
void
grid_row(volatile u64 *to, const volatile u64 *above, const volatile u64 *from,
	 const volatile u64 *below, bool is_edge);

// All steps by one alone, in plates of its own (each HEAT_ROWS rows); returns the one
// with the result.
heat_row *
grid_alone(heat_row *plates[2], u64 round, u32 steps);

u64
grid_sum(const volatile heat_row *plate);
