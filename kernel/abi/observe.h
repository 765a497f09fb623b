// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the fabric counts of each link and of each capability, in exported tables
// (kernel/abi/tables.h) that exist only where fabric_info's state is FABRIC_ON. The
// cores count in place (net/link, net/rcap): a reader sees the newest number, and each
// number whole. All of them count from the boot of the node on, or from the moment
// when the entry got its present owner.
//
// docs/observability.md says what each means and where it is shown.

#include "kernel/abi/layout.h"

// Frames that were lost beside the protocol.
enum fabric_lost {
#define X(name, sentence) name,
#include "kernel/abi/lost.def"
#undef X
	FABRIC_LOST_COUNT
};

// Of a peer, by the index of its link. Only frames that were proven to be the peer's.
struct fabric_counts {
	u64 sent;		// frames
	u64 received;
	u32 dropped;		// of those received
	u32 refused;		// requests of the peer's
	u32 resends;		// requests to it that were asked again
	u32 timeouts;		// of these, because a timer ran out
	u32 sessions;
	u32 lapses;
	u32 rekeys;		// of what is sent to it
	u32 reserved;
};

// The owner's time at work by powers of four: bucket i has what took below 4^i us and is
// in no lower one, the last one everything else.
#define FABRIC_WORK_BUCKETS 10u

// Of a capability that somebody else holds, by its slot in the owner's table of
// exports. `type` 0: free. What ends in the turn in which it came is not timed: `work`
// has what took time, a disk's operations, programs, and what waited for its turn among
// those of other holders.
struct fabric_export {
	u64 incarnation;	// of the holder's node
	u64 base;		// frame, block, or endpoint
	u64 count;
	u64 operations;		// that the check let pass: with blocks, that began
	u64 bytes_in;		// of data that they wrote or delivered
	u64 bytes_out;		// of data that they were told
	u64 denials;		// requests that named the slot and were refused
	u32 environment;	// of the holder
	u16 peer;		// index of its link
	u8 type;		// enum fabric_type
	u8 rights;
	u64 work_us;		// sum
	u32 work[FABRIC_WORK_BUCKETS];
};

// Latencies by powers of two: bucket i has those below 2^i us that are in no lower
// one, the last one everything else.
#define FABRIC_LATENCY_BUCKETS 20u

// Of a capability that an environment here holds. Parts of it that were derived here
// count with it. `type` 0: free.
struct fabric_held {
	u64 incarnation;	// of the owner's node
	u64 count;		// units of its range
	u64 operations;		// that ended as DONE
	u64 bytes_in;		// of data that they fetched
	u64 bytes_out;		// of data that they wrote or delivered there
	u64 denials;		// NOT_DONE, for want of authority: here or there
	u64 failures;		// NOT_DONE for other reasons, and UNKNOWN_FINAL
	u64 latency_us;		// sum, of those that ended as DONE
	u32 latency[FABRIC_LATENCY_BUCKETS];	// from submission to completion
	u32 environment;	// to which it was granted
	u16 peer;		// index of the owner's link
	u8 type;		// enum fabric_type
	u8 rights;
	u64 serial;		// of the grant: counts on, never repeats
};

#define FABRIC_EXPORTS_MAX 1024u
#define FABRIC_HELD_MAX 512u

STATIC_ASSERT(sizeof(struct fabric_counts) == 48);
STATIC_ASSERT(sizeof(struct fabric_export) == 112);
STATIC_ASSERT(sizeof(struct fabric_held) == 160);

// The bucket of what took so long.
static inline u32
fabric_latency_bucket(u64 ns)
{
	u64 us = ns / 1000;
	u32 bits = us ? 64u - (u32)__builtin_clzll(us) : 0;

	return MIN(bits, FABRIC_LATENCY_BUCKETS - 1);
}

static inline u32
fabric_work_bucket(u64 ns)
{
	u64 us = ns / 1000;
	u32 bits = us ? 64u - (u32)__builtin_clzll(us) : 0;

	return MIN((bits + 1) / 2, FABRIC_WORK_BUCKETS - 1);
}
