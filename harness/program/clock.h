// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The host's clock, the one place where host programs ask for the time. Cores
// are given what this returns.

#include <time.h>

#include "kernel/base/types.h"

static inline u64
clock_read_ns(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at); // cannot fail for the clocks asked for here
	return (u64)at.tv_sec * NS_PER_SECOND + (u64)at.tv_nsec;
}

// Nanoseconds since some moment in the past; never runs backwards.
static inline u64
clock_now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

// The same in seconds, for how long something took.
static inline double
clock_now_seconds(void)
{
	return (double)clock_now_ns() / 1e9;
}
