// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Kernel tables that every environment sees, read-only, at TABLES_BASE: names,
// ownership and load are visible, so that libOSes can decide (Kaashoek et al.,
// SOSP '97, section 3). The kernel writes them in place; a reader may see a
// change half-way across two words, never within one.
//
// Of their words, wait() is told of these: console_typed; frames_free; `changes` of
// the fabric; and the entry of an environment when it is made, starts, ends, is
// dead, or is free again, and when what it owes changes. A sleeper on another one
// looks at it only when something else wakes it.

#include "kernel/abi/fabric.h"
#include "kernel/abi/layout.h"
#include "kernel/abi/observe.h"
#include "kernel/abi/syscalls.h"
#include "kernel/abi/trace.h"
#include "kernel/abi/volume.h"

#define TABLE_INFO_OFFSET 0x0ull
#define TABLE_ENVS_OFFSET 0x10000ull
#define TABLE_SLICES_OFFSET 0x20000ull
#define TABLE_RINGS_OFFSET 0x30000ull
#define TABLE_LINKS_OFFSET 0x40000ull
#define TABLE_FABRIC_OFFSET 0x50000ull
#define TABLE_CPUS_OFFSET 0x60000ull
#define TABLE_DEVICES_OFFSET 0x70000ull
#define TABLE_VOLUMES_OFFSET 0x80000ull
#define TABLE_REGISTRY_OFFSET 0x90000ull	// VOLUME_BLOCKS_MAX entries a volume
// Where fabric_info's state is FABRIC_ON; else nothing is there.
#define TABLE_HELD_OFFSET 0xb0000ull		// FABRIC_HELD_MAX
#define TABLE_EXPORTS_OFFSET 0xc8000ull		// fabric_info's exports_max
#define TABLE_COUNTS_OFFSET 0xe4000ull		// FABRIC_LINKS_MAX
#define TABLE_TRACE_OFFSET 0xf0000ull		// struct trace_ring
#define TABLE_FRAMES_OFFSET 0x100000ull

#define ABI_VERSION 1u
#define OWNER_NONE 0xffffu

struct sys_info {
	u32 abi_version;
	u32 cpu_count;
	u64 frame_count;	// entries of the frame table
	u64 frames_free;
	u64 tsc_hz;
	// Time since boot in ns = ((tsc - tsc_boot) * tsc_ns_mult) >> 32.
	u64 tsc_boot;
	u64 tsc_ns_mult;
	u64 boot_unix_seconds;	// UTC at tsc_boot, by the machine's clock; 0: unknown
	u64 incarnation;	// random, fresh at every boot
	u32 console_typed;	// counts typed bytes: wait on it, then read
	u32 nic_count;		// 0 or 1
	u8 nic_mac[6];
	u16 nic_mtu;		// payload bytes of a ring's frame, at most 1500
	u32 nic_checksum;	// not 0: the device completes checksums
	u32 nic_segments;	// not 0: it cuts TCP segments (struct ring_tx)
	u64 disk_blocks;	// 0: no disk
	u64 nic_rx_frames;
	u64 nic_rx_unclaimed;	// no filter took them
	u64 nic_tx_frames;
	u8 node_uuid[16];	// SMBIOS type 1, or zero
	u64 nic_rx_too_long;	// not the fabric's, and longer than a ring's
};

enum env_state {
	ENV_FREE,
	ENV_NEW,		// created, not started
	ENV_RUNNABLE,
	ENV_ASLEEP,
	ENV_DYING,		// its resources are being taken back
	ENV_DEAD,		// ended; the entry stays until its capability goes
	ENV_CALLING,		// awaits the reply to an entry_call. One that nothing has
				// interrupted yet does not show: who serves it seems
				// asleep, and the caller to run
};

enum env_end {
	END_NONE,
	END_EXIT,		// env_exit; end_status is its argument
	END_DESTROYED,		// its capability was dropped or revoked
	END_FAULT,		// a fault and no handler
	END_UPCALL,		// the upcall stack could not take the frame
};

