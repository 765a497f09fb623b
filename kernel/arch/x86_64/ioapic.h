// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The I/O interrupt controller, for the one device here that cannot send
// messages: the serial port. The old 8259s are masked.

#include "kernel/base/types.h"

// Masks the 8259s and maps the controller. Once, at boot.
void
ioapic_init(void);

// Sends an ISA interrupt, edge triggered, as `vector` to the boot processor.
void
ioapic_route(u32 isa_irq, u8 vector);
