// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The end of a kernel that found itself wrong (panic() is in kprintf.h).

#include "kernel/arch/x86_64/context.h"

// A panic about an exception, of the kernel or of the machine: prints the
// registers too.
noreturn_ void
panic_trap(const struct context *context);
