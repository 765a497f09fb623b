// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The node's devices, found and started in one place.

#include "kernel/base/types.h"

// Finds and starts them and fills their part of sys_info. Once, at boot.
void
devices_init(void);

// For the command line's `floor=echo` and `floor=ping,…`: start the network
// interface alone and answer raw frames with it for ever (kernel/dev/echo.h), or
// ask a node that does (kernel/dev/ping.h; `plan` is what follows the comma).
// The caller holds the kernel lock.
noreturn_ void
devices_echo_floor(void);
noreturn_ void
devices_ping_floor(const char *plan);
