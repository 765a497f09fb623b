// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A packet ring as a program uses it (kernel/abi/ring.h is the shared memory).
// Received frames are read where they lie; frames to send are gathered from up
// to RING_PIECES_MAX places without a copy. Everything is batched: one
// ring_flush() sends all that was put, and takes what has arrived.
//
// What is sent is named by frames, so it must lie in memory that locate()
// finds and that the ring was bound with as a region, and must not change until
// ring_sent() counts past it.

#include "kernel/abi/ring.h"
#include "libos/io/wait.h"
#include "libos/mem/map.h"

struct ring {
	u32 slot;		// of the ring's capability; SLOT_NONE: closed
	struct frame_run memory;
	struct ring_control *control;
	struct ring_tx *tx;
	const u8 *buffers;
	u32 rx_tail;		// next buffer to read
	u32 tx_head;		// next descriptor to fill
	u32 tx_flushed;		// tx_head at the last flush
	u64 unplaced;		// frames not sent because locate() failed
};

struct ring_config {
	u32 nic_slot;
	u32 mac_index;		// kernel/abi/ring.h, struct ring_spec
	const u8 *mac;		// not NULL: this address instead; needs FORGE
	u32 narrows;		// slot of a ring, or SLOT_NONE
	const struct frame_run *regions;
	u32 region_count;
	const struct ring_atom *filter;
	u32 filter_count;
	const struct ring_atom *send;	// what all that it sends meets
	u32 send_count;
};

// Bytes of one frame to send.
struct ring_part {
	const void *at;
	u32 len;
};

// What the device is to do with a frame (struct ring_tx): a checksum to complete,
// start 0: none; bytes of each segment to cut it into, 0: none.
struct ring_offload {
	u8 start;
	u8 offset;
	u16 segment;
};

// Takes the memory and binds the ring. Returns 0 or an error, with nothing left
// behind.
must_check i64
ring_open(struct ring *ring, const struct ring_config *config);

// Ends the binding and gives the memory back. Frames that were put are lost.
void
ring_close(struct ring *ring);

// Shows the oldest received frame: its bytes stay until ring_consume(). Returns
// its length, or 0 when none is there.
u32
ring_peek(const struct ring *ring, const u8 **frame);

// Gives the frame shown last back to the kernel.
void
ring_consume(struct ring *ring);

// The same for the n-th frame after the oldest, for programs that keep some a while,
// because they send them on from where they lie. They are given back in order.
u32
ring_peek_after(const struct ring *ring, u32 nth, const u8 **frame);

// How many more frames can be put.
u32
ring_room(const struct ring *ring);

// Puts a frame of `count` parts, 1 to RING_PIECES_MAX; the first holds at least
// the Ethernet header. There is room. Returns false, and puts nothing, when a
// part lies where locate() finds no place.
must_check bool
ring_put(struct ring *ring, const struct ring_part *parts, u32 count,
	 struct ring_offload offload);

// Does a ring of this node have that address now? The device cuts no segments for it.
must_check bool
ring_is_near(const u8 mac[6]);

// Frames that were put, and of them those that are done with, counted modulo
// 2^32: memory of frame number n may be reused when (i32)(sent - n) > 0.
static inline u32
ring_sent(const struct ring *ring)
{
	return __atomic_load_n(&ring->control->tx_done, __ATOMIC_ACQUIRE);
}

// One system call: sends what was put, takes what arrived. Without anything
// put since the last one it does nothing. Returns 0 or the kernel's error.
i64
ring_flush(struct ring *ring);

// Adds to a wait: wake when a frame arrives that ring_peek() has not shown. To
// be called when ring_peek() returned 0.
void
ring_watch(const struct ring *ring, struct wait_set *set);

// The same when `nth` frames after the oldest were shown.
void
ring_watch_after(const struct ring *ring, u32 nth, struct wait_set *set);

// Adds to a wait: wake when the device is done with another frame. `seen` is
// what ring_sent() returned.
void
ring_watch_sent(const struct ring *ring, struct wait_set *set, u32 seen);
