// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// CPU slices: who runs when (slice_table in tables.h).

#include "kernel/cap/cap.h"

void
slice_init(void);

// A capability for slices was removed: what its holder bound goes back to the
// owner of the slices; with the root the slices become free.
void
slice_capability_gone(const struct cap *removed);
