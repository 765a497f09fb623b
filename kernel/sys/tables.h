// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The tables that every environment can read (kernel/abi/tables.h). They are
// the kernel's own working data, not a copy.

#include "kernel/abi/tables.h"

extern struct sys_info sys_info;
extern struct env_info env_table[ENVS_MAX];
extern struct slice_info slice_table[CPUS_MAX][SLICES_PER_CPU];
extern struct cpu_info cpu_table[CPUS_MAX];
extern struct volume_info volume_table[VOLUMES_MAX];
extern struct volume_block volume_blocks[VOLUMES_MAX][VOLUME_BLOCKS_MAX];
extern struct ring_info ring_table[RINGS_MAX];
extern struct device_info device_table[DEVICES_MAX];
extern struct fabric_link link_table[FABRIC_LINKS_MAX];
extern struct fabric_info fabric_info;

// Maps them, and the frame table, into the part of every address space that is
// set aside for them. Once, at boot.
void
tables_share(void);
