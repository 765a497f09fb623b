// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Memory that nobody may touch for now, such as the free entries of a pool: where
// the compiler's address checks are on (host tests, fuzzers, the checked kernel of
// harness/checked) a touch is reported; elsewhere this is nothing. The range is
// 8-aligned at both ends.

#include "kernel/base/types.h"

#ifdef __SANITIZE_ADDRESS__
void
__asan_poison_memory_region(const volatile void *at, size_t len);
void
__asan_unpoison_memory_region(const volatile void *at, size_t len);
#endif

// Nobody may touch these bytes from now on, or may again.
static inline void
poison_set(const volatile void *at, size_t len, bool poisoned)
{
#ifdef __SANITIZE_ADDRESS__
	if (poisoned)
		__asan_poison_memory_region(at, len);
	else
		__asan_unpoison_memory_region(at, len);
#else
	(void)at;
	(void)len;
	(void)poisoned;
#endif
}