// A fault_vector: not an exception but another upcall found no way into the program.
#define VECTOR_TIMER_UPCALL 0xffffu

struct env_info {
	u32 id;			// never reused; 0: free entry
	u32 state;		// enum env_state
	u32 parent;		// id
	u32 end;		// enum env_end
	u32 end_status;
	u32 fault_vector;	// of END_FAULT and END_UPCALL, or VECTOR_TIMER_UPCALL
	u64 fault_rip;
	u64 fault_address;
	u64 cpu_ns;		// processor time used
	u64 excess_ns;		// of it, in slices lent by others
	u64 overrun_ns;		// of it, after a slice had ended (SLICE_OVERRUN_NS)
	u64 owed_ns;		// of that, not yet taken from its slices
	u32 cut_offs;		// overruns that the kernel ended
	u32 processor;		// where it runs or ran last
	struct quota quota;	// what it may hold, without what children took
	struct quota used;
	struct quota owed;	// by requests for quota (kernel/abi/revoke.h)
	u32 requests;		// open ones, of any kind
	u32 taken;		// repossessions, counted
	u64 faults;		// upcalls for exceptions
	u64 looks;		// how often its wakeup predicates were asked
	char name[ENV_NAME_SIZE];
};

STATIC_ASSERT(sizeof(struct env_info) * ENVS_MAX <= 0x10000);

// One a processor. Counts since boot.
struct cpu_info {
	u64 locks;		// times that it took the kernel lock
	u64 lock_waits;		// times that it had to wait until another left it
	u64 lock_wait_ns;	// how long in all
	u64 beside;		// calls and faults that needed no lock
	u64 idle_ns;		// halted, with nothing to run
};

// Which environment (index in the env table, or OWNER_NONE) runs in each slice.
struct slice_info {
	u16 env;
	u16 owner;		// who allocated it
};

struct ring_info {
	u32 owner;		// id of the environment; 0: free
	u32 mac_index;		// or RING_MAC_GIVEN
	u8 mac[6];
	u16 filter_count;	// that it receives by
	u64 rx_frames;
	u64 rx_dropped;
	u64 tx_frames;
	u64 tx_refused;
	u64 handled;		// frames that its handler saw
};

// PCI functions in the order in which they were found; vendor 0 ends the table.
#define DEVICES_MAX 64u

struct device_info {
	u16 vendor;
	u16 device;
	u8 bus;
	u8 slot;
	u8 function;
	u8 base_class;		// PCI's: 1 storage, 2 network ...
	u8 sub_class;
	u8 interface;
	u8 masters;		// not 0: it may use memory by itself (drivers say so)
	u8 reserved;
};

enum frame_state {
	FRAME_RESERVED,		// firmware, kernel image, kernel tables
	FRAME_FREE,
	FRAME_OWNED,		// by an environment
	FRAME_TABLE,		// page table or other kernel memory, charged to the owner
	FRAME_LIMBO,		// released, but a device or a sleeper still refers to it
};

STATIC_ASSERT(sizeof(struct fabric_link) * FABRIC_LINKS_MAX <= 0x10000);
STATIC_ASSERT(TABLE_HELD_OFFSET + sizeof(struct fabric_held) * FABRIC_HELD_MAX <=
	      TABLE_EXPORTS_OFFSET);
STATIC_ASSERT(TABLE_EXPORTS_OFFSET + sizeof(struct fabric_export) * FABRIC_EXPORTS_MAX <=
	      TABLE_COUNTS_OFFSET);
STATIC_ASSERT(TABLE_COUNTS_OFFSET + sizeof(struct fabric_counts) * FABRIC_LINKS_MAX <=
	      TABLE_TRACE_OFFSET);

struct frame_info {
	u16 owner;		// index in the env table, or OWNER_NONE
	u8 state;		// enum frame_state
	u8 reserved;
	u32 pins;		// references of devices and sleepers
};
