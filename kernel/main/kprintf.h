// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The kernel's words to people: the serial console. For boot, refusal reasons
// of devices, and panics; never on a path that a program can repeat at will.

#include "kernel/base/types.h"

// One line or part of one, at most 255 bytes of it (kernel/base/fmt.h).
void
kprintf(const char *format, ...) printf_like(1, 2);

// Prints reason, environment, registers, a backtrace with symbol names and the
// last trace events, then halts the machine. Any context.
noreturn_ void
panic(const char *format, ...) printf_like(1, 2);
