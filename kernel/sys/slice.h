// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// CPU slices: who runs when (slice_table in tables.h).

#include "kernel/abi/layout.h"
#include "kernel/cap/cap.h"

// Bit i of a processor's word: its slice i is bound to an environment.
extern u64 slices_bound[CPUS_MAX];

// Makes every slice free. Once, at boot.
void
slice_init(void);

// Gives a free slice to an environment that holds the root capability for it,
// `node`, and counts it.
void
slice_give(u64 number, u32 env, u32 node);

// A capability for slices was removed: what was bound with it goes back to the
// owner of the slices; with the root the slices become free.
void
slice_capability_gone(const struct cap *removed, u32 node);

// An environment is reaped, its own slices are free already: those that others
// bound to it go back to their owners.
void
slice_env_gone(u32 env);
