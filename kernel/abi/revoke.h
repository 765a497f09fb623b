// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Revocation that can be seen: a request with a deadline, then repossession with
// a record (Engler et al., SOSP '95, section 3.3). This is the part of the uarea
// in which it happens; docs/revocation.md tells the whole.
//
// A request (revoke_ask) is either for units out of the environment's quota, which
// go back to its parent, or for units of capabilities that came from one of the
// asker's. The environment complies by cap_drop or cap_trim of whatever it likes
// best. At the deadline the kernel takes what is still owed, no more: first from
// the declared capabilities, in their order, then from the others, the highest
// slot first; always from the end of a range. What it took is recorded.
//
// Each request and each record changes `serial`: wait on it, or ask for
// UPCALL_REVOKE with upcall_wanted. Everything here but `declared`,
// `declared_count` and `taken_tail` is the kernel's to write; it believes nothing
// of it.

#include "kernel/abi/caps.h"

#define REVOKE_REQUESTS_MAX 8u	// open at a time: the first three for the quota
#define REVOKE_DECLARED_MAX 8u
#define REVOKE_TAKEN_MAX 32u
#define REVOKE_DELAY_MAX_NS (10 * NS_PER_SECOND)

// What a request for quota never takes: so many frames beside the page tables, so
// many slices, so many rings, queues and endpoints.
#define REVOKE_KEEPS_FRAMES 16u
#define REVOKE_KEEPS_SLICES 1u
#define REVOKE_KEEPS_RINGS 1u

// A request by the owner of a REMOTE capability, on another node, is about the end of
// its range. In it and in records, `base` of a REMOTE capability is the owner's index
// in the table of links, above REMOTE_UNIT_BITS (kernel/abi/fabric.h), and the unit.
// The owner takes what is owed at the deadline; here that is done when it says so, and
// REVOKE_FAR_NS later when it does not.
#define REVOKE_FAR_NS (20 * NS_PER_MS)

enum revoke_from {
	REVOKE_NOTHING,		// no request here
	REVOKE_QUOTA,		// the type is CAP_FRAMES, CAP_SLICES or CAP_RING
	REVOKE_CAPABILITY,	// its range is [base, base + count)
	REVOKE_OWNER,		// the same; `slot` holds it
};

struct revoke_request {
	u32 from;		// enum revoke_from
	u16 type;		// enum cap_type
	u16 slot;		// REVOKE_OWNER
	u64 base;
	u64 count;
	u64 owed;		// units still to be given up
	u64 deadline_ns;
};

// Take from this capability first, down to its first `keep` units.
struct revoke_declared {
	u32 slot;
	u32 reserved;
	u64 keep;
};

// Of a REMOTE capability whose owner has taken it, or its end, without a request that
// is open: the record is all, and the capability stays until it is dropped.
#define REVOKE_UNASKED 0xffffu

// Of frames that were a copy under a lease (FABRIC_LEASE), which is over: they are gone.
#define REVOKE_LEASE 0xfffeu

// One repossession: [base, base + count) of what was in the slot. Units of a type
// without ranges are capabilities; a child (CAP_ENV) is ended when its parent's
// own does not suffice.
struct revoke_taken {
	u32 slot;
	u16 type;		// enum cap_type
	u16 request;		// index, or REVOKE_UNASKED, or REVOKE_LEASE
	u64 base;
	u64 count;
};

struct revocation {
	u32 serial;
	u32 declared_count;
	struct revoke_declared declared[REVOKE_DECLARED_MAX];
	struct revoke_request request[REVOKE_REQUESTS_MAX];
	// Records lie at their number modulo REVOKE_TAKEN_MAX, from taken_tail, which
	// the environment advances, to taken_head. What found no room is counted.
	u32 taken_head;
	u32 taken_tail;
	u64 taken_missed;	// records
	u64 units_missed;	// in them
	struct revoke_taken taken[REVOKE_TAKEN_MAX];
};
