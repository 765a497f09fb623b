// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The serial console: a 16550 at the first PC port, 115200 8N1. Output is
// polled; typed bytes come by interrupt into a bounded ring, the newest dropped
// when it is full.

#include "kernel/base/types.h"

// Programs the port. Before this, output goes nowhere. Safe without a port.
void
console_init(void);

// Starts taking typed bytes. Needs interrupts to be set up.
void
console_listen(void);

// Writes, with a carriage return before each newline. Waits for the line: 1.4 ms
// for each 16 bytes on a real port, bounded when it does not answer.
void
console_put(const char *text, size_t len);

// Takes at most `size` typed bytes. Returns how many.
u32
console_take(char *buffer, u32 size);
