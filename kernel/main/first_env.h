// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The first environment: the program `init` of the boot archive, holding every
// resource of the node.

#include "kernel/arch/x86_64/multiboot.h"

// Loads and starts it. Panics when the archive is missing or unfit: without it
// the node is of no use.
void
first_env(const struct boot_info *boot);
