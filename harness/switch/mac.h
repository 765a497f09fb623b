// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The table of learned addresses: which port a station was last heard on.
//
// A fixed hash table of small sets: learning and looking up read one set, and
// a station that invents addresses by the million only makes the oldest entry
// of a set be forgotten, after which frames to it are flooded until it speaks
// again (IEEE 802.1Q, 8.8: ageing time 300 s by default).
//
// Invariant M1: an address is in the table at most once, in its own set.
// Single-threaded; sans-IO.

#include "kernel/base/types.h"

#define MAC_AGE_NS (300 * NS_PER_SECOND)
#define MAC_SETS 512u
#define MAC_WAYS 4u
#define MAC_NO_PORT (-1)

// A 48-bit address is kept in a u64, first byte on the wire highest.
#define MAC_BROADCAST 0xffffffffffffull

struct mac_entry {
	u64 address; // 0: the entry is free
	u64 seen_ns;
	u32 port;
};

struct mac_table {
	struct mac_entry entries[MAC_SETS * MAC_WAYS];
};

// Reads the six bytes at `at`.
u64
mac_load(const u8 *at);

// True for broadcast and multicast addresses.
bool
mac_is_group(u64 address);

// Remembers that `address` was heard on `port`. Group addresses and 0 are
// ignored: no station may send from them.
void
mac_learn(struct mac_table *table, u64 address, u32 port, u64 now_ns);

// The port, or MAC_NO_PORT when unknown or not heard for MAC_AGE_NS.
int
mac_find(const struct mac_table *table, u64 address, u64 now_ns);

// Forgets all that was learned on `port`.
void
mac_forget_port(struct mac_table *table, u32 port);
