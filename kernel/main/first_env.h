// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The first environment, which holds every resource of the node and begins with loading
// the program `init` of the boot archive.

#include "kernel/arch/x86_64/multiboot.h"

// Makes and starts it. Panics when the archive is missing: without it the node is of no
// use.
void
first_env(const struct boot_info *boot);
