// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The local interrupt controller (xAPIC, Intel SDM volume 3, chapter 11): its
// timer, interrupts between processors, end of interrupt.

#include "kernel/base/types.h"

#define VECTOR_TIMER 0xf0
#define VECTOR_KICK 0xf1		// look at flush and reschedule
#define VECTOR_SPURIOUS 0xff

// Maps the registers; once, on the boot processor.
void
apic_init(void);

// Turns the controller of this processor on.
void
apic_enable(void);

// Measures the timer against the clock; once.
void
apic_calibrate(void);

// The number of this processor's controller: 0..255.
u32
apic_id(void);

// Lets the next interrupt come; after each one but a spurious one.
void
apic_end_of_interrupt(void);

// One interrupt after `delay_ns` (at least 1; long delays are cut to some
// seconds: the scheduler sets the timer again). 0 stops the timer.
void
apic_timer(u64 delay_ns);

// Sends VECTOR_KICK to another processor.
void
apic_kick(u32 target_apic_id);

// An NMI to every other processor: in a panic it stops them. Safe at any time.
void
apic_stop_others(void);

// INIT, then two STARTUPs at `page` (physical >> 12).
void
apic_start_processor(u32 target_apic_id, u8 page);

// INIT alone: wherever the processor had got to, it runs nothing from now on.
void
apic_hold_processor(u32 target_apic_id);

// The I/O interrupt controller, for the one device here that cannot send messages: the
// serial port. Masks the 8259s and maps the controller. Once, at boot.
void
ioapic_init(void);

// Sends an ISA interrupt, edge triggered, as `vector` to the boot processor.
void
ioapic_route(u32 isa_irq, u8 vector);
