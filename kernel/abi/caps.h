// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Capability types, made from caps.def, and the rights that a capability can
// carry. A capability lives in a list that the kernel holds for each
// environment and is named by its slot there; holding a number confers nothing.

#include "kernel/base/types.h"

enum cap_type {
	CAP_NONE,
#define X(name, word, range) name,
#include "kernel/abi/caps.def"
#undef X
	CAP_TYPE_COUNT
};

// READ: map or inspect, receive. WRITE: map writable, change, send. EXECUTE:
// map executable. DERIVE: make capabilities from it, in any list that the
// holder can reach. FORGE: a ring bound with it may send any header.
#define CAP_READ 0x01u
#define CAP_WRITE 0x02u
#define CAP_EXECUTE 0x04u
#define CAP_DERIVE 0x08u
#define CAP_FORGE 0x10u
#define CAP_ALL 0x1fu

#define CAP_LIST_SLOTS 256u	// capabilities of one environment
#define CAP_DEPTH_MAX 16u	// derivations between a capability and its root
#define CAP_SLOT_SELF 0u	// every environment's capability for itself

// What cap_inspect() tells.
struct cap_info {
	u32 type;		// enum cap_type; CAP_NONE for a free slot
	u32 rights;
	u64 base;
	u64 count;
	u32 depth;		// 0 for a root
	u32 children;		// capabilities derived directly from it
};
