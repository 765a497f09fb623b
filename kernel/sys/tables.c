// SPDX-License-Identifier: BSD-2-Clause
// Storage of the exported tables. They lie in pages of their own: each object
// is page aligned and the linker script pads behind the last one, so that
// nothing else shows through the mapping.
//
// Invariant T1: environments see these pages read-only; only the kernel writes.

#include "kernel/sys/tables.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/base/assert.h"
#include "kernel/sys/env.h"

#define EXPORTED aligned_(4096) __attribute__((section(".bss.tables")))

struct sys_info sys_info EXPORTED;
struct env_info env_table[ENVS_MAX] EXPORTED;
struct slice_info slice_table[CPUS_MAX][SLICES_PER_CPU] EXPORTED;
struct cpu_info cpu_table[CPUS_MAX] EXPORTED;
struct ring_info ring_table[RINGS_MAX] EXPORTED;
struct device_info device_table[DEVICES_MAX] EXPORTED;
struct fabric_link link_table[FABRIC_LINKS_MAX] EXPORTED;
struct fabric_info fabric_info EXPORTED;
struct volume_info volume_table[VOLUMES_MAX] EXPORTED;
struct volume_block volume_blocks[VOLUMES_MAX][VOLUME_BLOCKS_MAX] EXPORTED;

STATIC_ASSERT(TABLE_REGISTRY_OFFSET + sizeof(volume_blocks) <= TABLE_HELD_OFFSET);

void
tables_share(void)
{
	ASSERT(frames.count > 0);
	kernel_map_share(TABLE_INFO_OFFSET, &sys_info, sizeof(sys_info));
	kernel_map_share(TABLE_ENVS_OFFSET, env_table, sizeof(env_table));
	kernel_map_share(TABLE_SLICES_OFFSET, slice_table, sizeof(slice_table));
	kernel_map_share(TABLE_RINGS_OFFSET, ring_table, sizeof(ring_table));
	kernel_map_share(TABLE_DEVICES_OFFSET, device_table, sizeof(device_table));
	kernel_map_share(TABLE_CPUS_OFFSET, cpu_table, sizeof(cpu_table));
	kernel_map_share(TABLE_LINKS_OFFSET, link_table, sizeof(link_table));
	kernel_map_share(TABLE_FABRIC_OFFSET, &fabric_info, sizeof(fabric_info));
	kernel_map_share(TABLE_VOLUMES_OFFSET, volume_table, sizeof(volume_table));
	kernel_map_share(TABLE_REGISTRY_OFFSET, volume_blocks, sizeof(volume_blocks));
	kernel_map_share(TABLE_FRAMES_OFFSET, frames.frame,
			 frames.count * sizeof(struct frame_info));
}
