// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The address space of an environment, and the sizes of the kernel's tables.
//
//   0x0000_0000_0000_1000   the environment's own, up to USER_END
//   TABLES_BASE             kernel tables, read-only (kernel/abi/tables.h)
//   UAREA_BASE              this environment's uarea (kernel/abi/uarea.h)
//   upper half              the kernel; not accessible

#include "kernel/base/types.h"

#define PAGE_SIZE 4096ull
#define PAGE_SHIFT 12

#define USER_BASE 0x0000000000001000ull
#define USER_END 0x0000700000000000ull	// first address past its own range
#define TABLES_BASE 0x0000700000000000ull
#define UAREA_BASE 0x00007f0000000000ull

// Where the first environment begins: in a few pages that the kernel carries
// (libos/loader), with a stack below them.
#define LOADER_BASE 0x000000007fff0000ull

#define ENVS_MAX 64u
#define CPUS_MAX 16u
#define SLICES_PER_CPU 64u
#define RINGS_MAX 16u
#define QUEUES_MAX 8u
#define FABRIC_QUEUES_MAX 8u
#define ENDPOINTS_MAX 16u
