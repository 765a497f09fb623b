// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Trace events: a fixed-size binary record, always on. Two kinds of rings hold them:
//
//	a processor's	what it did: the last ones are printed by a panic and read by
//			trace_read(). Faults, and calls on an environment's own pages,
//			have the time of the event before them
//	the fabric's	what the cores net/link and net/rcap did, in an exported table
//			(TABLE_TRACE) and in the simulator
//
// The kinds stand in trace.def. harness/trace shows both, from files whose format is
// in docs/observability.md.
//
// Invariant: event i lies at at[i & mask], and is whole once head > i. A reader copies,
// looks at head again, and forgets what may have been overwritten meanwhile: event i
// while head >= i + mask + 1.

#include "kernel/base/types.h"

enum trace_kind {
	TRACE_NONE,
#define X(name, number, word, a, b, sentence) TRACE_##name = number,
#include "kernel/abi/trace.def"
#undef X
	TRACE_KIND_COUNT
};

#define TRACE_EVENTS 256u	// a processor keeps

struct trace_event {
	u64 time_ns;
	u16 kind;
	union {
		u16 env;	// index, or OWNER_NONE
		u16 peer;	// of the fabric's: index of the link, or TRACE_NOBODY
	};
	u32 a;
	u64 b;
};

STATIC_ASSERT(sizeof(struct trace_event) == 24);

#define TRACE_NOBODY 0xffffu
#define TRACE_NO_SLOT 0xffffffffu

// What `b` packs: 32 bits of a capability's slot at its owner, 16 of a length, and two
// small numbers.
#define TRACE_PACK(slot, length, x, y)                          \
	((u64)(slot) | (u64)(u16)(length) << 32 | (u64)(u8)(x) << 48 | \
	 (u64)(u8)(y) << 56)
#define TRACE_PART(kind, part) ((kind) | (part) << 4)

struct trace_ring {
	u64 head;		// events put so far
	u64 mask;		// events that are kept, less one
	u64 reserved[6];
	struct trace_event at[];
};

static inline u64
trace_ring_bytes(u64 events)
{
	return sizeof(struct trace_ring) + events * sizeof(struct trace_event);
}

static inline void
trace_put(struct trace_ring *ring, u64 now, enum trace_kind kind, u16 peer, u32 a, u64 b)
{
	u64 head = ring->head;
	struct trace_event *event = &ring->at[head & ring->mask];

	event->time_ns = now;
	event->kind = (u16)kind;
	event->peer = peer;
	event->a = a;
	event->b = b;
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}
