// SPDX-License-Identifier: BSD-2-Clause
// The kernel lock's two words, each in a cache line of its own: waiting
// processors read one of them while arriving ones write the other. The lock
// itself is in lock.h.

#include "kernel/arch/x86_64/lock.h"

#define CACHE_LINE 64

u32 lock_next_ticket aligned_(CACHE_LINE);
u32 lock_serving aligned_(CACHE_LINE);
