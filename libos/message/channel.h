// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A channel: a ring of messages in memory that a writer and a reader share, who run at
// the same time. A sans-IO core: the host (link.h) maps it, sleeps and wakes.
//
// Each side has a page that it alone writes (struct channel_end); the bytes are the
// writer's to write. So a side can be given the other's half to read only, and trusts
// nothing in it: counts and lengths that cannot be make the channel CHANNEL_BROKEN for
// who sees them. What a side lies about harms nobody but who listens to it.
//
// A message is its length in four bytes, itself, and up to three bytes to the next
// multiple of four; it may go around the end of the ring. It is there as a whole or not
// at all. While both sides are busy nothing but loads and stores happens.
//
// Sleeping. `naps` is odd while a side wants to be woken. Who sleeps: makes it odd, then
// looks at the other's count once more; who changes a count: stores it, then looks at
// the other's naps. One of the two sees the other. One wake for each nap is enough if it
// is for a count that the sleeper had not seen when it went to sleep (`napped_at`): the
// kernel looks at the words when the sleep begins.
//
// Invariants, of an honest pair:
//   H1  writer.count - reader.count is the bytes in the ring, at most its size, and a
//       multiple of 4; both only grow (and wrap)
//   H2  channel.count, closed and naps are those of `mine`; seen a former theirs->count
//   H3  the stores of count, closed and an odd naps, and the loads that follow each,
//       are in one order for both sides

#include "kernel/base/types.h"

#define CHANNEL_BYTES_MIN 64u
#define CHANNEL_BYTES_MAX (1u << 30)
#define CHANNEL_LINE 64u		// what sides write lies in lines of its own

struct channel_end {
	u32 count;			// bytes written, or read, ever; wraps
	u32 closed;			// not 0: that was all
	u32 naps;
	u32 napped_at;			// count of the other's that it knew then
} aligned_(CHANNEL_LINE);

enum channel_result {
	CHANNEL_DONE,
	CHANNEL_WAIT,			// no room, or no message: yet
	CHANNEL_LONG,			// no ring, or buffer, for such a message
	CHANNEL_CLOSED,			// nothing comes any more, or is read
	CHANNEL_BROKEN,			// what the other side wrote cannot be
	CHANNEL_ENDED,			// link.h: the other's environment has ended
	CHANNEL_LATE,			// link.h: the deadline passed
};

// One side's view, in its own memory.
struct channel {
	struct channel_end *mine;
	const struct channel_end *theirs;
	u8 *bytes;			// a reader only reads them
	u32 size;			// a power of two
	u32 count;
	u32 seen;
	u32 naps;
	u32 woken;			// the nap that the other was woken from last
	bool writes;
	bool closed;
	bool broken;
};

// A side of a channel that is empty: its pages are zero, or both were left at the same
// count.
void
channel_open(struct channel *c, bool writes, struct channel_end *mine,
	     const struct channel_end *theirs, void *bytes, u32 size);

// The longest message of a channel of that size.
static inline u32
channel_longest(u32 size)
{
	return size - (u32)sizeof(u32);
}

// Writes a message. CHANNEL_CLOSED: the reader does not read any more.
must_check enum channel_result
channel_put(struct channel *c, const void *message, u32 len);

// Reads the next message, of at most `size` bytes; *len says how long it is, also when
// it is CHANNEL_LONG for the buffer and stays where it is.
must_check enum channel_result
channel_get(struct channel *c, void *message, u32 size, u32 *len);

// This side has said, or read, all that it will. What was written before is still read.
void
channel_close(struct channel *c);

// After put, get and close: does the other sleep, and want theirs `mine->count` woken?
// True once for each of its naps.
must_check bool
channel_wakes(struct channel *c);

// Has the other done anything since the last put or get that had to wait?
must_check bool
channel_moved(const struct channel *c);

// Before a sleep: false when it has. Then, or after the host slept until theirs->count
// is not `seen` or theirs->closed not 0, channel_rise() follows.
must_check bool
channel_nap(struct channel *c);
void
channel_rise(struct channel *c);
