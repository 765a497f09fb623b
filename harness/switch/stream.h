// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The framing of QEMU's `-netdev stream`: on a byte stream, each frame is its
// length (4 bytes, big-endian) and then its bytes.
//
// Reading and writing here are pure: bytes in, frames out. What moves the
// bytes is node.c. A length is the word of a stranger:
// - up to FRAME_LEN_MAX: a frame;
// - up to STREAM_LEN_MAX (what QEMU itself can send: its NET_BUFSIZE): the
//   bytes are skipped and the stream goes on, because QEMU never reconnects
//   and one giant must not cost a node its network;
// - beyond that: this is no such stream, and nothing after it can be trusted.
//
// Invariants:
//   R1  start <= end <= STREAM_BUFFER.
//   R2  no byte is looked at twice except those of the frame at the end that
//       is not complete yet.
// Sans-IO.

#include <sys/uio.h>

#include "harness/switch/frame.h"

#define STREAM_PREFIX 4u
#define STREAM_LEN_MAX (4096u + 65536u)
#define STREAM_BUFFER (128u * 1024)
// Room that stream_space() always offers at least.
#define STREAM_SPACE_MIN (STREAM_BUFFER - (STREAM_PREFIX + FRAME_LEN_MAX))

struct stream_reader {
	u32 start; // the first byte not yet consumed
	u32 end;
	u32 skip_bytes; // of an oversize frame, still to come
	u8 buffer[STREAM_BUFFER];
};

enum stream_result {
	STREAM_FRAME,    // *bytes and *len are a frame, valid until the next call
	STREAM_MORE,     // no whole frame: read more first
	STREAM_OVERSIZE, // a frame too long to carry was skipped; go on
	STREAM_BROKEN,   // an impossible length: close the stream
};

// Forgets everything: a new stream begins.
void
stream_reset(struct stream_reader *reader);

// Where the next bytes are to be read to; *len is at least STREAM_SPACE_MIN
// when stream_next() said STREAM_MORE last.
u8 *
stream_space(struct stream_reader *reader, u32 *len);

// `len` bytes were read to stream_space().
void
stream_filled(struct stream_reader *reader, u32 len);

// The next event in the bytes read so far.
must_check enum stream_result
stream_next(struct stream_reader *reader, const u8 **bytes, u32 *len);

// Describes up to `iov_max` frames from the head of `queue` for one gathering
// write, each behind its length, which is written into the frame's headroom;
// `sent_bytes` of the first (its length included) are out already. Returns
// the number of entries.
u32
stream_gather(const struct frame_queue *queue, u32 sent_bytes,
	      struct iovec *iov, u32 iov_max);

// How many bytes a frame takes on the stream.
u32
stream_bytes(const struct frame *frame);
