// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Invalidation of translations on other processors. A processor inside the
// kernel counts as flushed: it looks at its flush flag on its way back to user
// mode, and until then uses no user translation. So the sender waits only for
// processors in user mode, which always take the interrupt, and never for one
// that waits for the kernel lock: it cannot deadlock.

#include "kernel/base/types.h"
#include "kernel/sys/env.h"

// Forgets the translation of one page, or of everything for FLUSH_ALL, of an
// address space, wherever it runs. Returns when no processor can use it.
#define FLUSH_ALL (~0ull)
void
shootdown(const struct env *env, u64 va);

// Entering and leaving the kernel; leaving flushes when somebody asked.
void
shootdown_enter(void);
void
shootdown_leave(void);
