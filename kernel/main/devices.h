// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The node's devices, found and started in one place.

// Finds and starts them and fills their part of sys_info. Once, at boot.
void
devices_init(void);

// For the command line's `floor=echo`: starts the network interface alone and
// answers raw frames with it for ever (kernel/dev/echo.h). The caller holds the
// kernel lock.
void
devices_echo_floor(void);
