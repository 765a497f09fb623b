// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The bugs of net/wire/bugs.def by name, and the switch that the cores read.

#include "kernel/base/types.h"

// Finds a bug by its name, in any case of letters.
must_check bool
planted_find(const char *name, u32 *bug);

// Plants it (BUG_NONE: none) in every node.
void
planted_set(u32 bug);

const char *
planted_name(u32 bug);

void
planted_list(void);
