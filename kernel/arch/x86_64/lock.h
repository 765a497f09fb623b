// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The kernel lock. One processor at a time runs kernel code; calls are short,
// and a single lock is what a small kernel can be reviewed with (Peters et al.,
// "For a microkernel, a big lock is fine", APSys '15). Interrupts are off while
// it is held. A processor that enters the kernel says so before it waits, and
// from then counts as flushed (shootdown.h).

#include "kernel/base/types.h"

// Waits for its turn. Not recursive; interrupts are off.
void
kernel_lock(void);
void
kernel_unlock(void);
