// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Time since boot without a system call, and the other exported tables
// (kernel/abi/tables.h) at their places.

#include "kernel/abi/tables.h"

// The tables are the kernel's own words: read them, never cache across time.
static inline const volatile struct sys_info *
sys_info(void)
{
	return (const volatile struct sys_info *)(TABLES_BASE +
						  TABLE_INFO_OFFSET);
}

// ENVS_MAX entries.
static inline const volatile struct env_info *
env_table(void)
{
	return (const volatile struct env_info *)(TABLES_BASE +
						  TABLE_ENVS_OFFSET);
}

// cpu_count * SLICES_PER_CPU entries.
static inline const volatile struct slice_info *
slice_table(void)
{
	return (const volatile struct slice_info *)(TABLES_BASE +
						    TABLE_SLICES_OFFSET);
}

// cpu_count entries.
static inline const volatile struct cpu_info *
cpu_table(void)
{
	return (const volatile struct cpu_info *)(TABLES_BASE +
						  TABLE_CPUS_OFFSET);
}

// RINGS_MAX entries.
static inline const volatile struct ring_info *
ring_table(void)
{
	return (const volatile struct ring_info *)(TABLES_BASE +
						   TABLE_RINGS_OFFSET);
}

// DEVICES_MAX entries, up to the first without a vendor.
static inline const volatile struct device_info *
device_table(void)
{
	return (const volatile struct device_info *)(TABLES_BASE +
						     TABLE_DEVICES_OFFSET);
}

// fabric_info()->links entries.
static inline const volatile struct fabric_link *
link_table(void)
{
	return (const volatile struct fabric_link *)(TABLES_BASE +
						     TABLE_LINKS_OFFSET);
}

static inline const volatile struct fabric_info *
fabric_info(void)
{
	return (const volatile struct fabric_info *)(TABLES_BASE +
						     TABLE_FABRIC_OFFSET);
}

// FABRIC_LINKS_MAX entries, fabric_info()->exports_max, FABRIC_HELD_MAX; and the trace.
// Only where the fabric is on.
static inline const volatile struct fabric_counts *
counts_table(void)
{
	return (const volatile struct fabric_counts *)(TABLES_BASE +
						       TABLE_COUNTS_OFFSET);
}

static inline const volatile struct fabric_export *
exports_table(void)
{
	return (const volatile struct fabric_export *)(TABLES_BASE +
						       TABLE_EXPORTS_OFFSET);
}

static inline const volatile struct fabric_held *
held_table(void)
{
	return (const volatile struct fabric_held *)(TABLES_BASE +
						     TABLE_HELD_OFFSET);
}

static inline const volatile struct trace_ring *
trace_ring(void)
{
	return (const volatile struct trace_ring *)(TABLES_BASE +
						    TABLE_TRACE_OFFSET);
}

// VOLUMES_MAX entries.
static inline const volatile struct volume_info *
volume_table(void)
{
	return (const volatile struct volume_info *)(TABLES_BASE +
						     TABLE_VOLUMES_OFFSET);
}

// What is known of each block of a volume: as many entries as it has blocks.
static inline const volatile struct volume_block *
volume_registry(u32 volume)
{
	return (const volatile struct volume_block *)(TABLES_BASE +
						      TABLE_REGISTRY_OFFSET) +
	       (u64)volume * VOLUME_BLOCKS_MAX;
}

// sys_info()->frame_count entries.
static inline const volatile struct frame_info *
frame_table(void)
{
	return (const volatile struct frame_info *)(TABLES_BASE +
						    TABLE_FRAMES_OFFSET);
}

static inline u64
tsc_read(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

// Nanoseconds since boot: the clock of every deadline.
static inline u64
now_ns(void)
{
	u64 ticks = tsc_read() - sys_info()->tsc_boot;

	return (u64)(((unsigned __int128)ticks * sys_info()->tsc_ns_mult) >> 32);
}
