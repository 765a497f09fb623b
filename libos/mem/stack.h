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
