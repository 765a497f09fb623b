// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Interrupts for drivers. Interrupts are taken only in user mode or while the
// processor halts; a handler runs with the kernel lock held and interrupts off.

#include "kernel/base/types.h"

// Claims a vector for `handler`. Returns the vector. Boot only; panics when
// there are none left (bound: IRQ_HANDLERS_MAX).
#define IRQ_HANDLERS_MAX 32
u8
irq_claim(void (*handler)(void));

// Where a message-signalled interrupt for the boot processor is written; the
// data is the vector.
u64
irq_message_address(void);
