// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The tables that every environment can read (kernel/abi/tables.h). They are
// the kernel's own working data, not a copy.

#include "kernel/abi/tables.h"

// X(structure, name, dimensions, where programs see it)
#define EXPORTED_TABLES \
	X(sys_info, sys_info, , TABLE_INFO_OFFSET) \
	X(env_info, env_table, [ENVS_MAX], TABLE_ENVS_OFFSET) \
	X(slice_info, slice_table, [CPUS_MAX][SLICES_PER_CPU], TABLE_SLICES_OFFSET) \
	X(cpu_info, cpu_table, [CPUS_MAX], TABLE_CPUS_OFFSET) \
	X(ring_info, ring_table, [RINGS_MAX], TABLE_RINGS_OFFSET) \
	X(device_info, device_table, [DEVICES_MAX], TABLE_DEVICES_OFFSET) \
	X(fabric_link, link_table, [FABRIC_LINKS_MAX], TABLE_LINKS_OFFSET) \
	X(fabric_info, fabric_info, , TABLE_FABRIC_OFFSET) \
	X(volume_info, volume_table, [VOLUMES_MAX], TABLE_VOLUMES_OFFSET) \
	X(volume_block, volume_blocks, [VOLUMES_MAX][VOLUME_BLOCKS_MAX], \
	  TABLE_REGISTRY_OFFSET)

#define X(type, name, dimensions, offset) extern struct type name dimensions;
EXPORTED_TABLES
#undef X

// Maps them, and the frame table, into the part of every address space that is
// set aside for them. Once, at boot.
void
tables_share(void);
