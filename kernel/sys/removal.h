// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What follows when capabilities go.

#include "kernel/base/types.h"

// Once, at boot, when frames can be taken.
void
removal_init(void);

// Removes everything derived from a capability, and with `self` the capability
// too, and applies the consequences of each: mappings that nothing covers any
// more go, rings and queues that stood on it stop, the resource of a root
// capability is freed. Bounded by the capability pool and by one look at every
// page table of the node.
void
removal_run(u32 list, u32 slot, bool self);

// The same for every capability of a list, in one go.
void
removal_run_all(u32 list);
