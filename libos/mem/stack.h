// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The main stack. Its first pages are a segment of the image (program.ld);
// below them it grows on demand, to STACK_GROWTH more, and below that lies the
// guard: nothing.

#include "kernel/base/types.h"

#define STACK_GROWTH 0x40000ull		// bytes; program.ld leaves the room
#define STACK_GRANULE_PAGES 4u
#define STACK_STOCK_PAGES 8u

// Lets the stack grow. Called once by start-up.
void
stack_init(void);

// Ends the growth by stack_init(), for whoever serves the faults himself. False when
// the stack has grown already: then nothing changes.
must_check bool
stack_release(void);

// The bytes below the segment that begins at `va` in which the stack grows: 0 for
// segments other than the stack's.
u64
stack_room_below(u64 va);
