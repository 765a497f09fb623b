// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What `front` tells the agent: one frame that the agent shares with it (ROLE_SHARED,
// READ and WRITE). The agent puts it into the view and into its status to others.
//
// `version` is odd while front writes, and counts on by two with each change; front
// wakes it. Counters may change without it. The agent looks at nothing else, and
// believes an address only as far as it concerns this node or the virtual address.

#include "kernel/base/types.h"

struct front_report {
	u32 version;
	u32 address;		// IPv4, host order, as all here; 0: none yet
	u32 mask;
	u32 gateway;
	u32 virtual_address;	// leased or configured by this node as holder; 0: not
	u32 virtual_mask;
	u32 virtual_gateway;
	u32 is_holding;		// it answers for the virtual address
	u64 spread;		// frames sent on to instances
	u64 unclaimed;		// for the virtual address, without an instance
};

STATIC_ASSERT(sizeof(struct front_report) <= 4096);
