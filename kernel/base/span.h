// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Numbers of frames, blocks or bytes in a row.

#include "kernel/base/types.h"

// Do the `len` from `at` on lie within the `count` from `first` on? These end where
// numbers do, at the latest: what lies before them is then further behind than they reach.
static inline bool
span_covers(u64 first, u64 count, u64 at, u64 len)
{
	return at - first < count && len <= count - (at - first);
}

// Is one of the `len` from `at` on among the `count` from `first` on?
static inline bool
span_meets(u64 first, u64 count, u64 at, u64 len)
{
	return first < at + len && at < first + count;
}
