// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The node's devices, found and started in one place.

#include "kernel/base/types.h"

// Finds them, and takes the bus from those that firmware has used.
void
devices_find(void);

// Finds and starts them and fills their part of sys_info. Once, at boot.
void
devices_init(void);
