// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Receive and transmit descriptor rings of the e1000e family (Intel 82574 datasheet,
// sections 7.1 and 7.2), driver's side, as sans-IO cores over memory that the host
// gives: they fill descriptors and take back those that the device has marked done.
// Registers, and when the tail is shown to the device, are the host's.
//
// The device shares the descriptors and may be broken. What must be remembered
// (which buffer a descriptor names, where a frame ends) lies in private memory. From
// the shared part one word of a descriptor is read, once, and checked; a device that
// breaks the rules marks the ring broken, and no access leaves it.
//
// Invariants, checked by the *_check() functions:
//   R1  taken <= shown <= added, modulo 2^16, at most the ring's size apart
//   R2  a buffer is named by at most one descriptor between taken and added
//   T1  taken <= shown <= added, as R1, and a frame's descriptors lie between them
//   T2  room + descriptors that open frames count for = E1000E_ROOM
//
// A frame to send counts one for its header and one for each piece, like a
// virtqueue's; the descriptor that tells the device where a checksum goes comes on
// top, and the ring is long enough for one with each frame. No allocation, no clock.

#include "kernel/base/types.h"

#define E1000E_RECEIVE_SIZE 512u	// descriptors, a power of two
#define E1000E_BUFFERS_MAX 256u		// fewer than that: a full ring reads as empty
#define E1000E_SEND_SIZE 1024u
#define E1000E_ROOM 256u
#define E1000E_PIECES_MAX 4u		// header and pieces of one frame
#define E1000E_CHECKSUM_MAX 255u	// last place of a checksum's first byte

struct e1000e_descriptor {
	u64 physical;
	u64 rest;		// lengths, commands, and what the device answers
};

struct e1000e_receive {
	volatile struct e1000e_descriptor *ring;
	u64 buffers_physical;
	u32 buffer_len;
	u32 buffer_count;
	u16 added;		// descriptors, counted freely
	u16 shown;		// to the device
	u16 taken;
	bool inside;		// a frame that one buffer does not hold
	bool broken;
	u16 buffer[E1000E_RECEIVE_SIZE];
};

struct e1000e_received {
	u32 buffer;
	u32 len;
};

// Prepares an empty ring over E1000E_RECEIVE_SIZE zeroed descriptors, for
// `buffer_count` buffers of `buffer_len` bytes (at most 65535) that lie one behind the
// other.
void
e1000e_receive_init(struct e1000e_receive *r, void *ring, u64 buffers_physical,
		    u32 buffer_count, u32 buffer_len);

// Gives a buffer to the device, which sees it after e1000e_receive_show().
void
e1000e_receive_give(struct e1000e_receive *r, u32 buffer);

// Descriptors that were given and are not yet shown.
static inline u32
e1000e_receive_unshown(const struct e1000e_receive *r)
{
	return (u16)(r->added - r->shown);
}

// Counts everything given as shown; returns the tail register's new value.
u32
e1000e_receive_show(struct e1000e_receive *r);

// Is there something to take? One load.
bool
e1000e_receive_waiting(const struct e1000e_receive *r);

// Takes the next frame of min..max bytes that one buffer holds and that came without
// an error; others are given back. False when there is none, or when the device broke the
// rules (r->broken is then set and stays). Ends after as many descriptors as the device has.
must_check bool
e1000e_receive_take(struct e1000e_receive *r, u32 len_min, u32 len_max,
		    struct e1000e_received *received);

void
e1000e_receive_check(const struct e1000e_receive *r);

struct e1000e_piece {
	u64 physical;
	u32 len;		// at least 1
};

struct e1000e_send {
	volatile struct e1000e_descriptor *ring;
	u16 added;		// descriptors, counted freely
	u16 shown;
	u16 taken;
	u16 first;		// frames, counted freely: the oldest that is open
	u16 next;
	u16 room;		// see the head of this file
	u8 checksum_start;	// what the device was told last; 0: nothing
	u8 checksum_at;
	bool broken;
	struct {
		u32 cookie;
		u16 last;	// its last descriptor
		u16 count;	// what it counts for
	} frame[E1000E_ROOM];
};

// Prepares an empty ring over E1000E_SEND_SIZE zeroed descriptors.
void
e1000e_send_init(struct e1000e_send *s, void *ring);

// Where the next frame's header lies among E1000E_ROOM slots; free until the next
// e1000e_send_add().
static inline u32
e1000e_send_slot(const struct e1000e_send *s)
{
	return s->next % E1000E_ROOM;
}

static inline u32
e1000e_send_open(const struct e1000e_send *s)
{
	return (u16)(s->next - s->first);
}

// Opens a frame of `count` pieces; there must be room for as many. With a
// `checksum_start` the device sums from there to the end and puts the sum at
// `checksum_at`, both at most E1000E_CHECKSUM_MAX.
void
e1000e_send_add(struct e1000e_send *s, const struct e1000e_piece *pieces, u32 count,
		u32 checksum_start, u32 checksum_at, u32 cookie);

// True when there is something to show; `tail` is then the register's new value.
must_check bool
e1000e_send_show(struct e1000e_send *s, u32 *tail);

// Is the oldest frame done? One load.
bool
e1000e_send_waiting(const struct e1000e_send *s);

// Takes back the oldest frame if the device is done with it. False when it is not, or
// when the device broke the rules (s->broken).
must_check bool
e1000e_send_take(struct e1000e_send *s, u32 *cookie);

// Takes back a frame without the device, which must have stopped. False when none is
// open.
must_check bool
e1000e_send_abandon(struct e1000e_send *s, u32 *cookie);

void
e1000e_send_check(const struct e1000e_send *s);
