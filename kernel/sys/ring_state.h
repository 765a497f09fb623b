// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the kernel keeps for each packet ring, shared by ring.c (binding and its
// end), ring_tx.c and ring_rx.c; nobody else includes it.
//
// Invariants:
//   G1  the memory that `control`, `tx` and `buffers` point at is touched only
//       while `running`: then the frames capability `memory_node` still exists
//   G2  a span with count != 0 lies under a capability that still exists
//   G3  positions are the kernel's own copies; shared memory is never believed
//       about them: tx_done <= tx_taken <= tx_done + RING_SLOTS
//   G4  a running ring that receives or sends has claims (kernel/filter/claim.h), a
//       stopped one has none; a ring that may forge claims no sending
//   G5  every frame that a flight gave to the device is pinned until it is back

#include "kernel/abi/ring.h"
#include "kernel/filter/claim.h"
#include "kernel/filter/egress.h"
#include "kernel/sys/call.h"
#include "kernel/sys/tables.h"

#define RING_SENT_WORDS (RING_SLOTS / 64u)

struct ring {
	bool bound;		// the entry is in use
	bool running;		// not stopped by a revocation
	bool receives;
	bool sends;
	bool stalled;		// frames wait for room at the device
	bool watched;		// its owner sleeps on tx_done
	u32 owner;		// index of the environment
	u32 nic_node;
	u32 memory_node;
	u64 memory_frame;
	struct ring_info *info;	// exported half

	// Shared with the owner, in the direct map.
	struct ring_control *control;
	struct ring_tx *tx;
	u8 *buffers;

	struct egress egress;	// what it may send; span 0 is the ring itself
	u32 span_node[EGRESS_SPANS_MAX];	// capabilities that they lie under

	// Runs on what comes (ring_handler.c), while the capabilities for the ring, the
	// program and the region that it was bound with exist.
	const struct program *handler;	// or NULL
	bool handler_sends;
	u32 handler_node[3];
	u8 *handler_region;

	u32 rx_head;
	u32 tx_taken;		// descriptors looked at
	u32 tx_done;
	u32 tx_refused;
	u32 in_flight;		// device descriptors that it occupies
	u64 sent[RING_SENT_WORDS];	// bit: done, counted from tx_done on
};

extern struct ring rings[RINGS_MAX];
extern bool ring_tx_waiting;		// false: no ring is stalled or watched
extern struct claims claims;

// ring_claim.c: once, at boot.
void
ring_claims_init(void);

// A claim that was checked. The caller sets all of `wish` but the filter and what
// it narrows.
struct ring_claim {
	struct claim_wish wish;
	u32 under;
};

// May it be let in? 0, -E_ARGUMENT, -E_TAKEN, or what is wrong with `narrows`.
must_check i64
ring_claim_check(const struct env *env, u32 narrows, const struct ring_atom *atoms,
		 u32 count, struct ring_claim *c);
void
ring_claim_let_in(const struct ring_claim *c, u32 index);

// The ring ends or stops, and with it its claims and what stands on them.
void
ring_claims_end(u32 index);

// ring_rx.c: says again which rings receive.
void
ring_rx_list(void);

// Takes everything that has arrived, bounded, and hints the owners. Dear when nothing has.
void
ring_rx_poll(void);

// Is the frame that begins so for a ring of this node?
must_check bool
ring_is_here(const u8 *header);

// A frame that was judged, its first `header_len` bytes at `header` in
// the kernel's memory. True: its address is a ring's of this node, which has it, or
// had no room; false: it is for the wire.
must_check bool
ring_loop(const struct ring_tx *t, const u8 *header, u32 header_len);

// ring_handler.c: runs the handler on a frame in the ring's buffer. True: it goes no
// further.
must_check bool
ring_handler_consumes(struct ring *ring, u8 *message, u32 len);

// Frames that handlers wanted sent, and sending them.
extern u32 ring_handler_replies;
void
ring_handler_send(void);

// Is the ring of the call's capability the caller's own (-E_RIGHTS), and does it run
// (-E_STATE)? What it receives, and what is done with that, only its owner says.
i64
check_own_ring(const struct call *call);

// A capability is gone, or ends at the frame `from` now: perhaps one of the handler's.
void
ring_handler_cap_gone(struct ring *ring, u32 node, u64 from);

// ring_tx.c: sends a frame that a handler made, judged and short, if there is room.
void
ring_tx_reply(struct ring *ring, const u8 *bytes, u32 len);

// ring_tx.c: once, when the interface works.
void
ring_tx_init(void);

// Is `head` a position that the owner may have advanced tx_head to?
must_check bool
ring_tx_plausible(const struct ring *ring, u32 head);

// Sends the descriptors before `head` as far as there is room; the rest waits
// in the ring (`stalled`). Ignores an implausible head. The device is told by
// ring_tx_flush().
void
ring_tx_send(struct ring *ring, u32 head);

// Goes on with stalled rings, tells the device about everything sent, and asks
// for completion interrupts as long as somebody waits for them.
void
ring_tx_flush(void);

// The ring goes: its flights belong to nobody from now on.
void
ring_tx_forget(u32 index);
