// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Which IPv4 address which station has, learned by watching.
//
// A DHCPACK (RFC 2131) says it for its client; an ARP packet (RFC 826) says it
// for its sender. A lease is the better witness: ARP replaces only what ARP
// taught, a lease replaces everything. What a station had is forgotten when
// its port's client goes, so a node that restarts starts unknown.
//
// Invariant S1: a station has at most one entry. Single-threaded; sans-IO.
// The frames come from hostile guests: every length is checked.

#include "kernel/base/types.h"

#define SNOOP_ENTRIES 256u

enum snoop_source { SNOOP_NONE, SNOOP_ARP, SNOOP_DHCP };

struct snoop_entry {
	u64 mac; // as in mac.h
	u32 ip;  // host order
	enum snoop_source source;
	u64 seen_ns;
};

struct snoop {
	struct snoop_entry entries[SNOOP_ENTRIES];
};

// Looks at one frame of any kind and length.
void
snoop_frame(struct snoop *snoop, const u8 *frame, u32 len, u64 now_ns);

// The entry of a station, or NULL.
const struct snoop_entry *
snoop_find(const struct snoop *snoop, u64 mac);

// Forgets a station.
void
snoop_forget(struct snoop *snoop, u64 mac);
