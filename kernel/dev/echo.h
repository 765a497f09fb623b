// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The floor that the network path is measured against: the kernel's own driver
// with nothing above it.

#include "kernel/base/types.h"

// Sends every frame of EtherType 0x88B6 back with its addresses swapped, for
// ever, as fast as the driver can, halting between interrupts. Drops everything
// else. For the kernel command line's `floor=echo`: no environments exist, the
// caller does not hold the kernel lock, and nic_init() has found an interface.
noreturn_ void
echo_loop(void);

// The interrupt handler for nic_init() in that mode: the loop looks by itself.
void
echo_interrupt(u32 argument);
