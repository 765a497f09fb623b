// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// From the boot loader's memory map to the frame table.

#include "kernel/arch/x86_64/multiboot.h"

// Builds the kernel's page tables and the frame table. Everything that is not
// available RAM, and the image, the modules and what boot itself took, is
// reserved; the rest is free.
void
memory_init(const struct boot_info *boot);
