// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The seed of a test that draws at random: SEED=n from the environment replays a
// run; otherwise each run draws anew. It is printed either way, so that a failure
// can be had again.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/base/types.h"

// Once a program. Numbers as strtoull() reads them.
static inline u64
test_seed(void)
{
	const char *given = getenv("SEED");
	u64 seed = given ? strtoull(given, NULL, 0) : (u64)time(NULL);

	printf("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}
