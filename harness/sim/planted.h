// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The bugs of net/wire/bugs.def by name, and the switch that the cores read.

#include "kernel/base/types.h"

extern const char *const planted_names[];	// BUG_COUNT

// Plants a bug (BUG_NONE: none) in every node.
void
planted_set(u32 bug);
